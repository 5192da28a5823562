//! How long a job may still take, for whoever has to decide whether to wait for it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// More than any job takes, and little enough for any clock.
const EVER: Duration = Duration::from_secs(365 * 24 * 3_600);

/// When a job's programs are done at the latest: nothing is known before it is planned, and from there on it is said anew
/// whenever a step begins, since most steps take far less than their limits. An estimate, for the making of a sandbox and
/// the wait for its memory aren't in it.
#[derive(Debug, Default)]
pub struct Remaining(watch::Sender<Option<Instant>>);

impl Remaining {
    /// From now on the job takes this long, and no longer.
    pub fn at_most(&self, longest: Duration) {
        self.0.send_replace(Some(Instant::now() + longest.min(EVER)));
    }

    /// The moment, as it is known now and as it changes.
    pub fn ends_by(&self) -> watch::Receiver<Option<Instant>> {
        self.0.subscribe()
    }
}
