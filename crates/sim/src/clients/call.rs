//! One request of a simulated client, over a real connection, from its sending to its record.
//!
//! The client reads the answer with its own few lines and not with the gateway's reader, so that the two can disagree.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use super::config::{Consumer, PopulationConfig};
use super::prompts::Ask;
use super::record::{Endpoint, Record};
use crate::clock::now_ms;
use crate::provider::{count, prompt};

#[derive(Debug)]
pub(super) struct Caller {
    http: Client<HttpConnector, Full<Bytes>>,
    base: Uri,
    patience: Duration,
}

/// Why reading ended before the answer did.
enum Early {
    Left,
    Broken(String),
}

/// The part of an answer received so far.
#[derive(Debug, Default)]
struct Received {
    text: String,
    is_done: bool,
}

impl Caller {
    pub(super) fn new(base: Uri, config: &PopulationConfig) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Self { http, base, patience: Duration::from_millis(config.timeout_ms) }
    }

    /// Sends, reads and writes down. It ends early when told to stop, as a client that leaves.
    pub(super) async fn call(
        &self,
        consumer: &Consumer,
        ask: Ask,
        mut stopped: watch::Receiver<()>,
    ) -> Record {
        let mut record = blank(consumer, &ask);
        let mut received = Received::default();
        let ended = {
            let work = timeout(self.patience, self.converse(consumer, &ask, &mut record, &mut received));
            tokio::select! {
                ended = work => ended.unwrap_or_else(|_| Err(Early::Broken("client_timeout".to_owned()))),
                _ = stopped.changed() => Err(Early::Left),
            }
        };
        match ended {
            Ok(()) => {}
            Err(Early::Left) => record.cancelled = true,
            Err(Early::Broken(why)) => record.error = Some(why),
        }
        record.text_bytes = received.text.len();
        let end = u64::from(record.finish.as_deref() == Some("stop"));
        record.counted_completion_tokens = count(&received.text) + end;
        record.ended_at_ms = now_ms();
        record
    }

    async fn converse(
        &self,
        consumer: &Consumer,
        ask: &Ask,
        record: &mut Record,
        received: &mut Received,
    ) -> Result<(), Early> {
        let path = match ask.endpoint {
            Endpoint::Chat => "chat/completions",
            Endpoint::Embeddings => "embeddings",
        };
        let request = Request::post(format!("{}/{path}", self.base))
            .header("authorization", format!("Bearer {}", consumer.key))
            .header("content-type", "application/json")
            .header("user-agent", "sycee-simulated-client")
            .header("x-request-id", &record.request_id)
            .body(Full::new(Bytes::from(ask.body.to_string())))
            .map_err(broken)?;
        let response = self.http.request(request).await.map_err(broken)?;
        let told = |name: &str| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.map(str::to_owned)
        };
        record.receipt = told("x-sycee-receipt");
        record.schedule = told("x-sycee-schedule");
        record.status = Some(response.status().as_u16());
        if ask.stream && response.status().is_success() {
            read_stream(response, ask, record, received).await
        } else {
            read_plain(response, record, received).await
        }
    }
}

async fn read_plain(
    response: Response<Incoming>,
    record: &mut Record,
    received: &mut Received,
) -> Result<(), Early> {
    let body = response.into_body().collect().await.map_err(broken)?.to_bytes();
    record.first_chunk_at_ms = Some(now_ms());
    let answer: Value = serde_json::from_slice(&body).map_err(broken)?;
    note_error(&answer, record);
    let choice = &answer["choices"][0];
    if let Some(text) = choice["message"]["content"].as_str() {
        received.text.push_str(text);
        record.chunks = 1;
    }
    record.finish = choice["finish_reason"].as_str().map(str::to_owned);
    record.usage = answer.get("usage").filter(|usage| usage.is_object()).cloned();
    Ok(())
}

async fn read_stream(
    response: Response<Incoming>,
    ask: &Ask,
    record: &mut Record,
    received: &mut Received,
) -> Result<(), Early> {
    let mut body = response.into_body();
    let mut unread = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        unread.extend_from_slice(&data);
        while let Some(end) = unread.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<_> = unread.drain(..end + 2).collect();
            read_event(&event, record, received)?;
            if ask.leaves_after.is_some_and(|most| record.chunks >= most) {
                return Err(Early::Left);
            }
        }
    }
    if received.is_done || record.error.is_some() { Ok(()) } else { Err(Early::Broken("no_done".to_owned())) }
}

fn read_event(event: &[u8], record: &mut Record, received: &mut Received) -> Result<(), Early> {
    let event = str::from_utf8(event).map_err(broken)?;
    // Comments and other fields are of no interest to a client of this protocol.
    let Some(data) = event.trim_end().strip_prefix("data: ") else { return Ok(()) };
    if data == "[DONE]" {
        received.is_done = true;
        return Ok(());
    }
    let chunk: Value = serde_json::from_str(data).map_err(broken)?;
    note_error(&chunk, record);
    let choice = &chunk["choices"][0];
    if let Some(text) = choice["delta"]["content"].as_str().filter(|text| !text.is_empty()) {
        record.first_chunk_at_ms.get_or_insert_with(now_ms);
        record.chunks += 1;
        received.text.push_str(text);
    }
    if let Some(finish) = choice["finish_reason"].as_str() {
        record.finish = Some(finish.to_owned());
    }
    if let Some(usage) = chunk.get("usage").filter(|usage| usage.is_object()) {
        record.usage = Some(usage.clone());
    }
    Ok(())
}

fn note_error(answer: &Value, record: &mut Record) {
    if let Some(error) = answer.get("error") {
        let told = [&error["code"], &error["type"], &error["message"]].into_iter().find_map(Value::as_str);
        record.error = Some(told.unwrap_or("unnamed").to_owned());
    }
}

fn blank(consumer: &Consumer, ask: &Ask) -> Record {
    let counted_prompt_tokens = match ask.endpoint {
        Endpoint::Chat => {
            let messages = ask.body["messages"].as_array().map_or(&[][..], Vec::as_slice);
            prompt(messages).map_or(0, |text| count(&text))
        }
        Endpoint::Embeddings => ask.body["input"].as_str().map_or(0, count),
    };
    Record {
        client: consumer.name.clone(),
        number: ask.number,
        request_id: format!("simulated-{}-{}", consumer.name, ask.number),
        receipt: None,
        schedule: None,
        endpoint: ask.endpoint,
        model: ask.model.clone(),
        stream: ask.stream,
        asked_usage: ask.asks_usage,
        max_tokens: ask.max_tokens,
        status: None,
        error: None,
        finish: None,
        cancelled: false,
        text_bytes: 0,
        chunks: 0,
        counted_prompt_tokens,
        counted_completion_tokens: 0,
        usage: None,
        started_at_ms: now_ms(),
        first_chunk_at_ms: None,
        ended_at_ms: 0,
    }
}

fn broken(error: impl std::error::Error) -> Early {
    Early::Broken(error.to_string())
}
