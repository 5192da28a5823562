#![no_main]

use caisson_fuzz::{seeds, targets};

libfuzzer_sys::fuzz_target!(init: seeds::write("proc_net_dev"), |data: &[u8]| targets::proc_net_dev(data));
