//! A reply in one piece: it takes as long as its stream would, and shows those faults that need no stream.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::task::Poll;

use super::answer::Problem;
use super::behaviour::{Behaviour, UsagePlace};
use super::chat::Head;
use super::reply::{Choice, Reply, Step};
use super::seen::Seen;
use super::state::{Admitted, Stopped};
use super::usage;

/// A fault that ends a plain reply before its last token.
enum Break {
    Error,
    Cut,
}

pub(crate) async fn play(head: &Head, reply: &Reply, mut admitted: Admitted, mut seen: Seen) -> Response {
    if admitted.behaviour.ignores_cancel {
        seen.generates_anyway(reply.usage.completion);
    }
    match make_all(reply, &mut admitted, &seen).await {
        Ok(()) => {}
        Err(Break::Error) => return Stopped::With(Problem::simulated(500)).answer(seen),
        Err(Break::Cut) => {
            seen.broken();
            let whole = body(head, reply, &admitted.behaviour).to_string();
            return announced(&whole[..whole.len().min(40)], whole.len());
        }
    }
    seen.finished(reply.usage.completion);
    let whole = body(head, reply, &admitted.behaviour);
    let behaviour = &admitted.behaviour;
    if behaviour.malformed_after_tokens.is_some() {
        let text = whole.to_string();
        let half = text.floor_char_boundary(text.len() / 2);
        return announced(&text[..half], half);
    }
    if behaviour.content_length_error != 0 {
        let text = whole.to_string();
        let error = isize::try_from(behaviour.content_length_error).unwrap_or(0);
        return announced(&text, text.len().saturating_add_signed(error));
    }
    Json(whole).into_response()
}

/// Waits for every token in turn.
async fn make_all(reply: &Reply, admitted: &mut Admitted, seen: &Seen) -> Result<(), Break> {
    let mut made_tokens = 0;
    for index in 0..reply.steps() {
        let reached = Some(index as u64);
        if admitted.behaviour.stall_after_tokens == reached {
            std::future::pending::<()>().await;
        }
        if admitted.behaviour.error_after_tokens == reached {
            return Err(Break::Error);
        }
        if admitted.behaviour.cut_after_tokens == reached {
            return Err(Break::Cut);
        }
        let tokens = reply.choices.iter().filter_map(|choice| choice.step(index)).map(Step::tokens);
        let (slowest, sum) =
            tokens.fold((0, 0), |(slowest, sum), tokens| (tokens.max(slowest), sum + tokens));
        admitted.pace.tokens(slowest).await;
        made_tokens += sum;
        seen.note(|seen| seen.generated_tokens = made_tokens);
    }
    Ok(())
}

/// A body that claims a length of its own. The server believes the header, since a stream has no length to compare.
fn announced(text: &str, length: usize) -> Response {
    let mut rest = Some(Bytes::copy_from_slice(text.as_bytes()));
    let body = Body::from_stream(stream::poll_fn(move |context| match rest.take() {
        Some(text) if !text.is_empty() => {
            rest = Some(Bytes::new());
            Poll::Ready(Some(Ok::<_, Infallible>(text)))
        }
        // What was sent is written out before a body that is too short ends the connection.
        Some(_) => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
        None => Poll::Ready(None),
    }));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_LENGTH, HeaderValue::from(length)),
    ];
    (headers, body).into_response()
}

fn body(head: &Head, reply: &Reply, behaviour: &Behaviour) -> Value {
    let usage = usage::report(reply.usage, &behaviour.usage);
    let mut choices: Vec<_> =
        reply.choices.iter().enumerate().map(|(index, choice)| one(index, choice)).collect();
    let mut whole = json!({
        "id": head.id,
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "system_fingerprint": super::FINGERPRINT,
    });
    match usage {
        Some(usage) if behaviour.usage.place == UsagePlace::InsideChoice => {
            if let Some(first) = choices.first_mut() {
                first["usage"] = usage;
            }
        }
        Some(usage) => whole["usage"] = usage,
        None => {}
    }
    whole["choices"] = Value::Array(choices);
    whole
}

fn one(index: usize, choice: &Choice) -> Value {
    let mut message = json!({"role": "assistant", "content": choice.text(), "refusal": null});
    let reasoning = choice.reasoning_text();
    if !reasoning.is_empty() {
        message["reasoning_content"] = Value::String(reasoning);
    }
    if let Some(tool) = &choice.tool {
        message["content"] = Value::Null;
        let function = json!({"name": tool.name, "arguments": choice.text()});
        message["tool_calls"] = json!([{"id": tool.id, "type": "function", "function": function}]);
    }
    json!({
        "index": index,
        "message": message,
        "logprobs": null,
        "finish_reason": choice.end.finish_reason(),
    })
}
