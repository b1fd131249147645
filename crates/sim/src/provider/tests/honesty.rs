//! Honest usage is the canonical count of the emitted text, and one more where the reply ended by itself.

use serde_json::{Value, json};

use super::wire::{ask, chat, instant, joined, streamed, with};
use crate::draw::Draw;
use crate::provider::{CHAT_TEMPLATE, count, prompt, tokens};

const WORDS: [&str; 12] = [
    "hold",
    "receipt",
    "royalty",
    "energy",
    "log",
    "offer",
    "预留",
    "收据",
    "版税",
    "电力",
    "日志",
    "🙂 fn main() {}",
];

#[tokio::test]
async fn usage_is_the_count_of_what_was_emitted() {
    let provider = instant().await;
    let mut draw = Draw::from(&[b"honesty"]);
    let (mut stops, mut lengths) = (0, 0);
    for round in 0..60 {
        let question = format!("{} {} {round}", WORDS[draw.below(12)], WORDS[draw.below(12)]);
        let limit = 1 + draw.below(400);
        let body = streamed(with(ask(&question), &json!({"max_tokens": limit})));
        let chunks = chat(&provider, &body).await.chunks();
        let text = joined(&chunks, 0, "content");
        let ended = super::wire::finish(&chunks)[0];
        let usage = &chunks.last().unwrap()["usage"];
        let completion = usage["completion_tokens"].as_u64().unwrap();
        assert_eq!(completion, count(&text) + u64::from(ended == "stop"), "{question} {limit}: {text}");
        assert!(completion <= limit as u64, "{question} {limit}");
        let messages = body["messages"].as_array().unwrap();
        assert_eq!(usage["prompt_tokens"], count(&prompt(messages).unwrap()), "{question}");
        stops += u64::from(ended == "stop");
        lengths += u64::from(ended == "length");
    }
    assert!(stops >= 10 && lengths >= 10, "both endings are met: {stops} stops, {lengths} cuts");
}

#[tokio::test]
async fn what_is_remembered_is_true() {
    let provider = instant().await;
    let body = with(streamed(ask("Who counts?")), &json!({"max_tokens": 9}));
    let chunks = chat(&provider, &body).await.chunks();
    let seen = super::wire::seen(&provider, |seen| seen.ended_at_ms.is_some()).await;
    let usage = &chunks.last().unwrap()["usage"];
    assert_eq!(usage["completion_tokens"], seen.generated_tokens);
    assert_eq!(usage["prompt_tokens"], seen.prompt_tokens);
    assert_eq!((seen.max_tokens, seen.stream, seen.include_usage), (Some(9), true, true));
    assert_eq!((seen.sent_tokens, seen.cancelled_at, seen.status), (seen.generated_tokens, None, Some(200)));
    assert_eq!(seen.model.as_deref(), Some("sycee-docs-1"));
    assert_eq!(seen.body_bytes, body.to_string().len());
    let digest = <sha2::Sha256 as sha2::Digest>::digest(body.to_string());
    assert_eq!(seen.body_sha256, format!("{:x}", bytes::Bytes::copy_from_slice(&digest)));
}

#[test]
fn the_template_renders_every_shape_of_a_message() {
    let check = |messages: Value, expected: &str| {
        assert_eq!(prompt(messages.as_array().unwrap()).unwrap(), expected);
    };
    check(json!([{"role": "user", "content": " a\n<b> "}]), "user:\n a\n<b> \n\nassistant:\n");
    check(
        json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "甲"}, {"type": "image_url"}, {"type": "text", "text": "乙"}]},
            {"role": "assistant", "content": null},
        ]),
        "system:\nBe brief.\n\nuser:\n甲乙\n\nassistant:\n\n\nassistant:\n",
    );
    assert!(!CHAT_TEMPLATE.contains("{%-%}"));
}

#[test]
fn pieces_are_whole_characters_and_keep_the_count() {
    for text in
        [include_str!("../corpus_en.md"), include_str!("../corpus_zh.md"), "🙂 饕餮 𠮷 e\u{301} 👨‍👩‍👧‍👦", ""]
    {
        let pieces = tokens::pieces(text);
        assert_eq!(pieces.iter().map(|piece| &*piece.text).collect::<String>(), text);
        assert_eq!(pieces.iter().map(|piece| piece.tokens).sum::<u64>(), count(text));
    }
    // A rare character takes several tokens, none of which is text of its own.
    let rare = tokens::pieces("饕");
    assert_eq!(rare.len(), 1);
    assert!(rare[0].tokens > 1);
}
