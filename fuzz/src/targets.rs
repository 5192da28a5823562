//! What is fuzzed: a function for each reader of bytes that somebody else wrote. Each takes any bytes and panics when
//! something that must hold doesn't.

// Named by path: the fuzzer's package and the tests both have this file, at different places in their trees.
#[path = "targets/checkers.rs"]
mod checkers;
#[path = "targets/configuration.rs"]
mod configuration;
#[path = "targets/frames.rs"]
mod frames;
#[path = "targets/jobs.rs"]
mod jobs;
#[path = "targets/kernel.rs"]
mod kernel;
#[path = "targets/messages.rs"]
mod messages;
#[path = "targets/reports.rs"]
mod reports;

pub use checkers::checkers;
pub use configuration::{config_parse, language_parse, placeholders};
pub use frames::{event_frame, request_frame, sealed_frame};
pub use jobs::job_parse;
pub use kernel::{cgroup_text, proc_net_dev};
pub use messages::{s3_pointer, trace_context};
pub use reports::report_cut;

pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 13] = [
    ("job_parse", job_parse),
    ("s3_pointer", s3_pointer),
    ("trace_context", trace_context),
    ("request_frame", request_frame),
    ("event_frame", event_frame),
    ("sealed_frame", sealed_frame),
    ("cgroup_text", cgroup_text),
    ("proc_net_dev", proc_net_dev),
    ("checkers", checkers),
    ("report_cut", report_cut),
    ("config_parse", config_parse),
    ("language_parse", language_parse),
    ("placeholders", placeholders),
];

/// Takes the fuzzer's bytes apart; at their end everything is zero and empty.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn text(&mut self, length: usize) -> String {
        String::from_utf8_lossy(self.take(length)).into_owned()
    }
}
