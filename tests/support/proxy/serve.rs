//! The life of a connection: one request, its luck, and its answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::http::{self, Dialect, Request};
use super::wire::{Listener, Socket};
use super::{Control, Fault};

const DRIP: usize = 16;

/// What SQS answers in.
const JSON: &str = "application/x-amz-json-1.0";

pub(super) async fn serve(listener: Listener, control: Arc<Control>) {
    // They end with the listener: each is a task of this one's set.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok(client) = listener.accept().await {
        let control = control.clone();
        connections.spawn(async move {
            let severed = control.lock().severed.clone();
            let mut client = client;
            let cut = tokio::select! {
                () = severed.cancelled() => true,
                // Whatever else goes wrong here is one more fault that the worker has to live with.
                outcome = converse(&mut client, &control) => outcome.unwrap_or(true),
            };
            if cut {
                client.reset();
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

/// One request and its answer; the connection is used for no other. True when it is to end with a reset.
async fn converse(client: &mut Socket, control: &Control) -> std::io::Result<bool> {
    let Some(request) = http::read(client, control.dialect).await? else { return Ok(false) };
    control.observer.request(&request);
    let fault = control.fault(&request.operation, &request.body);
    control.passable().await;
    match fault {
        Some(Fault::Refused) => return client.write_all(&refusal(control.dialect, 500)).await.map(|()| false),
        Some(Fault::Denied) => return client.write_all(&http::denial()).await.map(|()| false),
        Some(Fault::Answered(status)) => {
            return client.write_all(&refusal(control.dialect, status)).await.map(|()| false);
        }
        Some(Fault::Says(body)) => return client.write_all(&said(200, JSON, body)).await.map(|()| false),
        // Until the client gives up and closes.
        Some(Fault::Hangs) => return client.read(&mut [0]).await.map(|_| false),
        Some(Fault::Reset) => return Ok(true),
        Some(Fault::Late(by)) => tokio::time::sleep(by).await,
        Some(Fault::Held) => control.released().await,
        _ => {}
    }
    let mut server = control.upstream.connect().await?;
    if request.is_endless {
        return tunnel(client, &mut server, &request, fault, control).await;
    }
    server.write_all(&request.closing()).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    control.passable().await;
    let (status, body) = parts(&answer);
    if status >= 500 {
        control.failed_by_itself(&request.operation);
    }
    let is_whole = !matches!(fault, Some(Fault::AnswerLost | Fault::CutAfter(_) | Fault::HalfClosed));
    // Told before it is handed on, or what the client does next could be seen before.
    control.observer.answer(&request, status, body, is_whole);
    Ok(hand_on(client, &answer, fault).await)
}

/// Gives the client as much of the answer as the fault leaves; whether a reset follows.
async fn hand_on(client: &mut Socket, answer: &[u8], fault: Option<Fault>) -> bool {
    match fault {
        Some(Fault::AnswerLost) => true,
        Some(Fault::CutAfter(bytes)) => {
            let _ = client.write_all(&answer[..bytes.min(answer.len())]).await;
            true
        }
        Some(Fault::HalfClosed) => {
            let _ = client.write_all(&answer[..answer.len() / 2]).await;
            let _ = client.shutdown().await;
            // Open for reading until the client has had enough.
            let _ = client.read_to_end(&mut Vec::new()).await;
            false
        }
        Some(Fault::Drips(apart)) => {
            for drop in answer.chunks(DRIP) {
                if client.write_all(drop).await.is_err() {
                    return false;
                }
                tokio::time::sleep(apart).await;
            }
            false
        }
        _ => {
            // A client that is gone can't be told.
            let _ = client.write_all(answer).await;
            false
        }
    }
}

/// Passes bytes both ways until both have ended.
async fn tunnel(
    client: &mut Socket,
    server: &mut Socket,
    request: &Request,
    fault: Option<Fault>,
    control: &Control,
) -> std::io::Result<bool> {
    server.write_all(&request.raw).await?;
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let most = match fault {
        Some(Fault::CutAfter(bytes)) => bytes,
        Some(Fault::AnswerLost | Fault::HalfClosed) => 0,
        _ => usize::MAX,
    };
    let apart = match fault {
        Some(Fault::Drips(apart)) => apart,
        _ => Duration::ZERO,
    };
    let upward = pass(&mut from_client, &mut to_server, usize::MAX, Duration::ZERO, control);
    let downward = pass(&mut from_server, &mut to_client, most, apart, control);
    if fault == Some(Fault::HalfClosed) {
        return tokio::try_join!(upward, downward).map(|_| false);
    }
    tokio::pin!(upward, downward);
    tokio::select! {
        // A client that has closed its half may still be told something.
        outcome = &mut upward => {
            outcome?;
            downward.await
        }
        outcome = &mut downward => match outcome? {
            true => Ok(true),
            false => upward.await,
        },
    }
}

/// Passes bytes one way, and the end of them; true when `most` have passed, and more would have come.
async fn pass(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut most: usize,
    apart: Duration,
    control: &Control,
) -> std::io::Result<bool> {
    let mut buffer = vec![0; if apart.is_zero() { 64 << 10 } else { DRIP }];
    loop {
        let length = from.read(&mut buffer).await?;
        control.passable().await;
        if length == 0 || most == 0 {
            to.shutdown().await?;
            return Ok(length > 0);
        }
        let passing = length.min(most);
        to.write_all(&buffer[..passing]).await?;
        if passing < length {
            // Cut off here and now: a stream that goes on without some of its bytes is no fault that there is.
            to.shutdown().await?;
            return Ok(true);
        }
        most = if most == usize::MAX { most } else { most - passing };
        tokio::time::sleep(apart).await;
    }
}

/// What a service says that doesn't do what it was asked.
fn refusal(dialect: Dialect, status: u16) -> Vec<u8> {
    let (kind, body) = match (dialect, status) {
        (Dialect::Engine, _) => ("application/json", r#"{"message":"out of order"}"#),
        (Dialect::Sqs, 400) => {
            (JSON, r#"{"__type":"com.amazonaws.sqs#RequestThrottled","message":"Request is throttled."}"#)
        }
        (Dialect::Sqs, 403) => (
            JSON,
            r#"{"__type":"com.amazonaws.sqs#AccessDeniedException","message":"Access to the resource is denied."}"#,
        ),
        (Dialect::Sqs, _) => (JSON, ""),
    };
    said(status, kind, body)
}

fn said(status: u16, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Fault\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Status and body of an answer. What the engine says in chunks stays in chunks, which nobody here reads.
fn parts(answer: &[u8]) -> (u16, &[u8]) {
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    let line = String::from_utf8_lossy(&answer[..head.min(64)]).into_owned();
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, &answer[head..])
}
