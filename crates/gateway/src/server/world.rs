//! A small world for socket tests: a node in a temporary directory, a catalogue, two sites and a gateway.
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use sycee_core::Outcome;
use sycee_core::entry::{Command, Submission};
use sycee_core::genesis::AssetDefinition;
use sycee_core::ids::{Amount, Hash, MemberId, RequestId};
use sycee_core::ledger::{Account, Balance};
use sycee_core::permission::Actor;
use sycee_core::settlement::Settled;
use sycee_node::{Clock, Closed, Founding, Handle, Node};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(super) use super::site::{Answer, Site};
use crate::market;
pub(super) use crate::market::{CREDIT, Consumer};
use crate::tasks::Tasks;
use crate::{Gateway, Options, Timeouts, Upstream, router, serve};

const SEGMENT_BYTES: u64 = 1 << 20;
const WAIT: Duration = Duration::from_secs(20);

pub(super) struct World {
    node: Option<Node>,
    handle: Handle,
    operator: MemberId,
    pub(super) gateway: Gateway,
    pub(super) site: Site,
    pub(super) other: Site,
    base: String,
    pub(super) address: SocketAddr,
    closing: watch::Sender<bool>,
    client: Client<HttpConnector, Full<Bytes>>,
    directory: PathBuf,
}

pub(super) struct Reply {
    pub(super) status: u16,
    headers: HeaderMap,
    pub(super) text: String,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn events(&self) -> Vec<String> {
        self.text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).map(str::to_owned).collect()
    }
}

impl World {
    pub(super) async fn start(name: &str) -> Self {
        Self::start_with(name, |_| {}).await
    }

    pub(super) async fn start_with(name: &str, change: impl FnOnce(&mut Options)) -> Self {
        let directory = std::env::temp_dir().join(format!("sycee-gateway-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&directory));
        let options =
            sycee_node::Options { segment_bytes: SEGMENT_BYTES, ..sycee_node::Options::new(&directory) };
        let founding = Founding {
            origin: "test.example/gateway".to_owned(),
            assets: vec![AssetDefinition { code: "CNY".to_owned(), decimals: 9 }],
            operator_name: "operator".to_owned(),
            operator_key_hash: Hash([7; 32]),
            segment_bytes: SEGMENT_BYTES,
        };
        let operator = sycee_node::init(&options.disk, &directory, &Clock::system(), founding).unwrap();
        let node = sycee_node::start(options).unwrap();
        let (site, other) = (Site::start().await, Site::start().await);
        let handle = node.handle();
        let upstream = |url: &str| Upstream { url: url.to_owned(), secret: None };
        let mut options = Options::default();
        options.upstreams.insert(market::SITES[0].to_owned(), upstream(&site.url));
        options.upstreams.insert(market::SITES[1].to_owned(), upstream(&other.url));
        options.limits.body_bytes_max = 1 << 20;
        options.timeouts = Timeouts { drain: Duration::from_millis(300), ..Timeouts::default() };
        change(&mut options);
        let gateway = Gateway::start(handle.clone(), options).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let base = format!("http://{address}");
        let (closing, closed) = watch::channel(false);
        Tasks::default().spawn(serve(gateway.clone(), listener, router(gateway.clone()), closed));
        let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let world = Self {
            node: Some(node),
            handle,
            operator,
            gateway,
            site,
            other,
            base,
            address,
            closing,
            client,
            directory,
        };
        world.fill_catalogue().await;
        world
    }

    async fn apply(&self, command: impl Into<Command>) {
        let reason = Some("test".to_owned());
        let actor = Actor::Member(self.operator);
        let outcome =
            self.handle.submit(Submission { actor, id: None, reason, command: command.into() }).await;
        assert!(matches!(outcome, Ok(Outcome::Applied { .. })), "{outcome:?}");
    }

    fn id(&self) -> u128 {
        self.handle.new_id().unwrap()
    }

    async fn fill_catalogue(&self) {
        for command in market::market(|| self.id()).commands {
            self.apply(command).await;
        }
    }

    pub(super) async fn consumer(&self, amount: Amount) -> Consumer {
        let (consumer, commands) = market::consumer(|| self.id(), amount);
        for command in commands {
            self.apply(command).await;
        }
        consumer
    }

    pub(super) fn balance(&self, consumer: &Consumer) -> Balance {
        self.handle.views().state.ledger.balance(Account::Member(consumer.account)).unwrap()
    }

    pub(super) fn receipt(&self, reply: &Reply) -> Option<Settled> {
        self.receipt_of(reply.header("x-sycee-receipt").parse().unwrap())
    }

    pub(super) fn receipt_of(&self, request: RequestId) -> Option<Settled> {
        match self.handle.receipt(request).unwrap()?.closed {
            Closed::Settled { receipt, .. } => Some(*receipt),
            Closed::Released { .. } => None,
        }
    }

    /// Polls until there is something, within a deadline.
    pub(super) async fn until<T>(&self, what: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + WAIT;
        loop {
            if let Some(found) = what() {
                return found;
            }
            assert!(Instant::now() < deadline, "waited too long");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The same for what has to be asked for.
    pub(super) async fn until_some<T>(&self, what: impl AsyncFn() -> Option<T>) -> T {
        let deadline = Instant::now() + WAIT;
        loop {
            if let Some(found) = what().await {
                return found;
            }
            assert!(Instant::now() < deadline, "waited too long");
        }
    }

    pub(super) async fn chat(&self, consumer: &Consumer, more: Value) -> Reply {
        self.spawn_chat(consumer, more).await.unwrap()
    }

    pub(super) fn spawn_chat(&self, consumer: &Consumer, more: Value) -> JoinHandle<Reply> {
        self.spawn_chat_with(consumer, more, "x-test", "1")
    }

    pub(super) fn spawn_chat_with(
        &self,
        consumer: &Consumer,
        more: Value,
        header: &'static str,
        value: &'static str,
    ) -> JoinHandle<Reply> {
        let path = format!("{}/v1/chat/completions", self.base);
        let (client, key, body) = (self.client.clone(), consumer.key.clone(), chat_body(more));
        #[expect(clippy::disallowed_methods, reason = "a client of its own")]
        tokio::spawn(
            async move { read(ask(&client, "POST", &path, &key, &body, &[(header, value)]).await).await },
        )
    }

    pub(super) async fn post(&self, key: &str, path: &str, body: &Value, headers: &[(&str, &str)]) -> Reply {
        let path = format!("{}{path}", self.base);
        read(ask(&self.client, "POST", &path, key, body, headers).await).await
    }

    pub(super) async fn get(&self, key: &str, path: &str) -> Reply {
        let path = format!("{}{path}", self.base);
        read(ask(&self.client, "GET", &path, key, &Value::Null, &[]).await).await
    }

    /// Leaves a stream after so many chunks with text; gives the request and how many such chunks arrived.
    pub(super) async fn leave_after(&self, consumer: &Consumer, chunks: u64) -> (RequestId, u64) {
        self.leave_after_with(consumer, chunks, &[]).await
    }

    pub(super) async fn leave_after_with(
        &self,
        consumer: &Consumer,
        chunks: u64,
        headers: &[(&str, &str)],
    ) -> (RequestId, u64) {
        let path = format!("{}/v1/chat/completions", self.base);
        let body = chat_body(json!({"stream": true, "max_tokens": 50_000}));
        let mut response = ask(&self.client, "POST", &path, &consumer.key, &body, headers).await;
        assert_eq!(response.status(), 200);
        let request = response.headers()["x-sycee-receipt"].to_str().unwrap().parse().unwrap();
        let received = AtomicU64::new(0);
        while received.load(Ordering::Relaxed) < chunks {
            let frame = response.body_mut().frame().await.unwrap().unwrap();
            let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
            received.fetch_add(text.matches("\"content\"").count() as u64, Ordering::Relaxed);
        }
        (request, received.into_inner())
    }

    /// The ledger stops before the gateway does.
    pub(super) async fn stop_node(&mut self) {
        if let Some(node) = self.node.take() {
            tokio::task::spawn_blocking(move || node.stop()).await.unwrap().unwrap();
        }
    }

    pub(super) async fn stop(mut self) {
        self.gateway.stop().await;
        self.closing.send_replace(true);
        self.stop_node().await;
        drop(std::fs::remove_dir_all(&self.directory));
    }
}

fn chat_body(more: Value) -> Value {
    let mut body = json!({"model": "docs-1", "messages": [{"role": "user", "content": "Where does it go?"}]});
    if let Value::Object(more) = more {
        body.as_object_mut().unwrap().extend(more);
    }
    body
}

async fn ask(
    client: &Client<HttpConnector, Full<Bytes>>,
    method: &str,
    path: &str,
    key: &str,
    body: &Value,
    headers: &[(&str, &str)],
) -> hyper::Response<Incoming> {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let mut request = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json");
    let own = request.headers_mut().unwrap();
    for (name, value) in headers {
        own.insert(hyper::header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    client.request(request.body(Full::new(body)).unwrap()).await.unwrap()
}

async fn read(response: hyper::Response<Incoming>) -> Reply {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    Reply { status, headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}
