//! `POST /v1/chat/completions`: reads the request, composes the reply, and plays it whole or token by token.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;

use super::answer::Problem;
use super::config::ModelKind;
use super::plain;
use super::reply::{Inputs, Reply};
use super::request::ChatRequest;
use super::seen::Seen;
use super::state::{Admitted, Shared, Stopped};
use super::stream::Script;
use super::tokens;

/// What every chunk and the plain reply begin with.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) id: String,
    pub(crate) created: u64,
    pub(crate) model: String,
}

pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejected) => return Problem::from(rejected).into_response(),
    };
    let seen = shared.open("/v1/chat/completions", &headers, &body);
    let admitted = match shared.admit(&headers, &seen).await {
        Ok(admitted) => admitted,
        Err(stopped) => return stopped.answer(seen),
    };
    let (request, reply) = match prepare(&shared, &admitted, &seen, &body) {
        Ok(prepared) => prepared,
        Err(problem) => return Stopped::With(problem).answer(seen),
    };
    seen.answering(reply.usage.prompt);
    let head = Head {
        id: format!("chatcmpl-simulated-{}-{}", shared.config.seed, seen.number()),
        created: shared.created,
        model: request.model.clone(),
    };
    let joules = shared.joules(reply.usage, request.is_stream());
    let mut response = if request.is_stream() {
        let script = Script::new(head, reply, admitted, request.includes_usage(), seen);
        stream_response(script)
    } else {
        plain::play(&head, &reply, admitted, seen).await
    };
    if let Some(joules) = joules.and_then(|joules| HeaderValue::try_from(joules).ok()) {
        response.headers_mut().insert("x-sycee-joules", joules);
    }
    response
}

fn prepare(
    shared: &Shared,
    admitted: &Admitted,
    seen: &Seen,
    body: &[u8],
) -> Result<(ChatRequest, Reply), Problem> {
    let request = ChatRequest::read(body)?;
    seen.note(|seen| {
        seen.model = Some(request.model.clone());
        seen.max_tokens = request.max_tokens();
        seen.stream = request.is_stream();
        seen.include_usage = request.includes_usage();
    });
    let model = shared.model(&request.model, ModelKind::Chat)?;
    let prompt = tokens::prompt(&request.messages)
        .map_err(|error| Problem::invalid(format!("a message has no text: {error}")).about("messages"))?;
    let prompt_tokens = tokens::count(&prompt);
    if prompt_tokens >= model.context_tokens {
        let message = format!("the prompt has {prompt_tokens} tokens, the context {}", model.context_tokens);
        return Err(Problem::invalid(message).about("messages").coded("context_length_exceeded"));
    }
    let inputs = Inputs {
        seed: shared.config.seed,
        request: &request,
        behaviour: &admitted.behaviour,
        prompt_tokens,
        room_tokens: model.context_tokens - prompt_tokens,
    };
    let reply = Reply::compose(&inputs);
    Ok((request, reply))
}

fn stream_response(script: Script) -> Response {
    let frames = stream::unfold(script, Script::next);
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(frames)).into_response()
}
