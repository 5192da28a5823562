//! How far a batch is: a bar on a terminal, and a line of figures at the end.

use std::collections::BTreeMap;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use crate::report::Report;

pub(super) struct Progress {
    bar: ProgressBar,
    verdicts: BTreeMap<&'static str, usize>,
    tests: usize,
    resumed: usize,
    started: Instant,
}

impl Progress {
    /// `total` is unknown when the jobs come from a pipe. Without a terminal there is no bar.
    pub(super) fn new(total: Option<usize>, resumed: usize) -> Progress {
        let bar = match total {
            Some(total) => ProgressBar::new(total as u64),
            None => ProgressBar::no_length(),
        };
        let template = match total {
            Some(_) => "{bar:32} {pos}/{len} jobs  {per_sec}  {eta} left  {msg}",
            None => "{spinner} {pos} jobs  {per_sec}  {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.inc(resumed as u64);
        Progress { bar, verdicts: BTreeMap::new(), tests: 0, resumed, started: Instant::now() }
    }

    pub(super) fn answered(&mut self, report: &Report) {
        *self.verdicts.entry(report.verdict.as_str()).or_default() += 1;
        self.tests += report.tests.len();
        self.bar.set_message(self.counts());
        self.bar.inc(1);
    }

    pub(super) fn finish(self) {
        self.bar.finish_and_clear();
        let jobs: usize = self.verdicts.values().sum();
        let seconds = self.started.elapsed().as_secs_f64();
        let resumed = match self.resumed {
            0 => String::new(),
            count => format!(", {count} were answered before"),
        };
        let counts = if jobs == 0 { String::new() } else { format!(": {}", self.counts()) };
        let rate = jobs as f64 / seconds.max(1e-3);
        eprintln!("{jobs} jobs, {} tests in {seconds:.1} s ({rate:.1} jobs/s){resumed}{counts}", self.tests);
    }

    fn counts(&self) -> String {
        let counts: Vec<String> = self.verdicts.iter().map(|(verdict, count)| format!("{verdict} {count}")).collect();
        counts.join(", ")
    }
}
