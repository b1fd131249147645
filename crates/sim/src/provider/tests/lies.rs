//! Every lie about usage, in every place where it can stand.

use serde_json::{Value, json};

use super::wire::{ask, behaving, chat, joined, streamed, with};
use crate::provider::count;

/// What a stream and a plain reply report under a lie, given the truth.
async fn check(usage: Value, expected: impl Fn(i128, i128) -> Option<(i128, i128, i128)>) {
    let provider = behaving(json!({"usage": usage})).await;
    let body = ask("What is metering?");
    let chunks = chat(&provider, &streamed(body.clone())).await.chunks();
    let plain = chat(&provider, &body).await.json();
    let text = joined(&chunks, 0, "content");
    assert_eq!(plain["choices"][0]["message"]["content"], text);
    let prompt = crate::provider::prompt(body["messages"].as_array().unwrap()).unwrap();
    let truth = expected(count(&prompt).into(), i128::from(count(&text)) + 1);
    let told = |report: &Value| {
        let number = |name: &str| report[name].to_string().parse::<i128>().unwrap();
        (!report.is_null())
            .then(|| (number("prompt_tokens"), number("completion_tokens"), number("total_tokens")))
    };
    assert_eq!(told(&plain["usage"]), truth, "plain, {usage}");
    assert_eq!(told(&chunks.last().unwrap()["usage"]), truth, "stream, {usage}");
    let seen = provider.requests();
    assert!(seen.iter().all(|seen| i128::from(seen.generated_tokens) == i128::from(count(&text)) + 1));
}

#[tokio::test]
async fn lies_change_the_report_and_not_the_reply() {
    check(json!({"lie": "honest"}), |prompt, made| Some((prompt, made, prompt + made))).await;
    check(json!({"lie": "strip"}), |_, _| None).await;
    check(json!({"lie": "zero"}), |_, _| Some((0, 0, 0))).await;
    check(json!({"lie": {"multiply": 3}}), |prompt, made| Some((3 * prompt, 3 * made, 3 * (prompt + made))))
        .await;
    check(json!({"lie": "negative"}), |prompt, made| Some((-prompt, -made, -prompt - made))).await;
    let absurd = i128::from(u64::MAX);
    check(json!({"lie": "absurd"}), |_, _| Some((absurd, absurd - 1, absurd))).await;
    check(json!({"lie": "first_choice"}), |prompt, made| Some((prompt, made, prompt + made))).await;
}

#[tokio::test]
async fn the_first_choice_may_stand_for_all() {
    let provider = behaving(json!({"usage": {"lie": "first_choice"}})).await;
    let reply = chat(&provider, &with(ask("What is metering?"), &json!({"n": 2}))).await.json();
    let first = reply["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(reply["usage"]["completion_tokens"], count(first) + 1);
    assert!(provider.requests()[0].generated_tokens > count(first) + 1);
}

/// The indices, from the end of the stream, of chunks where usage is told, and whether inside a choice.
async fn places(place: &str) -> (Vec<usize>, bool, usize) {
    let provider = behaving(json!({"usage": {"place": place}})).await;
    let chunks = chat(&provider, &streamed(ask("What is metering?"))).await.chunks();
    let finish = chunks.iter().rposition(|chunk| chunk["choices"][0]["finish_reason"].is_string()).unwrap();
    let inside = chunks.iter().any(|chunk| chunk["choices"][0]["usage"].is_object());
    let told = chunks
        .iter()
        .enumerate()
        .filter(|(_, chunk)| chunk["usage"].is_object() || chunk["choices"][0]["usage"].is_object());
    let told = told.map(|(index, _)| index).collect();
    (told, inside, finish)
}

#[tokio::test]
async fn usage_stands_where_it_is_told_to() {
    let (told, inside, finish) = places("own_chunk").await;
    assert_eq!((told, inside), (vec![finish + 1], false));
    let (told, inside, finish) = places("finish_chunk").await;
    assert_eq!((told, inside), (vec![finish], false));
    let (told, inside, finish) = places("beside_choices").await;
    assert_eq!((told, inside), (vec![finish + 1], false));
    let (told, inside, finish) = places("inside_choice").await;
    assert_eq!((told, inside), (vec![finish], true));
    let (told, inside, finish) = places("every_chunk").await;
    assert_eq!((told, inside), ((0..=finish).collect(), false));
}

#[tokio::test]
async fn repeated_usage_is_cumulative_and_ends_at_the_truth() {
    let provider = behaving(json!({"usage": {"place": "every_chunk"}})).await;
    let chunks = chat(&provider, &streamed(ask("What is metering?"))).await.chunks();
    let told: Vec<_> =
        chunks.iter().map(|chunk| chunk["usage"]["completion_tokens"].as_u64().unwrap()).collect();
    assert!(told.is_sorted() && told[0] == 0 && told[1] >= 1);
    assert_eq!(*told.last().unwrap(), count(&joined(&chunks, 0, "content")) + 1);
    let plain = behaving(json!({"usage": {"place": "inside_choice"}})).await;
    let reply = chat(&plain, &ask("What is metering?")).await.json();
    assert!(reply.get("usage").is_none() && reply["choices"][0]["usage"].is_object());
}

#[tokio::test]
async fn cached_and_reasoning_tokens_are_reported_as_told() {
    let provider = behaving(json!({"usage": {"cached_tokens": 5, "reasoning_tokens": 11}})).await;
    let usage = chat(&provider, &ask("What is metering?")).await.json()["usage"].clone();
    assert_eq!(usage["prompt_tokens_details"], json!({"cached_tokens": 5}));
    assert_eq!(usage["completion_tokens_details"], json!({"reasoning_tokens": 11}));
    provider.change_behaviour(&json!({"usage": {"cached_tokens": 100_000}})).unwrap();
    let usage = chat(&provider, &ask("What is metering?")).await.json()["usage"].clone();
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"]);
}
