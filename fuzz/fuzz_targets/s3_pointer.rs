#![no_main]

use caisson_fuzz::{seeds, targets};

libfuzzer_sys::fuzz_target!(init: seeds::write("s3_pointer"), |data: &[u8]| targets::s3_pointer(data));
