//! A man in the middle of worker and queue, for faults: it knows each request by its operation and can refuse it, let it
//! hang, or pass it on and lose the answer.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Answered as a service in trouble does, without anything being done.
    Refused,
    /// Never answered, and nothing is done.
    Hangs,
    /// Done, but the answer is lost with its connection.
    AnswerLost,
}

#[derive(Debug, Default)]
struct State {
    /// Operation, fault, and how many requests are still to be hit.
    faults: Vec<(&'static str, Fault, usize)>,
    /// How many requests of each operation were hit.
    hits: Vec<&'static str>,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) endpoint: String,
    state: Arc<Mutex<State>>,
    _task: AbortOnDropHandle<()>,
}

impl Proxy {
    /// In front of the local SQS.
    pub(crate) async fn start() -> Proxy {
        let behind =
            std::env::var("CAISSON_TEST_SQS_URL").expect("this test needs the local SQS; run it by `just test`");
        let behind = behind.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("a listener has an address"));
        let state = Arc::new(Mutex::new(State::default()));
        let task = tokio::spawn({
            let state = state.clone();
            async move {
                // They end with the listener: each is a task of this one's set.
                let mut conversations = tokio::task::JoinSet::new();
                while let Ok((client, _)) = listener.accept().await {
                    let (state, behind) = (state.clone(), behind.clone());
                    conversations.spawn(async move {
                        // Whatever goes wrong here is one more fault that the worker has to live with.
                        let _ = converse(client, &behind, &state).await;
                    });
                }
            }
        });
        Proxy { endpoint, state, _task: AbortOnDropHandle::new(task) }
    }

    /// From now on the next `count` requests of this operation go wrong.
    pub(crate) fn fail(&self, operation: &'static str, fault: Fault, count: usize) {
        self.state.lock().expect("nobody panics with it").faults.push((operation, fault, count));
    }

    /// From now on all goes well again.
    pub(crate) fn heal(&self) {
        self.state.lock().expect("nobody panics with it").faults.clear();
    }

    /// How many requests of this operation went wrong.
    pub(crate) fn hits(&self, operation: &str) -> usize {
        self.state.lock().expect("nobody panics with it").hits.iter().filter(|hit| **hit == operation).count()
    }
}

/// The fault for a request, if it is to have one.
fn fault(head: &str, state: &Mutex<State>) -> Option<Fault> {
    let mut state = state.lock().expect("nobody panics with it");
    let is_meant =
        |operation: &str| head.contains(&format!("x-amz-target: amazonsqs.{}\r\n", operation.to_lowercase()));
    let (operation, fault, left) =
        state.faults.iter_mut().find(|(operation, _, left)| *left > 0 && is_meant(operation))?;
    *left -= 1;
    let (operation, fault) = (*operation, *fault);
    state.hits.push(operation);
    Some(fault)
}

/// One request and its answer; the connection is used for no other.
async fn converse(mut client: TcpStream, behind: &str, state: &Mutex<State>) -> std::io::Result<()> {
    let mut request = Vec::new();
    let head_length = loop {
        if let Some(at) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if client.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&request[..head_length]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    while request.len() < head_length + length.unwrap_or(0) {
        if client.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let fault = fault(&head, state);
    match fault {
        Some(Fault::Refused) => {
            let answer = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            return client.write_all(answer.as_bytes()).await;
        }
        // Until the client gives up and closes.
        Some(Fault::Hangs) => return client.read(&mut [0]).await.map(drop),
        Some(Fault::AnswerLost) | None => {}
    }
    let mut server = TcpStream::connect(behind).await?;
    // After the request line: so that the end of the answer is the end of the connection.
    let line = request.windows(2).position(|window| window == b"\r\n").unwrap_or(0) + 2;
    server.write_all(&request[..line]).await?;
    server.write_all(b"connection: close\r\n").await?;
    server.write_all(&request[line..]).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    match fault {
        Some(_) => Ok(()),
        None => client.write_all(&answer).await,
    }
}
