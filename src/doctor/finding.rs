//! One thing that was looked at, and what came of it.

use serde::Serialize;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Area {
    Engine,
    Kernel,
    /// What makes measured times differ from run to run.
    Timing,
    Sandbox,
    Images,
    Queues,
}

/// How it is. The order is that of gravity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As promised.
    Good,
    /// Worth knowing; nothing has to be done.
    Note,
    /// A promise holds by fewer means than it could, or can't be seen to hold.
    Warning,
    /// A promise doesn't hold.
    Broken,
}

/// Something that can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    pub area: Area,
    /// Stable, for programs: `sandbox.seccomp`. The word before the point is the area.
    pub id: &'static str,
    /// What should be so.
    pub promise: &'static str,
}

/// What came of a check. [`Check`]'s methods are the only way to make one, so that nothing but the good goes unexplained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub area: Area,
    pub check: &'static str,
    pub promise: &'static str,
    /// What was seen, in words and numbers.
    pub measured: String,
    pub verdict: Verdict,
    /// What to do, or why nothing need be done; `None` only for what is good.
    pub advice: Option<String>,
}

impl Check {
    pub(super) const fn new(area: Area, id: &'static str, promise: &'static str) -> Check {
        Check { area, id, promise }
    }

    pub fn good(&self, measured: impl Into<String>) -> Finding {
        self.finding(Verdict::Good, measured.into(), None)
    }

    pub fn note(&self, measured: impl Into<String>, advice: impl Into<String>) -> Finding {
        self.finding(Verdict::Note, measured.into(), Some(advice.into()))
    }

    pub fn warning(&self, measured: impl Into<String>, advice: impl Into<String>) -> Finding {
        self.finding(Verdict::Warning, measured.into(), Some(advice.into()))
    }

    pub fn broken(&self, measured: impl Into<String>, advice: impl Into<String>) -> Finding {
        self.finding(Verdict::Broken, measured.into(), Some(advice.into()))
    }

    fn finding(&self, verdict: Verdict, measured: String, advice: Option<String>) -> Finding {
        Finding { area: self.area, check: self.id, promise: self.promise, measured, verdict, advice }
    }
}

impl Area {
    /// In the order in which they are shown.
    pub const ALL: [Area; 6] = [Area::Engine, Area::Kernel, Area::Timing, Area::Sandbox, Area::Images, Area::Queues];

    pub fn name(self) -> &'static str {
        match self {
            Area::Engine => "engine",
            Area::Kernel => "kernel",
            Area::Timing => "timing",
            Area::Sandbox => "sandbox",
            Area::Images => "images",
            Area::Queues => "queues",
        }
    }
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Good => "good",
            Verdict::Note => "note",
            Verdict::Warning => "warning",
            Verdict::Broken => "broken",
        }
    }
}
