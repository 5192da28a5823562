#![no_main]

use caisson_fuzz::{seeds, targets};

libfuzzer_sys::fuzz_target!(init: seeds::write("request_frame"), |data: &[u8]| targets::request_frame(data));
