#![no_main]

use caisson_fuzz::{seeds, targets};

libfuzzer_sys::fuzz_target!(init: seeds::write("language_parse"), |data: &[u8]| targets::language_parse(data));
