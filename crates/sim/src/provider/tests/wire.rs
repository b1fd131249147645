//! A raw HTTP client for the tests: one connection per call, every frame and every broken end visible.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::provider::{Behaviour, Provider, ProviderConfig, SeenRequest};

/// Longer than anything here takes, so that only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer whose body is read frame by frame. Dropping it closes the connection.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: hyper::body::Incoming,
    _connection: JoinSet<()>,
}

/// An answer read to its end.
pub(super) struct Whole {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Vec<u8>,
    pub(super) frames: usize,
    /// The body ended as announced and not by a broken connection.
    pub(super) intact: bool,
}

pub(super) async fn start(config: ProviderConfig) -> Provider {
    Provider::bind(config).await.unwrap()
}

pub(super) async fn instant() -> Provider {
    start(ProviderConfig { behaviour: Behaviour::instant(), ..ProviderConfig::default() }).await
}

/// An instant provider that behaves as the patch says.
pub(super) async fn behaving(patch: Value) -> Provider {
    let provider = instant().await;
    provider.change_behaviour(&patch).unwrap();
    provider
}

pub(super) fn ask(question: &str) -> Value {
    json!({"model": "sycee-docs-1", "messages": [{"role": "user", "content": question}]})
}

pub(super) fn with(mut body: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

pub(super) fn streamed(body: Value) -> Value {
    with(body, &json!({"stream": true, "stream_options": {"include_usage": true}}))
}

/// Sends one request and returns its head, or why there is none.
pub(super) async fn send(
    provider: &Provider,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Result<Answer, hyper::Error> {
    let stream = TcpStream::connect(provider.address()).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut task = JoinSet::new();
    task.spawn(async move { drop(connection.await) });
    let mut request = Request::builder().method(method).uri(path).header("host", "simulated");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body))).unwrap();
    let response = timeout(PATIENCE, sender.send_request(request)).await.expect("an answer in time")?;
    let (parts, body) = response.into_parts();
    Ok(Answer { status: parts.status, headers: parts.headers, body, _connection: task })
}

pub(super) async fn post(provider: &Provider, path: &str, body: &Value) -> Answer {
    send(provider, "POST", path, &[], body.to_string().into_bytes()).await.unwrap()
}

pub(super) async fn chat(provider: &Provider, body: &Value) -> Whole {
    post(provider, "/v1/chat/completions", body).await.whole().await
}

pub(super) async fn get(provider: &Provider, path: &str) -> Whole {
    send(provider, "GET", path, &[], Vec::new()).await.unwrap().whole().await
}

impl Answer {
    /// The next piece of the body; `None` at its end, an error when the connection broke.
    pub(super) async fn frame(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        let frame = timeout(PATIENCE, self.body.frame()).await.expect("a frame in time")?;
        Some(frame.map(|frame| frame.into_data().expect("only data")))
    }

    /// Reads until the text so far holds a number of data lines.
    pub(super) async fn data_lines(&mut self, wanted: usize) -> String {
        let (mut text, mut lines) = (Vec::new(), 0);
        while lines < wanted {
            let frame = self.frame().await.expect("more data").unwrap();
            lines += frame.windows(2).filter(|pair| pair == b"\n\n").count();
            text.extend(frame);
        }
        String::from_utf8(text).unwrap()
    }

    pub(super) async fn whole(mut self) -> Whole {
        let (mut bytes, mut frames, mut intact) = (Vec::new(), 0, true);
        while let Some(frame) = self.frame().await {
            match frame {
                Ok(frame) => {
                    bytes.extend(frame);
                    frames += 1;
                }
                Err(_) => {
                    intact = false;
                    break;
                }
            }
        }
        Whole { status: self.status, headers: self.headers, bytes, frames, intact }
    }
}

impl Whole {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub(super) fn text(&self) -> &str {
        str::from_utf8(&self.bytes).unwrap()
    }

    /// The data of every event, each of which must be framed exactly.
    pub(super) fn events(&self) -> Vec<&str> {
        let text = self.text();
        assert!(text.ends_with("\n\n"), "the last event is whole: {text:?}");
        text.trim_end_matches("\n\n")
            .split("\n\n")
            .map(|event| event.strip_prefix("data: ").expect("each event is one data line"))
            .collect()
    }

    /// All chunks of a stream that ended with `[DONE]`.
    pub(super) fn chunks(&self) -> Vec<Value> {
        let mut events = self.events();
        assert_eq!(events.pop(), Some("[DONE]"));
        events.iter().map(|event| serde_json::from_str(event).unwrap()).collect()
    }
}

/// The text of one choice, its deltas joined.
pub(super) fn joined(chunks: &[Value], choice: u64, field: &str) -> String {
    chunks
        .iter()
        .flat_map(|chunk| chunk["choices"].as_array().unwrap())
        .filter(|one| one["index"] == choice)
        .filter_map(|one| one["delta"][field].as_str())
        .collect()
}

pub(super) fn finish(chunks: &[Value]) -> Vec<&str> {
    chunks.iter().filter_map(|chunk| chunk["choices"][0]["finish_reason"].as_str()).collect()
}

/// Polls until the only request seen is as wished.
pub(super) async fn seen(provider: &Provider, wish: impl Fn(&SeenRequest) -> bool) -> SeenRequest {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let [request] = &provider.requests()[..]
            && wish(request)
        {
            return request.clone();
        }
        assert!(Instant::now() < deadline, "not seen in time: {:?}", provider.requests());
        tokio::task::yield_now().await;
    }
}
