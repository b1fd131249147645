//! A world to test in: a node, the API on a port of its own, and members of every role.
//!
//! Every answer that a test gets is held against the OpenAPI document.
use super::schema::{misfits, resolved};
use crate::{Options, Sight, SignIn};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use sycee_core::Outcome;
use sycee_core::buckets::{Bucket, Buckets};
use sycee_core::entry::{Command, Submission};
use sycee_core::genesis::AssetDefinition;
use sycee_core::ids::{Hash, KeyId, RequestId};
use sycee_core::permission::Actor;
use sycee_core::settlement::{
    Ask, Attempt, AttemptOutcome, Command as Settlement, Delivery, Endpoint, Finish, Measure, Output, Release,
};
use sycee_log::{Disk, RealDisk};
use sycee_node::{Clock, Founding, Handle, Node};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const SEGMENT_BYTES: u64 = 1 << 20;
const OPERATOR_KEY: &str = "sk-sycee-operator";
pub(super) const LINK: &str = "the-link-of-the-demo";
/// How long anything may take before a test gives up.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What a data plane would say of the offers at a site; of those that are not named, that they serve.
pub(super) type Sights = Arc<Mutex<BTreeMap<&'static str, Sight>>>;

/// A member with a key and an account, all by their names outside.
#[derive(Clone, Debug, Default)]
pub(super) struct Person {
    pub(super) member: String,
    /// Empty if it has none.
    pub(super) account: String,
    pub(super) key: String,
    pub(super) key_id: String,
}

pub(super) struct World {
    pub(super) operator: Person,
    pub(super) auditor: Person,
    pub(super) provider: Person,
    pub(super) ada: Person,
    pub(super) bob: Person,
    pub(super) address: SocketAddr,
    pub(super) document: Value,
    pub(super) handle: Handle,
    pub(super) sights: Sights,
    server: JoinHandle<()>,
    node: Option<Node>,
    _scratch: Scratch,
}

/// A directory that is gone when the test is.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The catalogue that the world begins with.
pub(super) fn catalogue() -> Value {
    let site = |name: &str, longitude: &str, power_price: &str| {
        json!({"name": name, "provider": "Wind Compute", "account": "income", "region": name, "longitude": longitude,
            "power_price": power_price, "pue": "1.07", "joules_input": "0.1", "joules_output": "2", "basis": "published",
            "simulated": true})
    };
    let offer = |site: &str, output: &str| {
        json!({"model": "tiny", "site": site, "output_max": 4096, "concurrency_max": 8, "asset": "CNY",
            "prices": {"input": "1", "output": output}, "model_fee_ppm": 100_000, "platform_fee_ppm": 50_000})
    };
    json!({
        "member": [
            {"name": "Wind", "roles": ["provider"], "accounts": [{"name": "income", "asset": "CNY"}]},
            {"name": "Author", "roles": ["author"], "accounts": [{"name": "royalties", "asset": "CNY"}]},
            {"name": "Ada", "organisation": "Group", "roles": ["consumer"],
                "accounts": [{"name": "main", "asset": "CNY"}, {"name": "second", "asset": "CNY"}]},
            {"name": "Bob", "roles": ["consumer"], "accounts": [{"name": "main", "asset": "CNY"}]},
            {"name": "Audit", "roles": ["auditor"]},
        ],
        "provider": [{"name": "Wind Compute", "member": "Wind"}],
        "site": [site("West", "99.5", "0.36"), site("East", "121.4", "0.70")],
        "model": [{"name": "tiny", "kind": "chat", "author": "Author", "account": "royalties", "context": 8192}],
        "offer": [offer("West", "7"), offer("East", "9")],
    })
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with_segments(SEGMENT_BYTES).await
    }

    /// A log whose entries may be as large as its segments.
    pub(super) async fn with_segments(segment_bytes: u64) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("sycee-api-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let scratch = Scratch(std::env::temp_dir().join(name));
        drop(std::fs::remove_dir_all(&scratch.0));
        let founding = Founding {
            origin: "test.example/api".to_owned(),
            assets: vec![
                AssetDefinition { code: "CNY".to_owned(), decimals: 9 },
                AssetDefinition { code: "EUR".to_owned(), decimals: 2 },
            ],
            operator_name: "Operator".to_owned(),
            operator_key_hash: Hash(Sha256::digest(OPERATOR_KEY).into()),
            segment_bytes,
        };
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let operator = sycee_node::init(&disk, &scratch.0, &Clock::system(), founding).unwrap();
        let options = sycee_node::Options { segment_bytes, ..sycee_node::Options::new(&scratch.0) };
        let node = sycee_node::start(options).unwrap();
        let handle = node.handle();
        let key_id = handle.views().state.membership.keys().iter().map(|(id, _)| *id).next().unwrap();
        let sights = Sights::default();
        let (address, server) = serve(&handle, key_id, Arc::clone(&sights)).await;
        let operator = Person {
            member: operator.to_string(),
            account: String::new(),
            key: OPERATOR_KEY.to_owned(),
            key_id: key_id.to_string(),
        };
        let document = serde_json::from_str(&crate::openapi()).unwrap();
        let mut world = Self {
            operator,
            auditor: Person::default(),
            provider: Person::default(),
            ada: Person::default(),
            bob: Person::default(),
            address,
            document,
            handle,
            sights,
            server,
            node: Some(node),
            _scratch: scratch,
        };
        world.settle_in().await;
        world
    }

    async fn settle_in(&mut self) {
        self.ok(post("/catalog/apply?reason=test", catalogue()).by(&self.operator)).await;
        self.ada = self.person("Ada").await;
        self.bob = self.person("Bob").await;
        self.provider = self.person("Wind").await;
        self.auditor = self.person("Audit").await;
        for person in [&self.ada, &self.bob] {
            let deposit = json!({"amount": "100", "reason": "test"});
            let path = format!("/accounts/{}/deposits", person.account);
            self.ok(post(&path, deposit).by(&self.operator)).await;
        }
        self.decide(Settlement::BeginEpoch).await;
    }

    /// The member of that name, with a new key.
    pub(super) async fn person(&self, name: &str) -> Person {
        let found = |items: &Value, wanted: &str| {
            let of_name = |item: &&Value| item["name"] == wanted;
            items.as_array().unwrap().iter().find(of_name).map(|item| item["id"].as_str().unwrap().to_owned())
        };
        let members = self.ok(get("/members?limit=200").by(&self.operator)).await;
        let member = found(&members["items"], name).unwrap();
        let accounts = self.ok(get(&format!("/accounts?member={member}")).by(&self.operator)).await;
        let first = ["main", "income"].into_iter().find_map(|name| found(&accounts["items"], name));
        let account = first.unwrap_or_default();
        let (key_id, key) = self.new_key(&member, &account).await;
        Person { member, account, key, key_id }
    }

    pub(super) async fn new_key(&self, member: &str, account: &str) -> (String, String) {
        let account = if account.is_empty() { Value::Null } else { account.into() };
        let draft = json!({"label": "test", "account": account, "reason": "test"});
        let key = self.ok(post(&format!("/members/{member}/keys"), draft).by(&self.operator)).await;
        (key["id"].as_str().unwrap().to_owned(), key["secret"].as_str().unwrap().to_owned())
    }

    /// Sends a request and holds the answer against the document.
    pub(super) async fn send(&self, call: Call) -> Answer {
        let (method, path) = (call.method.clone(), call.path.clone());
        let response = self.open(call).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        let answer = Answer { status: parts.status, headers: parts.headers, text, json };
        self.check(&method, &path, &answer);
        answer
    }

    /// Sends a request and hands over the answer as it comes.
    pub(super) async fn open(&self, call: Call) -> axum::http::Response<Incoming> {
        let root = call.path.strip_prefix('/').filter(|path| path.starts_with('/'));
        let path = root.map_or_else(|| format!("/api/v1{}", call.path), str::to_owned);
        let uri = format!("http://{}{path}", self.address);
        let mut request = Request::builder().method(call.method).uri(uri);
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        let client = Client::builder(TokioExecutor::new()).build_http();
        let sent = client.request(request.body(Full::new(call.body)).unwrap());
        tokio::time::timeout(PATIENCE, sent).await.expect("an answer in time").unwrap()
    }

    /// The body of an answer that is expected to be good.
    pub(super) async fn ok(&self, call: Call) -> Value {
        let said = format!("{} {}", call.method, call.path);
        let answer = self.send(call).await;
        assert!(answer.status.is_success(), "{said}: {} {}", answer.status, answer.text);
        answer.json
    }

    /// The code of an answer that is expected to be a refusal with `status`.
    pub(super) async fn no(&self, status: u16, call: Call) -> Value {
        let said = format!("{} {}", call.method, call.path);
        let answer = self.send(call).await;
        assert_eq!(answer.status.as_u16(), status, "{said}: {}", answer.text);
        answer.json["error"].clone()
    }

    fn check(&self, method: &Method, path: &str, answer: &Answer) {
        if path.starts_with("//") {
            return;
        }
        assert!(!answer.status.is_server_error() || answer.status == 503, "{method} {path}: {}", answer.text);
        let path = path.split('?').next().unwrap();
        let Some(operation) = self.operation(method, path) else { return };
        let responses = &operation["responses"];
        let listed = responses.get(answer.status.as_str());
        let error = answer.status.is_client_error() || answer.status.is_server_error();
        let response = listed.or_else(|| responses.get("default").filter(|_| error));
        let response = response.unwrap_or_else(|| {
            panic!("{method} {path} answered {}, which is not in the document", answer.status)
        });
        let content = &resolved(&self.document, response)["content"];
        let json = answer.headers.get("content-type").is_some_and(|it| it == "application/json");
        match content.get("application/json") {
            Some(media) if json => {
                let found = misfits(&self.document, &media["schema"], &answer.json);
                assert!(found.is_empty(), "{method} {path}: {found:?} in {}", answer.text);
            }
            Some(_) => {
                assert!(content.get("text/csv").is_some(), "{method} {path} is not JSON: {}", answer.text);
            }
            None => assert!(!json, "{method} {path}: JSON that is not in the document: {}", answer.text),
        }
    }

    /// The operation behind a path, if the document has it.
    fn operation(&self, method: &Method, path: &str) -> Option<&Value> {
        let same = |template: &str| {
            let (mut parts, mut wanted) = (path.split('/'), template.split('/'));
            loop {
                match (parts.next(), wanted.next()) {
                    (None, None) => return true,
                    (Some(part), Some(name)) if part == name || name.starts_with('{') => {}
                    _ => return false,
                }
            }
        };
        let found = self.document["paths"].as_object().unwrap().iter().find(|(template, _)| same(template));
        found.and_then(|(_, operations)| operations.get(method.as_str().to_lowercase()))
    }

    /// A request that `person` pays for, from the hold to the receipt; its id.
    pub(super) async fn buy(&self, person: &Person, input: u64, output: u64) -> String {
        let request = self.authorise(person).await;
        let usage = Buckets::default().with(Bucket::InputUncached, input).with(Bucket::OutputVisible, output);
        self.decide(Settlement::Settle { request, delivery: self.delivery(usage) }).await;
        request.to_string()
    }

    pub(super) fn delivery(&self, usage: Buckets) -> Delivery {
        let offer = self.offer_at("West");
        Delivery {
            offer,
            usage,
            input_measure: Measure::OwnCount,
            output_measure: Measure::OwnCount,
            reported: Some(usage),
            dispute: false,
            microjoules: None,
            finish: Finish::Stop,
            stream: true,
            attempts: vec![Attempt { offer, outcome: AttemptOutcome::Served, milliseconds: 12 }],
            started: self.handle.now(),
            first_byte_milliseconds: Some(3),
        }
    }

    /// A request that ended before anything was owed.
    pub(super) async fn release(&self, person: &Person) -> String {
        let request = self.authorise(person).await;
        let offer = self.offer_at("West");
        let attempts = vec![Attempt { offer, outcome: AttemptOutcome::Unreachable, milliseconds: 5 }];
        let release = Release { finish: Finish::UpstreamError, attempts, started: self.handle.now() };
        self.decide(Settlement::Release { request, release }).await;
        request.to_string()
    }

    pub(super) async fn authorise(&self, person: &Person) -> RequestId {
        let request = RequestId(self.handle.new_id().unwrap());
        let model = self.handle.views().state.catalog.model_by_name("tiny").unwrap().0;
        let ask = Ask {
            account: person.account.parse().unwrap(),
            key: person.key_id.parse().unwrap(),
            model,
            endpoint: Endpoint::Chat,
            candidates: vec![self.offer_at("West")],
            input_max: 2_000,
            output: Output { max: 1_000, choices: 1, may_lower: true },
        };
        self.decide(Settlement::Authorise { request, ask }).await;
        request
    }

    pub(super) fn offer_at(&self, site: &str) -> sycee_core::ids::OfferId {
        let views = self.handle.views();
        let catalog = &views.state.catalog;
        let at_site = |site_id| catalog.sites().get(site_id).is_some_and(|it| it.name == site);
        catalog.offers().iter().find(|(_, offer)| at_site(&offer.site)).map(|(id, _)| *id).unwrap()
    }

    /// Stops the node under the API.
    pub(super) fn stop_node(&mut self) {
        self.node.take().unwrap().stop().unwrap();
    }

    /// What the gateway would send.
    pub(super) async fn decide(&self, command: impl Into<Command>) {
        let outcome = self.handle.submit(Submission::internal(Actor::Gateway, command)).await.unwrap();
        assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
    }

    /// A UUIDv7, as a client would draw one.
    pub(super) fn uuid(&self) -> String {
        let id = format!("{:032x}", self.handle.new_id().unwrap());
        format!("{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..])
    }
}

#[expect(clippy::disallowed_methods, reason = "the world stops it when it ends")]
async fn serve(handle: &Handle, key: KeyId, sights: Sights) -> (SocketAddr, JoinHandle<()>) {
    let options = Options {
        signin: Some(SignIn { token: LINK.to_owned(), key }),
        metrics: vec![Arc::new(|| "test_metric 1\n".to_owned())],
        look: Some(Arc::new(move |site, _, _| {
            sights.lock().unwrap().get(site.name.as_str()).copied().unwrap_or(Sight::Serves)
        })),
    };
    let app = crate::router(handle.clone(), options);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    (address, server)
}

/// A request to be sent. A path is below `/api/v1`, or from the root with two slashes.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

pub(super) fn call(method: &str, path: &str) -> Call {
    let method = method.to_uppercase().parse().unwrap();
    Call { method, path: path.to_owned(), headers: Vec::new(), body: Bytes::new() }
}

pub(super) fn get(path: &str) -> Call {
    call("GET", path)
}

pub(super) fn post(path: &str, body: Value) -> Call {
    call("POST", path).json(body)
}

impl Call {
    pub(super) fn by(self, person: &Person) -> Self {
        self.key(&person.key)
    }

    pub(super) fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[expect(clippy::needless_pass_by_value, reason = "tests write bodies in place")]
    pub(super) fn json(self, body: Value) -> Self {
        self.text(&body.to_string())
    }

    pub(super) fn text(self, body: &str) -> Self {
        self.bytes("application/json", body.to_owned())
    }

    pub(super) fn bytes(mut self, media_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", media_type)
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
    pub(super) json: Value,
}

impl Answer {
    /// The value of a header, empty if it is not there.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn position(&self) -> u64 {
        self.header("x-sycee-position").parse().unwrap()
    }
}

/// Units of an amount with nine decimals.
pub(super) fn units(amount: &Value) -> i128 {
    crate::decimal::parse(amount.as_str().unwrap(), 9).unwrap()
}
