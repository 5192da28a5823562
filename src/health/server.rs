//! `/healthz`, `/readyz` and `/metrics` over HTTP/1.1, for probes and scrapers. The only place that names hyper.
//!
//! It has a thread and a runtime of its own, so that it answers when the worker's own is stuck, which is when the answer
//! counts. It takes nothing but a few small requests at a time, and whoever is slow is cut off: asking how a worker is
//! must not be a way to harm it.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

use super::{Health, Status};

/// Connections at the same time; the next one is closed at once. A scraper and some probes need three.
const CONNECTIONS: usize = 16;

/// From connection to the end of the request's head.
const HEAD: Duration = Duration::from_secs(5);

/// A whole connection, which serves one request.
const CONNECTION: Duration = Duration::from_secs(10);

/// What a request's head may take. The least that hyper allows; probes send some hundred bytes.
const HEAD_BYTES: usize = 8_192;
const HEADERS: usize = 64;

/// How long to wait when no connection could be taken, as when descriptors have run out.
const REST: Duration = Duration::from_millis(200);

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the pages of metrics are made by: whether OpenMetrics is asked for.
pub type Page = fn(openmetrics: bool) -> String;

/// Listens from now on until the process ends; the address it really has.
///
/// # Errors
/// When the address isn't ours or is taken.
pub fn start(address: SocketAddr, health: Health, metrics: Page) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name("health".to_owned())
        .spawn(move || runtime.block_on(serve(listener, health, metrics)))?;
    Ok(address)
}

async fn serve(listener: TcpListener, health: Health, metrics: Page) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "http.listen: the listener could not be used"),
    };
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .keep_alive(false)
        .half_close(false);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "http.listen: a connection could not be taken");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let Ok(permit) = free.clone().try_acquire_owned() else { continue };
        let health = health.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer(&request, &health, metrics);
            async move { Ok::<_, Infallible>(answer) }
        });
        let connection = http.serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // Whatever went wrong is the asker's, who sees it; and a stranger must not be able to fill our log.
            let _ = tokio::time::timeout(CONNECTION, connection).await;
            drop(permit);
        });
    }
}

fn answer<B>(request: &Request<B>, health: &Health, metrics: Page) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n".to_owned());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/healthz" => told(&health.alive()),
        "/readyz" => told(&health.ready()),
        "/metrics" => {
            let accepted = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
            let openmetrics = accepted.contains("application/openmetrics-text");
            response(StatusCode::OK, if openmetrics { OPENMETRICS } else { PROMETHEUS }, metrics(openmetrics))
        }
        _ => response(StatusCode::NOT_FOUND, TEXT, "there are /healthz, /readyz and /metrics\n".to_owned()),
    }
}

fn told(status: &Status) -> Response<Full<Bytes>> {
    let code = if status.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::to_string_pretty(status).unwrap_or_default();
    response(code, JSON, format!("{body}\n"))
}

fn response(code: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
