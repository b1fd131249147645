//! A site that answers what a test tells it to.
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::driver::tests::POISON;
use crate::tasks::Tasks;

#[derive(Clone, Debug)]
pub(super) enum Answer {
    Plain(Value),
    Stream(Vec<Value>),
    Status(u16),
    /// Waits until it is told to answer something else.
    Blocked,
    /// A word every few milliseconds until the client leaves.
    Endless,
    /// So many words, one every few milliseconds, and then one that the request's task does not survive.
    Poison(usize),
}

impl Answer {
    pub(super) fn say(text: &str, finish: &str) -> Self {
        let message = json!({"role": "assistant", "content": text});
        let choices = json!([{"index": 0, "message": message, "finish_reason": finish}]);
        Self::Plain(
            json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "site-model", "choices": choices}),
        )
    }

    pub(super) fn stream(words: &[&str], finish: &str) -> Self {
        let mut chunks: Vec<Value> =
            words.iter().map(|word| chunk(&json!({"content": word}), &Value::Null)).collect();
        chunks.push(chunk(&json!({}), &json!(finish)));
        chunks.push(json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "site-model", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": words.len(), "total_tokens": 9 + words.len()}}));
        Self::Stream(chunks)
    }
}

fn chunk(delta: &Value, finish: &Value) -> Value {
    let choices = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
    json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "site-model", "choices": choices})
}

/// A running site.
pub(super) struct Site {
    pub(super) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    answer: watch::Sender<Answer>,
    requests: Mutex<Vec<Value>>,
    streams_open: AtomicUsize,
}

impl Site {
    pub(super) async fn start() -> Self {
        let shared = Arc::new(Shared {
            answer: watch::Sender::new(Answer::say("Hi", "stop")),
            requests: Mutex::default(),
            streams_open: AtomicUsize::new(0),
        });
        let app = Router::new()
            .route("/v1/chat/completions", post(answer))
            .route("/v1/embeddings", post(embed))
            .with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        Tasks::default().spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, shared }
    }

    pub(super) fn answers(&self, answer: Answer) {
        self.shared.answer.send_replace(answer);
    }

    pub(super) fn requests(&self) -> Vec<Value> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub(super) fn streams_open(&self) -> usize {
        self.shared.streams_open.load(Ordering::SeqCst)
    }
}

async fn embed(State(shared): State<Arc<Shared>>, Json(body): Json<Value>) -> Json<Value> {
    let count = body["input"].as_array().unwrap().len();
    shared.requests.lock().unwrap().push(body);
    let data: Vec<Value> =
        (0..count).map(|at| json!({"object": "embedding", "index": at, "embedding": [1.0, 2.0]})).collect();
    Json(
        json!({"object": "list", "model": "site-model", "data": data, "usage": {"prompt_tokens": 3, "total_tokens": 3}}),
    )
}

async fn answer(State(shared): State<Arc<Shared>>, Json(body): Json<Value>) -> Response {
    shared.requests.lock().unwrap().push(body);
    let mut told = shared.answer.subscribe();
    let answer = told.wait_for(|answer| !matches!(answer, Answer::Blocked)).await.unwrap().clone();
    match answer {
        Answer::Plain(value) => Json(value).into_response(),
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Stream(chunks) => {
            let events = chunks
                .iter()
                .map(|chunk| format!("data: {chunk}\n\n"))
                .chain(["data: [DONE]\n\n".to_owned()]);
            events_response(Body::from(events.collect::<String>()))
        }
        Answer::Endless => {
            shared.streams_open.fetch_add(1, Ordering::SeqCst);
            let open = Open(Arc::clone(&shared));
            let pace = tokio::time::interval(Duration::from_millis(3));
            let words = futures_util::stream::unfold((open, pace), |(open, mut pace)| async move {
                pace.tick().await;
                Some((Ok::<_, Infallible>(word(" word")), (open, pace)))
            });
            events_response(Body::from_stream(words))
        }
        Answer::Poison(words) => {
            let pace = tokio::time::interval(Duration::from_millis(3));
            let said = futures_util::stream::unfold((0, pace), move |(said, mut pace)| async move {
                pace.tick().await;
                let next = if said < words { word(" word") } else { word(POISON) };
                Some((Ok::<_, Infallible>(next), (said + 1, pace)))
            });
            events_response(Body::from_stream(said))
        }
        Answer::Blocked => unreachable!("waited for something else"),
    }
}

fn word(text: &str) -> Bytes {
    Bytes::from(format!("data: {}\n\n", chunk(&json!({"content": text}), &Value::Null)))
}

fn events_response(body: Body) -> Response {
    ([("content-type", "text/event-stream")], body).into_response()
}

/// An endless stream that somebody listens to.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.streams_open.fetch_sub(1, Ordering::SeqCst);
    }
}
