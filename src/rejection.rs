//! A job refused: which field, and why.

/// Why a job is refused: the field and the reason, both for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Rejection {
    /// The field's full path, as `tests[3].limits.cpu_time_ms`, or `job` when it is the message as a whole.
    pub field: String,
    /// What is wrong with it, worded to follow the field's name.
    pub reason: String,
}

impl Rejection {
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Rejection {
        Rejection { field: field.into(), reason: reason.into() }
    }

    /// The same, for a field inside `outer`.
    pub(crate) fn inside(self, outer: &str) -> Rejection {
        let dot = if self.field.starts_with('[') { "" } else { "." };
        Rejection { field: format!("{outer}{dot}{}", self.field), reason: self.reason }
    }
}
