//! What the metadata says about the instance's end, read and turned into deadlines. Pure: texts and times in, reasons out.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::Settings;
use crate::shutdown::Reason;

/// A Spot instance ends two minutes after its notice, never later.
const NOTICE: Duration = Duration::from_secs(120);

/// The two states of an Auto Scaling instance that end in its termination.
const TERMINATED: [&str; 2] = ["Terminated", "Warmed:Terminated"];

/// What the three documents said in one look; `None` where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// `spot/instance-action`
    pub(super) interruption: Option<Interruption>,
    /// `events/recommendations/rebalance`
    pub(super) rebalance: bool,
    /// `autoscaling/target-lifecycle-state`
    pub(super) terminating: bool,
}

/// A Spot interruption notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interruption {
    /// `terminate`, `stop` or `hibernate`; for a worker they come to the same.
    pub(super) action: String,
    /// `None` when the notice can't be read. It is a notice all the same.
    pub(super) at: Option<Timestamp>,
}

/// Reads `{"action": "terminate", "time": "2017-09-18T08:22:00Z"}`.
pub(super) fn interruption(text: &str) -> Interruption {
    let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let field = |name| json.get(name).and_then(serde_json::Value::as_str);
    Interruption {
        action: field("action").unwrap_or("interrupt").to_owned(),
        at: field("time").and_then(|time| time.parse().ok()),
    }
}

/// Whether a target state means that Auto Scaling ends the instance.
pub(super) fn is_terminating(target: &str) -> bool {
    TERMINATED.contains(&target.trim())
}

/// How long jobs may go on after a notice, that is until `margin` before the instance's end. A clock that is behind must
/// not promise more than the notice's two minutes; a time that can't be read counts from now, less the time until the
/// next look, which is how old the notice may be.
pub(super) fn time_left(interruption: &Interruption, now: Timestamp, settings: &Settings) -> Duration {
    let left = match interruption.at {
        Some(at) => Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO).min(NOTICE),
        None => NOTICE.saturating_sub(settings.poll_interval),
    };
    left.saturating_sub(settings.interruption_margin)
}

/// The reasons to stop that are in `seen` and weren't in `before`, the same notice read again being none.
pub(super) fn reasons(before: &Seen, seen: &Seen, now: Timestamp, settings: &Settings) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut add = |why: String, left: Duration, firm: bool| {
        reasons.push(Reason { why, until: Instant::now() + left, firm });
    };
    if let Some(interruption) = &seen.interruption
        && before.interruption.as_ref() != Some(interruption)
    {
        let why = match interruption.at {
            Some(at) => format!("Spot interruption notice: {} at {at}", interruption.action),
            None => "Spot interruption notice without a time".to_owned(),
        };
        add(why, time_left(interruption, now, settings), true);
    }
    if seen.rebalance && !before.rebalance && settings.drain_on_rebalance {
        add("rebalance recommendation".to_owned(), settings.grace_period, false);
    }
    if seen.terminating && !before.terminating {
        add("Auto Scaling ends the instance".to_owned(), settings.scale_in_grace, false);
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings { drain_on_rebalance: true, ..Settings::for_tests() }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("it is a time")
    }

    #[test]
    fn a_notice_is_read_and_one_that_cannot_be_read_is_a_notice_all_the_same() {
        let read = interruption(r#"{"action": "terminate", "time": "2026-01-02T03:04:05Z"}"#);
        assert_eq!((read.action.as_str(), read.at), ("terminate", Some(at("2026-01-02T03:04:05Z"))));
        for text in ["", "{", "[]", "null", r#"{"time": 7}"#, r#"{"action": "stop", "time": "soon"}"#] {
            assert_eq!(interruption(text).at, None, "{text}");
        }
        assert_eq!(interruption(r#"{"action": "stop", "time": "soon"}"#).action, "stop");
    }

    #[test]
    fn jobs_have_until_a_margin_before_the_end_and_never_more_than_the_two_minutes() {
        let now = at("2026-01-02T03:00:00Z");
        let left = |time: Option<&str>| {
            let interruption = Interruption { action: "terminate".to_owned(), at: time.map(at) };
            time_left(&interruption, now, &settings()).as_secs()
        };
        assert_eq!(left(Some("2026-01-02T03:01:55Z")), 100);
        assert_eq!(left(Some("2026-01-02T03:00:10Z")), 0, "the margin is longer than what is left");
        assert_eq!(left(Some("2026-01-02T02:00:00Z")), 0, "the time is past");
        assert_eq!(left(Some("2026-01-02T05:00:00Z")), 105, "a clock that is behind");
        assert_eq!(left(None), 100, "two minutes less the interval of looking and the margin");
    }

    #[test]
    fn each_notice_counts_once_and_a_changed_one_again() {
        let now = at("2026-01-02T03:00:00Z");
        let notice = |time: &str| Interruption { action: "terminate".to_owned(), at: Some(at(time)) };
        let nothing = Seen::default();
        let all = Seen { interruption: Some(notice("2026-01-02T03:02:00Z")), rebalance: true, terminating: true };
        let firm = |before: &Seen, seen: &Seen| -> Vec<bool> {
            reasons(before, seen, now, &settings()).iter().map(|reason| reason.firm).collect()
        };
        assert!(firm(&nothing, &nothing).is_empty());
        assert_eq!(firm(&nothing, &all), [true, false, false]);
        assert!(firm(&all, &all).is_empty());
        let sooner = Seen { interruption: Some(notice("2026-01-02T03:01:00Z")), ..all.clone() };
        assert_eq!(firm(&all, &sooner), [true]);
    }

    #[test]
    fn a_rebalance_recommendation_is_followed_only_where_that_is_wanted() {
        let seen = Seen { rebalance: true, ..Seen::default() };
        let ignoring = Settings { drain_on_rebalance: false, ..settings() };
        let now = at("2026-01-02T03:00:00Z");
        assert_eq!(reasons(&Seen::default(), &seen, now, &settings()).len(), 1);
        assert_eq!(reasons(&Seen::default(), &seen, now, &ignoring), []);
    }

    #[test]
    fn only_the_two_terminated_states_end_an_instance() {
        assert!(is_terminating("Terminated") && is_terminating("Warmed:Terminated\n"));
        for other in ["InService", "Standby", "Detached", "Warmed:Stopped", "Warmed:Hibernated", "Warmed:Running", ""] {
            assert!(!is_terminating(other), "{other}");
        }
    }
}
