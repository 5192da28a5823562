#![no_main]

use caisson_fuzz::{seeds, targets};

libfuzzer_sys::fuzz_target!(init: seeds::write("event_frame"), |data: &[u8]| targets::event_frame(data));
