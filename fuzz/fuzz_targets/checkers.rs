#![no_main]

use caisson_fuzz::{seeds, targets};

libfuzzer_sys::fuzz_target!(init: seeds::write("checkers"), |data: &[u8]| targets::checkers(data));
