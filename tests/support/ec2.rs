//! An EC2 instance as its worker sees it: a metadata service that wants IMDSv2, and the Auto Scaling API.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::{unique, until};

pub(crate) const INSTANCE: &str = "i-0123456789abcdef0";
pub(crate) const GROUP: &str = "workers";
pub(crate) const HOOK: &str = "drain";

const INTERRUPTION: &str = "spot/instance-action";
const REBALANCE: &str = "events/recommendations/rebalance";
const TARGET: &str = "autoscaling/target-lifecycle-state";

/// How the metadata service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    Well,
    /// Takes requests and never answers.
    Hangs,
    /// Answers each request with 500.
    Broken,
}

/// A call of Auto Scaling that was carried out, or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) action: String,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) accepted: bool,
}

#[derive(Debug)]
struct State {
    /// What is below `meta-data`; anything else is 404.
    documents: BTreeMap<String, String>,
    tokens: BTreeSet<String>,
    health: Health,
    /// Requests to the metadata service, answered or not.
    asked: usize,
    /// Those without a token that is good.
    unauthorised: usize,
    calls: Vec<Call>,
    /// How many calls of an action are still to be refused.
    refusals: BTreeMap<&'static str, usize>,
    /// The hook's heartbeat timeout in seconds.
    hook_timeout: u64,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Ec2 {
    endpoint: String,
    state: Arc<Mutex<State>>,
    _task: AbortOnDropHandle<()>,
}

impl Ec2 {
    /// An instance in service, about which nothing is announced.
    pub(crate) async fn start() -> Ec2 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("a listener has an address"));
        let documents = [("instance-id", INSTANCE), ("placement/region", "us-east-1"), (TARGET, "InService")];
        let state = Arc::new(Mutex::new(State {
            documents: documents.map(|(name, text)| (name.to_owned(), text.to_owned())).into(),
            tokens: BTreeSet::new(),
            health: Health::Well,
            asked: 0,
            unauthorised: 0,
            calls: Vec::new(),
            refusals: BTreeMap::new(),
            hook_timeout: 3,
        }));
        let task = tokio::spawn(listen(listener, state.clone()));
        Ec2 { endpoint, state, _task: AbortOnDropHandle::new(task) }
    }

    /// What a worker needs in its environment to be on this instance.
    pub(crate) fn variables(&self) -> [(&str, &str); 2] {
        [("AWS_EC2_METADATA_SERVICE_ENDPOINT", &self.endpoint), ("AWS_ENDPOINT_URL_AUTO_SCALING", &self.endpoint)]
    }

    /// Announces that Spot takes the instance back in so many seconds.
    pub(crate) fn interrupt_in(&self, seconds: i64) {
        let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        let at = jiff::Timestamp::from_second(at.as_second()).expect("it is near");
        self.set(INTERRUPTION, &format!(r#"{{"action": "terminate", "time": "{at}"}}"#));
    }

    pub(crate) fn recommend_rebalance(&self) {
        self.set(REBALANCE, r#"{"noticeTime": "2026-01-01T00:00:00Z"}"#);
    }

    /// Auto Scaling begins to end the instance.
    pub(crate) fn terminate(&self) {
        self.set(TARGET, "Terminated");
    }

    fn set(&self, document: &str, text: &str) {
        self.lock().documents.insert(document.to_owned(), text.to_owned());
    }

    pub(crate) fn becomes(&self, health: Health) {
        self.lock().health = health;
    }

    /// From now on no token is good that was given out before.
    pub(crate) fn forget_tokens(&self) {
        self.lock().tokens.clear();
    }

    /// From now on the next `count` calls of this action are refused.
    pub(crate) fn refuse(&self, action: &'static str, count: usize) {
        self.lock().refusals.insert(action, count);
    }

    pub(crate) fn asked(&self) -> usize {
        self.lock().asked
    }

    pub(crate) fn unauthorised(&self) -> usize {
        self.lock().unauthorised
    }

    /// The calls of an action, in their order.
    pub(crate) fn calls(&self, action: &str) -> Vec<Call> {
        self.lock().calls.iter().filter(|call| call.action == action).cloned().collect()
    }

    /// The actions that were carried out, in their order.
    pub(crate) fn done(&self) -> Vec<String> {
        self.lock().calls.iter().filter(|call| call.accepted).map(|call| call.action.clone()).collect()
    }

    /// Waits until a call of this action was made so often.
    pub(crate) async fn called(&self, action: &str, count: usize) {
        until(&format!("{count} calls of {action}"), async || (self.calls(action).len() >= count).then_some(())).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }
}

async fn listen(listener: TcpListener, state: Arc<Mutex<State>>) {
    // They end with the listener: each is a task of this one's set.
    let mut conversations = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = state.clone();
        conversations.spawn(async move {
            let service = service_fn(|request| answer(request, &state));
            // A client that goes away is no concern of ours.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, state: &Mutex<State>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    if head.method == Method::POST {
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        return Ok(auto_scaling(&body, &mut state.lock().expect("nobody panics with it")));
    }
    let health = {
        let mut state = state.lock().expect("nobody panics with it");
        state.asked += 1;
        state.health
    };
    match health {
        Health::Hangs => std::future::pending().await,
        Health::Broken => Ok(respond(StatusCode::INTERNAL_SERVER_ERROR, "")),
        Health::Well => Ok(metadata(&head, &mut state.lock().expect("nobody panics with it"))),
    }
}

fn metadata(head: &hyper::http::request::Parts, state: &mut State) -> Response<Full<Bytes>> {
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let path = head.uri.path();
    if head.method == Method::PUT && path == "/latest/api/token" {
        let ttl = header("x-aws-ec2-metadata-token-ttl-seconds");
        let Some(ttl) = ttl.filter(|ttl| ttl.parse().is_ok_and(|ttl: u32| (1..=21_600).contains(&ttl))) else {
            return respond(StatusCode::BAD_REQUEST, "");
        };
        let token = unique("token");
        state.tokens.insert(token.clone());
        let mut response = respond(StatusCode::OK, &token);
        let ttl = ttl.parse().expect("a number is a header's value");
        response.headers_mut().insert("x-aws-ec2-metadata-token-ttl-seconds", ttl);
        return response;
    }
    if !header("x-aws-ec2-metadata-token").is_some_and(|token| state.tokens.contains(token)) {
        state.unauthorised += 1;
        return respond(StatusCode::UNAUTHORIZED, "");
    }
    let document = path.strip_prefix("/latest/meta-data/").and_then(|name| state.documents.get(name));
    match document {
        Some(text) => respond(StatusCode::OK, text),
        None => respond(StatusCode::NOT_FOUND, ""),
    }
}

fn auto_scaling(body: &[u8], state: &mut State) -> Response<Full<Bytes>> {
    let body = String::from_utf8_lossy(body);
    let mut parameters: BTreeMap<String, String> = body
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let action = parameters.remove("Action").unwrap_or_default();
    parameters.remove("Version");
    let refusals = state.refusals.iter_mut().find(|(refused, left)| **refused == action && **left > 0);
    let is_refused = refusals.map(|(_, left)| *left -= 1).is_some();
    let is_over = state.calls.iter().any(|call| call.action == "CompleteLifecycleAction" && call.accepted);
    let is_lifecycle = action.contains("LifecycleAction");
    let accepted = !(is_refused || is_over && is_lifecycle);
    state.calls.push(Call { action: action.clone(), parameters, accepted });
    if !accepted {
        let error = "<Error><Type>Sender</Type><Code>ValidationError</Code><Message>No active Lifecycle Action found</Message></Error>";
        return respond(
            StatusCode::BAD_REQUEST,
            &format!("<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"),
        );
    }
    let result = match action.as_str() {
        "DescribeAutoScalingInstances" => format!(
            "<AutoScalingInstances><member><InstanceId>{INSTANCE}</InstanceId><AutoScalingGroupName>{GROUP}</AutoScalingGroupName>\
             <AvailabilityZone>us-east-1a</AvailabilityZone><LifecycleState>InService</LifecycleState>\
             <HealthStatus>HEALTHY</HealthStatus><ProtectedFromScaleIn>false</ProtectedFromScaleIn></member></AutoScalingInstances>"
        ),
        "DescribeLifecycleHooks" => format!(
            "<LifecycleHooks><member><LifecycleHookName>{HOOK}</LifecycleHookName><AutoScalingGroupName>{GROUP}</AutoScalingGroupName>\
             <LifecycleTransition>autoscaling:EC2_INSTANCE_TERMINATING</LifecycleTransition>\
             <HeartbeatTimeout>{}</HeartbeatTimeout></member></LifecycleHooks>",
            state.hook_timeout
        ),
        _ => String::new(),
    };
    respond(
        StatusCode::OK,
        &format!(
            "<{action}Response><{action}Result>{result}</{action}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{action}Response>"
        ),
    )
}

fn respond(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    *response.status_mut() = status;
    response
}
