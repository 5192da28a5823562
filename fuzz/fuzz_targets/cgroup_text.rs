#![no_main]

use caisson_fuzz::{seeds, targets};

libfuzzer_sys::fuzz_target!(init: seeds::write("cgroup_text"), |data: &[u8]| targets::cgroup_text(data));
