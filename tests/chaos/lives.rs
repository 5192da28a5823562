//! Which containers lived at the same time, by the engine's own account: its events, asked for past every proxy.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::task::AbortOnDropHandle;

use crate::support::eventually;

/// A container began or ended to run.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) started: bool,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) worker: String,
}

#[derive(Debug)]
pub(crate) struct Lives {
    events: Arc<Mutex<Vec<Event>>>,
    _child: Child,
    _task: AbortOnDropHandle<()>,
}

impl Lives {
    /// Listens from now on, for workers whose names begin like this.
    pub(crate) async fn watch(prefix: &str) -> Lives {
        let mut command = Command::new("docker");
        command.args(["events", "--format", "{{json .}}", "--filter", "type=container"]);
        command.args(["--filter", "event=start", "--filter", "event=die", "--filter", "label=caisson.worker"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().expect("docker can be run");
        let mut lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
        let events = Arc::new(Mutex::new(Vec::new()));
        let (kept, prefix) = (events.clone(), prefix.to_owned());
        let task = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(event) = read(&line).filter(|event| event.worker.starts_with(&prefix)) {
                    kept.lock().expect("nobody panics with it").push(event);
                }
            }
        });
        Lives { events, _child: child, _task: AbortOnDropHandle::new(task) }
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().expect("nobody panics with it").clone()
    }

    /// Waits until every container that was seen to start was seen to end.
    pub(crate) async fn ended(&self) -> bool {
        eventually(async || live(&self.events()).is_empty()).await
    }
}

fn read(line: &str) -> Option<Event> {
    let event: Value = serde_json::from_str(line).ok()?;
    let attributes = &event["Actor"]["Attributes"];
    Some(Event {
        started: event["Action"] == "start",
        id: event["Actor"]["ID"].as_str()?.to_owned(),
        name: attributes["name"].as_str()?.to_owned(),
        worker: attributes["caisson.worker"].as_str()?.to_owned(),
    })
}

/// The containers that run after these events.
pub(crate) fn live(events: &[Event]) -> BTreeSet<&str> {
    let mut live = BTreeSet::new();
    for event in events {
        if event.started {
            live.insert(event.id.as_str());
        } else {
            live.remove(event.id.as_str());
        }
    }
    live
}

/// Everything two live containers had in common that they must not, and the most that each worker had at once. `claims`
/// tells what a container claims for itself alone, by its name.
pub(crate) fn overlaps(
    events: &[Event],
    claims: impl Fn(&str) -> Vec<String>,
) -> (Vec<String>, BTreeMap<String, usize>, usize) {
    let mut live: BTreeMap<&str, &Event> = BTreeMap::new();
    let (mut found, mut most, mut together) = (Vec::new(), BTreeMap::<String, usize>::new(), 0);
    for event in events {
        if !event.started {
            live.remove(event.id.as_str());
            continue;
        }
        let claimed = claims(&event.name);
        for other in live.values() {
            for claim in claims(&other.name).iter().filter(|claim| claimed.contains(claim)) {
                found.push(format!(
                    "{} of {} and {} of {} have {claim}",
                    event.name, event.worker, other.name, other.worker
                ));
            }
        }
        live.insert(&event.id, event);
        let of_worker = live.values().filter(|other| other.worker == event.worker).count();
        let highest = most.entry(event.worker.clone()).or_default();
        *highest = (*highest).max(of_worker);
        together = together.max(live.len());
    }
    (found, most, together)
}
