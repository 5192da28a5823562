#![no_main]

use caisson_fuzz::{seeds, targets};

libfuzzer_sys::fuzz_target!(init: seeds::write("trace_context"), |data: &[u8]| targets::trace_context(data));
