//! `POST /v1/embeddings`: unit vectors drawn from a hash of the text, as numbers or as base64.
//!
//! Equal texts have equal vectors and unequal texts unrelated ones; there is no meaning in them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::Problem;
use super::config::{DIMENSIONS_MAX, ModelKind};
use super::request::{EmbeddingsRequest, EncodingFormat};
use super::seen::Seen;
use super::state::{Admitted, Shared, Stopped};
use super::usage::{self, Usage};
use crate::draw::Draw;

pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejected) => return Problem::from(rejected).into_response(),
    };
    let mut seen = shared.open("/v1/embeddings", &headers, &body);
    let Admitted { behaviour, mut pace, slot } = match shared.admit(&headers, &seen).await {
        Ok(admitted) => admitted,
        Err(stopped) => return stopped.answer(seen),
    };
    let (data, usage, model) = match prepare(&shared, &seen, &body) {
        Ok(prepared) => prepared,
        Err(problem) => return Stopped::With(problem).answer(seen),
    };
    seen.answering(usage.prompt);
    pace.tokens(1).await;
    drop(slot);
    seen.finished(0);
    let mut answer = json!({"object": "list", "data": data, "model": model});
    if let Some(mut usage) = usage::report(usage, &behaviour.usage) {
        if let Value::Object(fields) = &mut usage {
            fields.shift_remove("completion_tokens");
        }
        answer["usage"] = usage;
    }
    let mut response = Json(answer).into_response();
    if let Some(joules) = shared.joules(usage, false).and_then(|joules| HeaderValue::try_from(joules).ok()) {
        response.headers_mut().insert("x-sycee-joules", joules);
    }
    response
}

fn prepare(shared: &Shared, seen: &Seen, body: &[u8]) -> Result<(Vec<Value>, Usage, String), Problem> {
    let request = EmbeddingsRequest::read(body)?;
    seen.note(|seen| seen.model = Some(request.model.clone()));
    let model = shared.model(&request.model, ModelKind::Embedding)?;
    let texts = request.texts()?;
    if let Some(long) = texts.iter().find(|text| text.tokens > model.context_tokens) {
        let message = format!("a text has {} tokens, the context {}", long.tokens, model.context_tokens);
        return Err(Problem::invalid(message).about("input").coded("context_length_exceeded"));
    }
    let dimensions = request.dimensions.unwrap_or(model.dimensions);
    if !(1..=DIMENSIONS_MAX).contains(&dimensions) {
        return Err(Problem::invalid("dimensions must be between 1 and 4096").about("dimensions"));
    }
    let data = texts.iter().enumerate().map(|(index, text)| {
        let vector = unit_vector(&model.id, &text.bytes, dimensions);
        let embedding = match request.encoding_format {
            EncodingFormat::Float => json!(vector),
            EncodingFormat::Base64 => {
                let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
                json!(STANDARD.encode(bytes))
            }
        };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    let data = data.collect();
    let prompt = texts.iter().map(|text| text.tokens).sum();
    Ok((data, Usage { prompt, ..Usage::default() }, request.model))
}

/// Normal in each direction and then scaled to length one: uniform over the sphere.
#[expect(clippy::cast_possible_truncation, reason = "the protocol's numbers are single precision")]
fn unit_vector(model: &str, text: &[u8], dimensions: usize) -> Vec<f32> {
    let mut draw = Draw::from(&[b"embedding", model.as_bytes(), text]);
    let values: Vec<f64> = (0..dimensions).map(|_| draw.normal()).collect();
    let length = values.iter().map(|value| value * value).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    values.into_iter().map(|value| (value / length) as f32).collect()
}
