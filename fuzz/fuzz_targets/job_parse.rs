#![no_main]

use caisson_fuzz::{seeds, targets};

libfuzzer_sys::fuzz_target!(init: seeds::write("job_parse"), |data: &[u8]| targets::job_parse(data));
