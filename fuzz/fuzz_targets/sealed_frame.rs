#![no_main]

use caisson_fuzz::{seeds, targets};

libfuzzer_sys::fuzz_target!(init: seeds::write("sealed_frame"), |data: &[u8]| targets::sealed_frame(data));
