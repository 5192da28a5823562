#![no_main]

use caisson_fuzz::{seeds, targets};

libfuzzer_sys::fuzz_target!(init: seeds::write("report_cut"), |data: &[u8]| targets::report_cut(data));
