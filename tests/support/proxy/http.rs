//! As much HTTP as it takes to know what a request wants.

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
    pub(crate) body: Vec<u8>,
    /// Head and body as they came.
    pub(super) raw: Vec<u8>,
    /// Bytes may follow in both directions, or the answer never ends.
    pub(super) is_endless: bool,
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

    /// The request as one that asks the server to close afterwards: the end of the answer is the end of the connection.
    pub(super) fn closing(&self) -> Vec<u8> {
        let line = self.raw.windows(2).position(|window| window == b"\r\n").unwrap_or(0) + 2;
        [&self.raw[..line], b"connection: close\r\n", &self.raw[line..]].concat()
    }
}

/// The next request of a connection, or `None` when it ends before a whole one has come.
pub(super) async fn read(from: &mut (impl AsyncRead + Unpin), dialect: Dialect) -> std::io::Result<Option<Request>> {
    let mut raw = Vec::new();
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
    let body = loop {
        let arrived = &raw[head_length..];
        let whole = if is_chunked { dechunked(arrived) } else { arrived.get(..length).map(<[u8]>::to_vec) };
        if let Some(body) = whole {
            break body;
        }
        if from.read_buf(&mut raw).await? == 0 {
            return Ok(None);
        }
    };
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
    Ok(Some(Request { operation, method, path, body, raw, is_endless }))
}

/// The content of a body in chunks, once it is whole.
fn dechunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line]).ok().and_then(|text| text.split(';').next())?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let chunk = rest.get(line + 2..line + 2 + size)?;
        rest = rest.get(line + 2 + size + 2..)?;
        if size == 0 {
            return Some(body);
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
    let length = error.len();
    format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{error}").into_bytes()
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
