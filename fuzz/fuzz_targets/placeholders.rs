#![no_main]

use caisson_fuzz::{seeds, targets};

libfuzzer_sys::fuzz_target!(init: seeds::write("placeholders"), |data: &[u8]| targets::placeholders(data));
