//! Every fault, as a client meets it, and what the provider remembers of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::wire::{Answer, ask, behaving, chat, instant, joined, post, seen, send, streamed, with};
use crate::provider::{Outcome, Provider, count};

const CHAT: &str = "/v1/chat/completions";
const QUESTION: &str = "What happens when a provider fails?";

async fn start_stream(provider: &Provider) -> Answer {
    post(provider, CHAT, &streamed(ask(QUESTION))).await
}

#[tokio::test]
async fn the_next_requests_fail_and_then_no_more() {
    for status in [429, 500, 503] {
        let provider = behaving(json!({"fail": {"status": status, "next": 2}})).await;
        for expected in [status, status, 200] {
            let answer = chat(&provider, &ask(QUESTION)).await;
            assert_eq!(answer.status.as_u16(), expected);
            assert_eq!(answer.headers.contains_key("retry-after"), expected == 429);
            assert_eq!(answer.json()["error"]["message"].is_string(), expected != 200);
        }
        let outcomes: Vec<_> = provider.requests().iter().map(|seen| seen.outcome).collect();
        assert_eq!(outcomes, [Outcome::Failed, Outcome::Failed, Outcome::Finished]);
    }
}

#[tokio::test]
async fn a_share_of_requests_fails_by_the_seed() {
    let statuses = async || {
        let provider = behaving(json!({"fail": {"status": 503, "fraction": 0.5}})).await;
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(chat(&provider, &with(ask("?"), &json!({"max_tokens": 1}))).await.status.as_u16());
        }
        statuses
    };
    let first = statuses().await;
    let failed = first.iter().filter(|&&status| status == 503).count();
    assert!((8..=32).contains(&failed), "{failed} of 40");
    assert_eq!(first, statuses().await);
}

#[tokio::test]
async fn a_connection_may_close_without_an_answer() {
    let provider = behaving(json!({"fail": {"next": 1}})).await;
    let body = ask(QUESTION).to_string().into_bytes();
    let refused = send(&provider, "POST", CHAT, &[], body).await.err().expect("no answer");
    assert!(refused.is_incomplete_message(), "{refused}");
    assert_eq!(seen(&provider, |seen| seen.ended_at_ms.is_some()).await.outcome, Outcome::Broken);
    assert_eq!(chat(&provider, &ask(QUESTION)).await.status, 200);
}

#[tokio::test]
async fn the_gate_holds_and_counts_all_who_wait() {
    let provider = behaving(json!({"gate_open": false})).await;
    let mut waiting = JoinSet::new();
    for _ in 0..50 {
        let address = provider.address();
        let body = with(ask(QUESTION), &json!({"max_tokens": 2})).to_string();
        waiting.spawn(async move {
            let request = format!(
                "POST {CHAT} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
            answer.starts_with("HTTP/1.1 200")
        });
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while provider.waiting() < 50 {
        assert!(Instant::now() < deadline, "{} wait", provider.waiting());
        tokio::task::yield_now().await;
    }
    let gate = super::wire::get(&provider, "/sim/gate").await.json();
    assert_eq!(gate, json!({"open": false, "waiting": 50}));
    assert!(provider.requests().iter().all(|seen| seen.outcome == Outcome::Waiting && seen.body_bytes > 0));
    post(&provider, "/sim/gate", &json!({"open": true})).await;
    let answered = waiting.join_all().await;
    assert_eq!(answered.iter().filter(|&&fine| fine).count(), 50);
    assert_eq!(provider.waiting(), 0);
}

#[tokio::test]
async fn a_hanging_provider_lets_go_of_a_client_that_leaves() {
    let provider = behaving(json!({"hang": true})).await;
    let mut client = JoinSet::new();
    let (address, body) = (provider.address(), ask(QUESTION).to_string());
    client.spawn(async move {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request =
            format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    });
    seen(&provider, |seen| seen.outcome == Outcome::Waiting && provider.waiting() == 1).await;
    drop(client);
    let left = seen(&provider, |seen| seen.ended_at_ms.is_some()).await;
    assert_eq!((left.outcome, left.cancelled_at, left.status), (Outcome::Cancelled, Some(0), None));
    assert_eq!(provider.waiting(), 0);
}

#[tokio::test]
async fn a_stalled_stream_stays_open_and_silent_until_the_client_leaves() {
    let provider = behaving(json!({"stall_after_tokens": 4})).await;
    let mut answer = start_stream(&provider).await;
    let text = answer.data_lines(5).await;
    assert_eq!(text.matches("\n\n").count(), 5);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), answer.frame()).await.is_err(),
        "nothing more comes"
    );
    drop(answer);
    let left = seen(&provider, |seen| seen.ended_at_ms.is_some()).await;
    assert_eq!((left.outcome, left.cancelled_at, left.generated_tokens), (Outcome::Cancelled, Some(4), 4));
}

#[tokio::test]
async fn a_cut_stream_has_lost_its_end() {
    let provider = behaving(json!({"cut_after_tokens": 6})).await;
    let answer = start_stream(&provider).await.whole().await;
    assert!(!answer.intact);
    assert_eq!(answer.events().len(), 7, "the role and six tokens");
    assert!(!answer.text().contains("[DONE]"));
    let broken = seen(&provider, |seen| seen.ended_at_ms.is_some()).await;
    assert_eq!((broken.outcome, broken.sent_tokens, broken.cancelled_at), (Outcome::Broken, 6, None));

    let plain = chat(&provider, &ask(QUESTION)).await;
    assert!(!plain.intact && plain.status == 200 && !plain.bytes.is_empty());
}

#[tokio::test]
async fn an_error_may_come_in_the_middle() {
    let provider = behaving(json!({"error_after_tokens": 3})).await;
    let answer = start_stream(&provider).await.whole().await;
    assert!(answer.intact);
    let events = answer.events();
    assert_eq!(events.len(), 5, "the role, three tokens and the error");
    let last: Value = serde_json::from_str(events[4]).unwrap();
    assert_eq!(last["error"]["code"], "simulated_failure");
    assert_eq!(chat(&provider, &ask(QUESTION)).await.status, 500);
}

#[tokio::test]
async fn a_line_may_be_malformed() {
    let provider = behaving(json!({"malformed_after_tokens": 3})).await;
    let answer = start_stream(&provider).await.whole().await;
    let events = answer.events();
    let bad: Vec<_> = events
        .iter()
        .filter(|event| **event != "[DONE]" && serde_json::from_str::<Value>(event).is_err())
        .collect();
    assert_eq!(bad, [&events[4]]);
    assert_eq!(events.last(), Some(&"[DONE]"));
    let plain = chat(&provider, &ask(QUESTION)).await;
    assert!(plain.intact && serde_json::from_slice::<Value>(&plain.bytes).is_err());
}

#[tokio::test]
async fn frames_may_be_split_anywhere() {
    let provider = behaving(json!({"split_bytes": 7})).await;
    let question = streamed(with(ask("什么是词元？"), &json!({"max_tokens": 20})));
    let split = chat(&provider, &question).await;
    assert!(split.frames > split.bytes.len() / 14, "{} frames of {} bytes", split.frames, split.bytes.len());
    let whole = chat(&instant().await, &question).await;
    assert_eq!(joined(&split.chunks(), 0, "content"), joined(&whole.chunks(), 0, "content"));
    assert!(whole.frames < split.frames / 5);
}

#[tokio::test]
async fn a_model_may_never_stop() {
    let provider = behaving(json!({"never_stops": true})).await;
    let body = streamed(with(ask(QUESTION), &json!({"max_tokens": 5})));
    let mut answer = post(&provider, CHAT, &body).await;
    let text = answer.data_lines(40_000).await;
    assert!(!text.contains("\"finish_reason\":\"") && !text.contains("[DONE]"));
    drop(answer);
    let left = seen(&provider, |seen| seen.ended_at_ms.is_some()).await;
    assert!(left.generated_tokens > 39_000 && left.max_tokens == Some(5));

    let plain = chat(&provider, &with(ask(QUESTION), &json!({"max_tokens": 5}))).await.json();
    assert_eq!(plain["choices"][0]["finish_reason"], "length");
    assert_eq!(plain["usage"]["total_tokens"], 32_768, "the context is full");
}

#[tokio::test]
async fn cancelling_ends_the_work_unless_it_is_ignored() {
    let body = with(ask(QUESTION), &json!({"max_tokens": 500, "ignore_eos": true}));
    for (ignores, expected) in [(false, 2..400), (true, 500..501)] {
        let provider = behaving(json!({"ignores_cancel": ignores, "tokens_per_second": 100})).await;
        let mut answer = post(&provider, CHAT, &streamed(body.clone())).await;
        answer.data_lines(3).await;
        drop(answer);
        let left = seen(&provider, |seen| seen.ended_at_ms.is_some()).await;
        assert_eq!(left.outcome, Outcome::Cancelled);
        assert!(expected.contains(&left.generated_tokens), "ignores {ignores}: {left:?}");
        assert!((2..400).contains(&left.sent_tokens));
        assert_eq!(left.cancelled_at, Some(left.chunks));
    }
}

#[tokio::test]
async fn one_more_than_the_capacity_is_told_to_come_back() {
    let provider = behaving(json!({"capacity": 1, "stall_after_tokens": 1})).await;
    let mut answer = start_stream(&provider).await;
    answer.data_lines(2).await;
    let second = chat(&provider, &ask(QUESTION)).await;
    assert_eq!(second.status, 429);
    assert_eq!(second.json()["error"]["code"], "rate_limit_exceeded");
    drop(answer);
    let deadline = Instant::now() + Duration::from_secs(20);
    provider.change_behaviour(&json!({"stall_after_tokens": null})).unwrap();
    while chat(&provider, &ask(QUESTION)).await.status != 200 {
        assert!(Instant::now() < deadline, "the place is free again");
    }
}

#[tokio::test]
async fn the_length_may_be_announced_wrong() {
    let long = behaving(json!({"content_length_error": 10})).await;
    let answer = chat(&long, &ask(QUESTION)).await;
    assert!(!answer.intact);
    let short = behaving(json!({"content_length_error": -10})).await;
    let answer = chat(&short, &ask(QUESTION)).await;
    serde_json::from_slice::<Value>(&answer.bytes).unwrap_err();
    assert_eq!(answer.headers["content-length"], answer.bytes.len().to_string());
}

#[tokio::test]
async fn an_error_may_look_like_an_answer() {
    let provider = behaving(json!({"error_as_content": true})).await;
    let reply = chat(&provider, &ask(QUESTION)).await;
    assert_eq!(reply.status, 200);
    let text = reply.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    assert!(text.starts_with("Error:"), "{text}");
    assert_eq!(reply.json()["usage"]["completion_tokens"], count(&text) + 1);
}

#[tokio::test]
async fn the_length_of_a_reply_can_be_set() {
    for tokens in [1, 50, 1000] {
        let provider = behaving(json!({"reply_tokens": tokens})).await;
        let reply = chat(&provider, &ask(QUESTION)).await.json();
        assert_eq!(reply["choices"][0]["finish_reason"], "stop");
        assert_eq!(reply["usage"]["completion_tokens"], tokens + 1, "and one to end with");
    }
}

#[tokio::test]
async fn speed_is_as_set() {
    let patch = json!({"first_token_ms": 40, "tokens_per_second": 500, "jitter": 0.2, "head_delay_ms": 20});
    let provider = behaving(patch).await;
    let body = with(ask(QUESTION), &json!({"max_tokens": 51, "ignore_eos": true}));
    for body in [streamed(body.clone()), body] {
        let begun = Instant::now();
        let answer = post(&provider, CHAT, &body).await;
        let head = begun.elapsed();
        drop(answer.whole().await);
        let took = begun.elapsed();
        // 20 ms for the head, 40 to the first token, 50 gaps of 2 ms, each up to a fifth shorter.
        assert!(head >= Duration::from_millis(20), "{head:?}");
        assert!(took >= Duration::from_millis(140) && took < Duration::from_secs(10), "{took:?}");
    }
}
