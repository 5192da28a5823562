//! Named points at which a test lets the worker die as if it had been killed: `CAISSON_CRASH_AT=published` ends the process
//! when it passes that point, `published:3` when it passes it for the third time.
//!
//! They are there only in builds with the feature `crash-points` and with debug assertions. An ordinary build has none of
//! it, and neither has an optimised one, whatever features it is given.

/// One of [`POINTS`]. It stands between two steps of a job's life, and expands to nothing in an ordinary build.
macro_rules! point {
    ($name:literal) => {
        #[cfg(all(feature = "crash-points", debug_assertions))]
        $crate::crash::armed::pass($name);
    };
}
pub(crate) use point;

/// Every point, in the order in which a job passes them.
pub const POINTS: [&str; 9] =
    ["received", "leased", "created", "started", "first_frame", "done", "published", "deleted", "removed"];

#[cfg(all(feature = "crash-points", debug_assertions))]
pub(crate) mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[derive(Debug)]
    struct Charge {
        point: String,
        /// How often the point may still be passed, this time included.
        left: AtomicU64,
    }

    static CHARGE: LazyLock<Option<Charge>> = LazyLock::new(|| {
        let text = std::env::var("CAISSON_CRASH_AT").ok().filter(|text| !text.is_empty())?;
        Some(read(&text).unwrap_or_else(|| {
            eprintln!("caisson: CAISSON_CRASH_AT: {text} is no point; there are {:?}", super::POINTS);
            std::process::abort();
        }))
    });

    fn read(text: &str) -> Option<Charge> {
        let (point, passing) = text.split_once(':').unwrap_or((text, "1"));
        let left = passing.parse().ok().filter(|passing| *passing > 0)?;
        super::POINTS.contains(&point).then(|| Charge { point: point.to_owned(), left: AtomicU64::new(left) })
    }

    /// Ends the process if it is this point's turn. No destructor runs, as with SIGKILL.
    pub(crate) fn pass(name: &str) {
        let Some(charge) = CHARGE.as_ref().filter(|charge| charge.point == name) else { return };
        if charge.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            eprintln!("caisson: CAISSON_CRASH_AT: ended at {name}");
            std::process::abort();
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_point_is_named_with_or_without_the_number_of_its_passing() {
            let read = |text| read(text).map(|charge| (charge.point, charge.left.into_inner()));
            assert_eq!(read("done"), Some(("done".to_owned(), 1)));
            assert_eq!(read("removed:12"), Some(("removed".to_owned(), 12)));
            for nonsense in ["", "dones", "done:", "done:0", "done:x", ":1"] {
                assert_eq!(read(nonsense), None, "{nonsense}");
            }
        }
    }
}
