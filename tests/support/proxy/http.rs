//! As much HTTP as it takes to know what a request wants.

use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Whose requests they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqs,
    Engine,
}

/// A request, whole.
#[derive(Debug)]
pub(crate) struct Request {
    /// SQS: the operation's own name. Engine: one word, or method and path for what has none.
    pub(crate) operation: String,
    pub(crate) method: String,
    /// Without the version that the engine's paths begin with, with the query.
    pub(crate) path: String,
    /// SQS: the name of the queue that it is about.
    pub(crate) queue: Option<String>,
    pub(crate) body: Vec<u8>,
    /// When it was there.
    pub(crate) arrived: Instant,
    /// Head and body as they came.
    pub(super) raw: Vec<u8>,
    /// Bytes may follow in both directions, or the answer never ends.
    pub(super) is_endless: bool,
    /// The client wants no further answer on this connection.
    pub(super) is_last: bool,
}

impl Request {
    /// The value of a parameter of the query.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    /// The container that an engine's path names.
    pub(crate) fn container(&self) -> Option<&str> {
        let (path, _) = self.path.split_once('?').unwrap_or((&self.path, ""));
        path.strip_prefix("/containers/")?.split('/').next()
    }

    /// What it is counted under: the operation, and behind an `@` its queue.
    pub(super) fn name(&self) -> String {
        match &self.queue {
            Some(queue) => format!("{}@{queue}", self.operation),
            None => self.operation.clone(),
        }
    }

    /// The request as one that asks the server to close afterwards: the end of the answer is the end of the connection.
    pub(super) fn closing(&self) -> Vec<u8> {
        let line = self.raw.windows(2).position(|window| window == b"\r\n").unwrap_or(0) + 2;
        [&self.raw[..line], b"connection: close\r\n", &self.raw[line..]].concat()
    }

    /// The same with another body.
    pub(super) fn closing_with(&self, body: &[u8]) -> Vec<u8> {
        let (head, _) = parted(&self.raw);
        rewritten(&head, &FRAMING, &["connection: close".to_owned(), length(body)], body)
    }

    /// A server's answer as one for this client, which may go on: that the server closes its connection to us is nobody
    /// else's business.
    pub(super) fn answer(&self, answer: &[u8]) -> Vec<u8> {
        let (head, body) = parted(answer);
        let has_body = self.method != "HEAD" && ![204, 304].contains(&status(answer));
        let is_framed = head.split("\r\n").any(|line| names(line, &FRAMING));
        let mut added = Vec::new();
        added.extend((has_body && !is_framed).then(|| length(body)));
        added.extend(self.is_last.then(|| "connection: close".to_owned()));
        rewritten(&head, &["connection"], &added, body)
    }
}

/// The headers that say where a body ends.
const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];

fn length(body: &[u8]) -> String {
    format!("content-length: {}", body.len())
}

/// A server's answer with another body.
pub(super) fn with_body(answer: &[u8], body: &[u8]) -> Vec<u8> {
    let (head, _) = parted(answer);
    rewritten(&head, &FRAMING, &[length(body)], body)
}

/// A head without some headers and with others, and a body.
fn rewritten(head: &str, without: &[&str], with: &[String], body: &[u8]) -> Vec<u8> {
    let kept = head.split("\r\n").filter(|line| !names(line, without));
    let lines: Vec<&str> = kept.chain(with.iter().map(String::as_str)).collect();
    [format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes(), body].concat()
}

/// Head, without the empty line at its end, and body. What the engine says in chunks stays in chunks, which nobody here reads.
pub(super) fn parted(message: &[u8]) -> (String, &[u8]) {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = end.map_or((message, &[][..]), |at| (&message[..at], &message[at + 4..]));
    (String::from_utf8_lossy(head).into_owned(), body)
}

/// The status of an answer; 0 for what is none.
pub(super) fn status(answer: &[u8]) -> u16 {
    let line = String::from_utf8_lossy(&answer[..answer.len().min(64)]).into_owned();
    line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

/// Whether this line of a head is one of these headers.
fn names(line: &str, headers: &[&str]) -> bool {
    line.split_once(':').is_some_and(|(name, _)| headers.iter().any(|header| name.eq_ignore_ascii_case(header)))
}

/// The next request of a connection, or `None` when it ends before a whole one has come. `ahead` is what was read and belongs
/// to the request after it.
pub(super) async fn read(
    from: &mut (impl AsyncRead + Unpin),
    ahead: &mut Vec<u8>,
    dialect: Dialect,
) -> std::io::Result<Option<Request>> {
    let mut raw = std::mem::take(ahead);
    let head_length = loop {
        if let Some(at) = raw.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if from.read_buf(&mut raw).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&raw[..head_length]).into_owned();
    let header = |name: &str| {
        head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let is_chunked = header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let (body, taken) = loop {
        let arrived = &raw[head_length..];
        let whole = match is_chunked {
            true => dechunked(arrived),
            false => arrived.get(..length).map(|body| (body.to_vec(), length)),
        };
        if let Some(whole) = whole {
            break whole;
        }
        if from.read_buf(&mut raw).await? == 0 {
            return Ok(None);
        }
    };
    *ahead = raw.split_off(head_length + taken);
    let mut words = head.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let path = words.next().unwrap_or_default();
    let path = if dialect == Dialect::Engine { without_version(path) } else { path }.to_owned();
    let operation = match dialect {
        Dialect::Sqs => header("x-amz-target")
            .and_then(|target| target.split('.').nth(1))
            .map_or_else(|| s3_operation(&method, &path), str::to_owned),
        Dialect::Engine => engine_operation(&method, &path),
    };
    let is_endless = header("upgrade").is_some() || (dialect == Dialect::Engine && operation == "events");
    let is_last = header("connection").is_some_and(|word| word.eq_ignore_ascii_case("close"));
    let queue = header("x-amz-target").and_then(|_| queue_of(&body));
    let arrived = Instant::now();
    Ok(Some(Request { operation, method, path, queue, body, arrived, raw, is_endless, is_last }))
}

/// The name of the queue that a request to SQS is about.
fn queue_of(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(body["QueueUrl"].as_str()?.rsplit('/').next()?.to_owned())
}

/// The content of a body in chunks, once it is whole, and how many bytes it took.
fn dechunked(all: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut rest, mut body) = (all, Vec::new());
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line]).ok().and_then(|text| text.split(';').next())?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let chunk = rest.get(line + 2..line + 2 + size)?;
        rest = rest.get(line + 2 + size + 2..)?;
        if size == 0 {
            return Some((body, all.len() - rest.len()));
        }
        body.extend_from_slice(chunk);
    }
}

/// `/v1.41/containers/json` → `/containers/json`.
fn without_version(path: &str) -> &str {
    let Some((version, _)) = path.strip_prefix("/v").and_then(|rest| rest.split_once('/')) else { return path };
    let is_version = version.chars().all(|letter| letter.is_ascii_digit() || letter == '.');
    if is_version { &path[2 + version.len()..] } else { path }
}

/// What has no name of its own: S3's requests, and those of tests.
fn s3_operation(method: &str, path: &str) -> String {
    format!("{method} {path}")
}

/// S3's own way to say that the credentials are good and not enough.
pub(super) fn denial() -> Vec<u8> {
    let error = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\n\r\n{error}", error.len()).into_bytes()
}

fn engine_operation(method: &str, path: &str) -> String {
    let (path, _) = path.split_once('?').unwrap_or((path, ""));
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let known = match (method, parts.as_slice()) {
        (_, ["_ping"]) => "ping",
        ("GET", ["version"]) => "version",
        ("GET", ["info"]) => "info",
        ("GET", ["events"]) => "events",
        ("POST", ["containers", "create"]) => "create",
        ("GET", ["containers", "json"]) => "list",
        ("GET", ["containers", _, "json"]) => "inspect",
        ("DELETE", ["containers", _]) => "remove",
        (_, ["containers", _, "exec"] | ["exec", ..]) => "exec",
        (_, ["containers", _, "archive" | "export" | "copy"]) => "copy",
        ("POST", ["containers", _, word @ ("start" | "attach" | "update" | "wait" | "kill" | "stop")]) => word,
        ("POST", ["images", "create"]) => "import",
        ("DELETE", ["images", ..]) => "remove_image",
        ("GET", ["images", .., "json"]) => "inspect_image",
        ("POST", ["volumes", "create"]) => "create_volume",
        ("DELETE", ["volumes", _]) => "remove_volume",
        ("GET", ["volumes", _]) => "inspect_volume",
        _ => return format!("{method} {path}"),
    };
    known.to_owned()
}
