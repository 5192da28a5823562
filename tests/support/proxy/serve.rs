//! The life of a connection: requests, the luck of each, and their answers.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::batch::{self, Parts};
use super::http::{self, Dialect, Request, parted, with_body};
use super::wire::{Listener, Socket};
use super::{Control, Fault};

const DRIP: usize = 16;

/// What SQS answers in.
const JSON: &str = "application/x-amz-json-1.0";

/// How it goes on with a connection.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Request,
    End,
    Reset,
}

pub(super) async fn serve(listener: Listener, control: Arc<Control>) {
    // They end with the listener: each is a task of this one's set.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok(client) = listener.accept().await {
        let control = control.clone();
        control.lock().connections += 1;
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

/// One request after the other, until one side has enough. True when it is to end with a reset.
async fn converse(client: &mut Socket, control: &Control) -> std::io::Result<bool> {
    let mut ahead = Vec::new();
    loop {
        let Some(request) = http::read(client, &mut ahead, control.dialect).await? else { return Ok(false) };
        control.observer.request(&request);
        let fault = control.fault(&request);
        if let Some(fault) = fault {
            control.observer.meets(&request, fault);
        }
        control.passable().await;
        match serve_one(client, &request, fault, control).await? {
            Next::Request if !request.is_last => {}
            next => return Ok(next == Next::Reset),
        }
    }
}

/// One request and its answer.
async fn serve_one(
    client: &mut Socket,
    request: &Request,
    fault: Option<Fault>,
    control: &Control,
) -> std::io::Result<Next> {
    let made_up = match fault {
        Some(Fault::Refused) => Some(refusal(control.dialect, 500)),
        Some(Fault::Denied) => Some(http::denial()),
        Some(Fault::Answered(status)) => Some(refusal(control.dialect, status)),
        Some(Fault::Says(body)) => Some(said(200, JSON, body.as_bytes())),
        _ => None,
    };
    if let Some(answer) = made_up {
        client.write_all(&request.answer(&answer)).await?;
        return Ok(Next::Request);
    }
    match fault {
        // Until the client gives up and closes.
        Some(Fault::Hangs) => return client.read(&mut [0]).await.map(|_| Next::End),
        Some(Fault::Reset) => return Ok(Next::Reset),
        Some(Fault::Late(by)) => tokio::time::sleep(by).await,
        Some(Fault::Held) => control.released().await,
        _ => {}
    }
    if request.is_endless {
        let mut server = control.upstream.connect().await?;
        let reset = tunnel(client, &mut server, request, fault, control).await?;
        return Ok(if reset { Next::Reset } else { Next::End });
    }
    let Asked { answer, done } = ask(request, fault, control).await?;
    let (_, told) = parted(&answer);
    let status = http::status(&answer);
    let done = done.as_deref().unwrap_or(told);
    let is_spared = control.observer.spares(request, done);
    if !is_spared {
        control.passable().await;
    }
    let fault = fault.filter(|fault| !is_spared || fault.is_delivered());
    if status >= 500 {
        control.failed_by_itself(request);
    }
    // Told before it is handed on, or what the client does next could be seen before.
    let is_told = fault.is_none_or(Fault::is_delivered) && !client.is_gone();
    control.observer.answer(request, status, done, is_told.then_some(told));
    let next = hand_on(client, &request.answer(&answer), fault).await;
    control.answered(request);
    Ok(next)
}

/// What a request came to.
struct Asked {
    answer: Vec<u8>,
    /// The server's own body, where the answer has another.
    done: Option<Vec<u8>>,
}

/// Asks the server, as far as the fault lets it know of the request.
async fn ask(request: &Request, fault: Option<Fault>, control: &Control) -> std::io::Result<Asked> {
    let parts = match fault {
        Some(Fault::Entries(fates)) => Parts::of(request, |index, _| fates[index % fates.len()]),
        Some(Fault::Longest(longest)) => Parts::of(request, batch::longer_than(longest)),
        _ => None,
    };
    let Some(parts) = parts.filter(|parts| !parts.is_whole()) else {
        let answer = exchange(request.closing(), control).await?;
        return Ok(match fault {
            Some(Fault::Without(attribute)) => changed(&answer, |body| batch::without(attribute, body)),
            _ => Asked { answer, done: None },
        });
    };
    let answer = match parts.request(request) {
        None => said(200, JSON, b"{}"),
        Some(body) => exchange(request.closing_with(&body), control).await?,
    };
    Ok(match http::status(&answer) {
        200 => changed(&answer, |body| parts.answer(body)),
        _ => Asked { answer, done: None },
    })
}

fn changed(answer: &[u8], change: impl FnOnce(&[u8]) -> Vec<u8>) -> Asked {
    let (_, body) = parted(answer);
    Asked { answer: with_body(answer, &change(body)), done: Some(body.to_vec()) }
}

/// Over a connection of its own, which ends with the answer.
async fn exchange(request: Vec<u8>, control: &Control) -> std::io::Result<Vec<u8>> {
    let mut server = control.upstream.connect().await?;
    server.write_all(&request).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Gives the client as much of the answer as the fault leaves.
async fn hand_on(client: &mut Socket, answer: &[u8], fault: Option<Fault>) -> Next {
    match fault {
        Some(Fault::AnswerLost) => Next::Reset,
        Some(Fault::CutAfter(bytes)) => {
            let _ = client.write_all(&answer[..bytes.min(answer.len())]).await;
            Next::Reset
        }
        Some(Fault::HalfClosed) => {
            let _ = client.write_all(&answer[..answer.len() / 2]).await;
            let _ = client.shutdown().await;
            // Open for reading until the client has had enough.
            let _ = client.read_to_end(&mut Vec::new()).await;
            Next::End
        }
        Some(Fault::Drips(apart)) => {
            for drop in answer.chunks(DRIP) {
                if client.write_all(drop).await.is_err() {
                    return Next::End;
                }
                tokio::time::sleep(apart).await;
            }
            Next::Request
        }
        // A client that is gone can't be told.
        _ if client.write_all(answer).await.is_err() => Next::End,
        _ => Next::Request,
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
    said(status, kind, body.as_bytes())
}

fn said(status: u16, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} Fault\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
