//! A man in the middle of worker and engine, for faults: it knows each request by its operation and can refuse it, let it
//! hang, cut it off, or cut what it let through before.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::engine::socket;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EngineFault {
    /// Answered with 500 and these words, without anything being done.
    Answers(&'static str),
    /// Answered as an engine does that is removing the container already.
    Conflicts,
    /// Never answered, and nothing is done.
    Hangs,
    /// The connection is closed without an answer.
    Cuts,
    /// Done, but the answer is lost with its connection.
    LosesAnswer,
}

#[derive(Debug, Default)]
struct State {
    /// Operation, fault, and how many requests are still to be hit.
    faults: Vec<(&'static str, EngineFault, usize)>,
    hits: Vec<&'static str>,
    requests: Vec<&'static str>,
    /// What of each operation passes through now.
    open: Vec<(&'static str, CancellationToken)>,
    is_away: bool,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub(crate) struct EngineProxy {
    state: Arc<Mutex<State>>,
    path: PathBuf,
    _folder: tempfile::TempDir,
    _task: AbortOnDropHandle<()>,
}

impl EngineProxy {
    pub(crate) fn start() -> EngineProxy {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&path).expect("a socket can be made there");
        let state = Arc::new(Mutex::new(State::default()));
        let task = tokio::spawn({
            let state = state.clone();
            async move {
                // They end with the listener: each is a task of this one's set.
                let mut conversations = tokio::task::JoinSet::new();
                while let Ok((client, _)) = listener.accept().await {
                    let state = state.clone();
                    conversations.spawn(async move {
                        // Whatever goes wrong here is one more fault that the worker has to live with.
                        let _ = converse(client, &state).await;
                    });
                }
            }
        });
        EngineProxy { state, path, _folder: folder, _task: AbortOnDropHandle::new(task) }
    }

    pub(crate) fn socket(&self) -> String {
        self.path.to_str().expect("the path is UTF-8").to_owned()
    }

    /// From now on the next `count` requests of this operation go wrong.
    pub(crate) fn fail(&self, operation: &'static str, fault: EngineFault, count: usize) {
        self.state().faults.push((operation, fault, count));
    }

    /// Cuts every connection of this operation that passes through now.
    pub(crate) fn cut(&self, operation: &str) {
        for (_, token) in self.state().open.iter().filter(|(open, _)| *open == operation) {
            token.cancel();
        }
    }

    /// The engine is gone, with all its connections, until [`Self::heal`].
    pub(crate) fn vanish(&self) {
        let mut state = self.state();
        state.is_away = true;
        state.open.iter().for_each(|(_, token)| token.cancel());
    }

    /// From now on all goes well again.
    pub(crate) fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.is_away = false;
    }

    /// How many requests of this operation went wrong.
    pub(crate) fn hits(&self, operation: &str) -> usize {
        self.state().hits.iter().filter(|hit| **hit == operation).count()
    }

    /// How many requests of this operation came.
    pub(crate) fn requests(&self, operation: &str) -> usize {
        self.state().requests.iter().filter(|request| **request == operation).count()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }
}

/// What a request is for, from its first line.
fn operation(head: &str) -> &'static str {
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    match method {
        "DELETE" if path.contains("/containers/") => "remove",
        _ if path.ends_with("/containers/create") => "create",
        _ if path.ends_with("/attach") => "attach",
        _ if path.ends_with("/start") => "start",
        _ if path.ends_with("/update") => "update",
        _ if path.ends_with("/events") => "events",
        _ if path.ends_with("/_ping") => "ping",
        _ if path.ends_with("/containers/json") => "list",
        _ => "other",
    }
}

async fn converse(mut client: UnixStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut request = Vec::new();
    let head = loop {
        if client.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
        if let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&request[..head]).into_owned();
    let operation = operation(&text);
    let passing = CancellationToken::new();
    let fault = {
        let mut state = state.lock().expect("nobody panics with it");
        if state.is_away {
            return Ok(());
        }
        state.requests.push(operation);
        let fault = state.faults.iter_mut().find(|(of, _, left)| *of == operation && *left > 0);
        let fault = fault.map(|(_, fault, left)| {
            *left -= 1;
            *fault
        });
        if fault.is_some() {
            state.hits.push(operation);
        }
        state.open.push((operation, passing.clone()));
        fault
    };
    let answer = match fault {
        Some(EngineFault::Answers(words)) => ("500 Internal Server Error", words),
        Some(EngineFault::Conflicts) => ("409 Conflict", "removal of container is already in progress"),
        // Until the client gives up and closes, or all connections are cut.
        Some(EngineFault::Hangs) => {
            passing.run_until_cancelled(client.read(&mut [0])).await;
            return Ok(());
        }
        Some(EngineFault::Cuts) => return Ok(()),
        Some(EngineFault::LosesAnswer) | None => {
            let mut engine = UnixStream::connect(socket().trim_start_matches("unix://")).await?;
            engine.write_all(&one_request(&text)).await?;
            engine.write_all(&request[head..]).await?;
            if fault.is_some() {
                // Done when it begins to answer.
                engine.read_exact(&mut [0]).await?;
                return Ok(());
            }
            passing.run_until_cancelled(tokio::io::copy_bidirectional(&mut client, &mut engine)).await;
            return Ok(());
        }
    };
    let (status, words) = answer;
    let body = serde_json::json!({ "message": words }).to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes()).await?;
    client.write_all(body.as_bytes()).await?;
    client.shutdown().await
}

/// The head as it is passed on: so that the end of the answer is the end of the connection, but where it becomes another
/// protocol's.
fn one_request(head: &str) -> Vec<u8> {
    let is_upgrade = head.to_ascii_lowercase().contains("\r\nupgrade:");
    if is_upgrade {
        return head.as_bytes().to_vec();
    }
    let mut lines: Vec<&str> = head.trim_end().split("\r\n").collect();
    lines.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    lines.insert(1, "connection: close");
    format!("{}\r\n\r\n", lines.join("\r\n")).into_bytes()
}
