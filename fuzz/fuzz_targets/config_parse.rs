#![no_main]

use caisson_fuzz::{seeds, targets};

libfuzzer_sys::fuzz_target!(init: seeds::write("config_parse"), |data: &[u8]| targets::config_parse(data));
