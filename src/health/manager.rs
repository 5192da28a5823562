//! How the worker is, told to systemd: that it works, what holds it up, and again and again that it gets on.
//!
//! The protocol is `sd_notify`: lines of text in a datagram to the socket that `NOTIFY_SOCKET` names. The standard library can do
//! all of it, abstract names too, so there is no crate for it here; the common one brings more code than this file has.
//!
//! Everything runs on the worker's own runtime. A thread of its own would go on to say that all is well while the worker hangs.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Health;

/// How often to look at the state, so that changes are told soon. More often where the watchdog's time is short.
const LOOK: Duration = Duration::from_secs(1);

/// How often to ask for more time while the worker starts or stops, and for how much. A start may wait for its queues and a drain for
/// its jobs, longer than the unit's own timeouts; without such requests they hold.
const ASK_EVERY: Duration = Duration::from_secs(10);
const MORE_TIME: Duration = Duration::from_secs(60);

/// systemd shows the first line's worth.
const LONGEST_STATUS: usize = 300;

/// The service manager that started this process.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    /// After this time without a sign of life the process is ended; `None`: it isn't watched.
    watchdog: Option<Duration>,
}

impl Manager {
    /// `None` where nobody wants to be told. `variable` gives the environment's values.
    ///
    /// # Errors
    /// What is wrong with the socket that is named.
    pub fn find(variable: impl Fn(&str) -> Option<OsString>) -> std::io::Result<Option<Manager>> {
        let Some(name) = variable("NOTIFY_SOCKET") else { return Ok(None) };
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(&name)?,
        };
        let socket = UnixDatagram::unbound()?;
        // Whoever doesn't take what we say must not hold up the worker.
        socket.set_nonblocking(true)?;
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|us| is_ours && *us > 0).map(Duration::from_micros);
        Ok(Some(Manager { socket, address, watchdog }))
    }

    /// Tells on, until the process ends. `stopping` is cancelled when the worker begins to drain.
    pub async fn tell(self, health: Health, stopping: CancellationToken) {
        let mut telling = Telling { watchdog: self.watchdog, ..Telling::default() };
        let look = self.watchdog.map_or(LOOK, |watchdog| LOOK.min(watchdog / 4));
        let mut is_heard = true;
        loop {
            let message = telling.next(&health, stopping.is_cancelled(), Instant::now());
            if !message.is_empty() {
                let sent = self.socket.send_to_addr(message.as_bytes(), &self.address);
                if let Err(error) = &sent
                    && is_heard
                {
                    tracing::warn!(%error, "the service manager doesn't take what the worker tells it; going on all the same");
                }
                is_heard = sent.is_ok();
            }
            tokio::time::sleep(look).await;
        }
    }
}

/// What was told so far, and when.
#[derive(Debug, Default)]
struct Telling {
    watchdog: Option<Duration>,
    status: String,
    is_ready: bool,
    is_stopping: bool,
    asked: Option<Instant>,
    alive: Option<Instant>,
}

impl Telling {
    /// What there is to say now, possibly nothing.
    fn next(&mut self, health: &Health, is_stopping: bool, now: Instant) -> String {
        let mut message = String::new();
        let is_due =
            |last: Option<Instant>, every| last.is_none_or(|last| now.saturating_duration_since(last) >= every);
        if health.is_working() && !self.is_ready {
            self.is_ready = true;
            message.push_str("READY=1\n");
        }
        if is_stopping && !self.is_stopping {
            self.is_stopping = true;
            self.asked = None;
            message.push_str("STOPPING=1\n");
        }
        let (stuck, held_up) = (health.stuck(), health.held_up_by());
        let mut status = match (&stuck, &held_up) {
            (Some(stuck), _) => format!("stuck: {stuck}"),
            (None, Some(reason)) if self.is_ready && !self.is_stopping => format!("taking in no jobs: {reason}"),
            (None, Some(reason)) => reason.clone(),
            (None, None) => "taking in jobs".to_owned(),
        };
        status.truncate(status.floor_char_boundary(LONGEST_STATUS));
        if status != self.status {
            message.push_str(&format!("STATUS={status}\n"));
            self.status = status;
        }
        if stuck.is_some() {
            return message;
        }
        if (!self.is_ready || self.is_stopping) && is_due(self.asked, ASK_EVERY) {
            self.asked = Some(now);
            message.push_str(&format!("EXTEND_TIMEOUT_USEC={}\n", MORE_TIME.as_micros()));
        }
        if self.watchdog.is_some_and(|watchdog| is_due(self.alive, watchdog / 2)) {
            self.alive = Some(now);
            message.push_str("WATCHDOG=1\n");
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const WATCHDOG: Duration = Duration::from_secs(20);

    fn lines(telling: &mut Telling, health: &Health, is_stopping: bool, now: Instant) -> Vec<String> {
        health.lock().ticked = Instant::now();
        telling.next(health, is_stopping, now).lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_worker_is_ready_when_it_works_and_alive_only_while_it_gets_on() {
        let health = Health::new(Duration::from_secs(45));
        let mut telling = Telling { watchdog: Some(WATCHDOG), ..Telling::default() };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let more = format!("EXTEND_TIMEOUT_USEC={}", MORE_TIME.as_micros());
        assert_eq!(lines(&mut telling, &health, false, at(0)), ["STATUS=the worker is starting", &more, "WATCHDOG=1"]);
        assert_eq!(lines(&mut telling, &health, false, at(9)), [""; 0]);
        assert_eq!(lines(&mut telling, &health, false, at(10)), [more.as_str(), "WATCHDOG=1"]);
        health.intake_open(true, "");
        assert_eq!(lines(&mut telling, &health, false, at(11)), ["READY=1", "STATUS=taking in jobs"]);
        health.set(super::super::Condition::Engine, false, "engine: no\nanswer");
        assert_eq!(
            lines(&mut telling, &health, false, at(20)),
            ["STATUS=taking in no jobs: engine: no answer", "WATCHDOG=1"],
            "held up, and it gets on"
        );
        health.lock().turned = start.checked_sub(super::super::LONGEST_TURN * 2);
        let stuck = lines(&mut telling, &health, false, at(40));
        assert!(stuck.len() == 1 && stuck[0].starts_with("STATUS=stuck: intake"), "{stuck:?}");
        assert_eq!(lines(&mut telling, &health, false, at(400)), [""; 0]);
        health.turned();
        assert_eq!(lines(&mut telling, &health, false, at(401)).last().map(String::as_str), Some("WATCHDOG=1"));
        health.intake_open(false, "the worker is stopping");
        let stopping = lines(&mut telling, &health, true, at(402));
        assert!(stopping.contains(&"STOPPING=1".to_owned()) && stopping.contains(&more), "{stopping:?}");
        assert_eq!(lines(&mut telling, &health, true, at(412)), [more.as_str(), "WATCHDOG=1"]);
    }

    #[tokio::test]
    async fn it_is_found_by_path_and_by_abstract_name_and_hears_what_is_said() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("notify");
        let name = format!("caisson-test-{}", uuid::Uuid::new_v4());
        let abstract_name = SocketAddr::from_abstract_name(&name).expect("the name is short");
        let sockets = [
            (path.clone().into_os_string(), UnixDatagram::bind(&path)),
            (format!("@{name}").into(), UnixDatagram::bind_addr(&abstract_name)),
        ];
        for (named, listener) in sockets {
            let listener = listener.expect("a socket can be made");
            listener.set_nonblocking(true).expect("it is ours");
            let listener = tokio::net::UnixDatagram::from_std(listener).expect("it is a socket");
            let variables = BTreeMap::from([("NOTIFY_SOCKET", named), ("WATCHDOG_USEC", "100000".into())]);
            let manager =
                Manager::find(|name| variables.get(name).cloned()).expect("it is there").expect("it is named");
            let health = Health::new(Duration::from_secs(45));
            let telling = tokio::spawn(manager.tell(health, CancellationToken::new()));
            let mut buffer = [0; 1024];
            let length = listener.recv(&mut buffer).await.expect("it hears");
            let heard = String::from_utf8_lossy(&buffer[..length]);
            assert!(heard.starts_with("STATUS=the worker is starting\n") && heard.contains("WATCHDOG=1"), "{heard}");
            telling.abort();
        }
    }

    #[test]
    fn whoever_is_not_asked_or_not_meant_is_not_watched() {
        let find = |variables: &[(&str, &str)]| {
            let variables: BTreeMap<_, _> = variables.iter().copied().collect();
            Manager::find(|name| variables.get(name).map(OsString::from)).expect("the name is good")
        };
        assert!(find(&[("WATCHDOG_USEC", "1000000")]).is_none());
        let watchdog = |more: &[(&str, &str)]| find(&[&[("NOTIFY_SOCKET", "@x")], more].concat())?.watchdog;
        assert_eq!(watchdog(&[]), None);
        assert_eq!(watchdog(&[("WATCHDOG_USEC", "2000000")]), Some(Duration::from_secs(2)));
        assert_eq!(watchdog(&[("WATCHDOG_USEC", "2000000"), ("WATCHDOG_PID", "1")]), None);
        let own = std::process::id().to_string();
        assert_eq!(watchdog(&[("WATCHDOG_USEC", "2000000"), ("WATCHDOG_PID", &own)]), Some(Duration::from_secs(2)));
    }
}
