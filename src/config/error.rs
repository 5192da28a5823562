//! What a start with a wrong configuration says: everything at once, a line each.

use std::fmt;

use crate::strict_toml::Mistake;

/// All mistakes of a configuration, in the order of their places. Never empty.
#[derive(Debug, Clone, thiserror::Error)]
pub struct ConfigErrors(pub(super) Vec<Mistake>);

impl ConfigErrors {
    pub fn mistakes(&self) -> &[Mistake] {
        &self.0
    }
}

/// One mistake a line: `caisson.toml:3: queue.wait_time_s: 30 is out of range; allowed is …`.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, mistake) in self.0.iter().enumerate() {
            if number > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{mistake}")?;
        }
        Ok(())
    }
}
