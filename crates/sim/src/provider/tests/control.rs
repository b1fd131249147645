//! Steering a provider while it runs, and starting it with a configuration that cannot be.

use std::time::Duration;

use serde_json::{Value, json};

use super::wire::{ask, behaving, chat, get, instant, post, send, start, streamed};
use crate::error::ErrorKind;
use crate::provider::{Behaviour, ModelConfig, Outcome, Provider, ProviderConfig};

#[tokio::test]
async fn behaviour_is_patched_read_and_reset_over_http() {
    let provider = instant().await;
    let change = async |patch: Value| post(&provider, "/sim/behaviour", &patch).await.whole().await;
    let shown = async || get(&provider, "/sim/behaviour").await.json();
    assert_eq!(change(json!({"usage": {"lie": {"multiply": 3}}, "capacity": 9})).await.status, 200);
    change(json!({"usage": {"place": "every_chunk"}})).await;
    let both = shown().await;
    assert_eq!(both["usage"]["lie"], json!({"multiply": 3}));
    assert_eq!((&both["usage"]["place"], &both["capacity"]), (&json!("every_chunk"), &json!(9)));
    change(json!({"usage": null, "capacity": null})).await;
    assert_eq!(shown().await, json!(Behaviour::instant()));

    for wrong in [
        json!({"speed": 1}),
        json!({"usage": {"lie": "small"}}),
        json!({"tokens_per_second": -1}),
        json!({"jitter": 2}),
        json!({"fail": {"status": 200}}),
        json!({"fail": {"fraction": 1.5}}),
        json!({"split_bytes": 0}),
        json!({"capacity": 1_000_000}),
        json!({"first_token_ms": 10_000_000}),
        json!(7),
    ] {
        let answer = change(wrong.clone()).await;
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(
            answer.json()["error"]["message"].as_str().unwrap().starts_with("failed to accept the behaviour")
        );
        assert_eq!(shown().await, json!(Behaviour::instant()), "{wrong} changed something");
    }
    change(json!({"hang": true})).await;
    send(&provider, "DELETE", "/sim/behaviour", &[], Vec::new()).await.unwrap();
    assert_eq!(provider.behaviour(), Behaviour::instant());
}

#[tokio::test]
async fn only_the_last_requests_are_remembered() {
    let behaviour = Behaviour::instant();
    let provider =
        start(ProviderConfig { requests_remembered: 3, behaviour, ..ProviderConfig::default() }).await;
    for _ in 0..5 {
        chat(&provider, &ask("?")).await;
    }
    let list = get(&provider, "/sim/requests").await.json();
    let numbers: Vec<_> =
        list.as_array().unwrap().iter().map(|seen| seen["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [3, 4, 5]);
    assert_eq!(list[0]["outcome"], "finished");
    send(&provider, "DELETE", "/sim/requests", &[], Vec::new()).await.unwrap();
    assert_eq!(get(&provider, "/sim/requests").await.json(), json!([]));
}

#[tokio::test]
async fn stopping_lets_a_reply_end() {
    let provider = behaving(json!({"tokens_per_second": 200, "reply_tokens": 30})).await;
    let mut answer = post(&provider, "/v1/chat/completions", &streamed(ask("?"))).await;
    answer.data_lines(2).await;
    let address = provider.address();
    let (rest, ()) = tokio::join!(answer.whole(), provider.stop(Duration::from_secs(20)));
    assert!(rest.intact && rest.text().ends_with("data: [DONE]\n\n"));
    tokio::net::TcpStream::connect(address).await.unwrap_err();
}

#[tokio::test]
async fn stopping_cuts_a_reply_that_does_not_end() {
    let provider = behaving(json!({"stall_after_tokens": 1})).await;
    let mut answer = post(&provider, "/v1/chat/completions", &streamed(ask("?"))).await;
    answer.data_lines(2).await;
    assert_eq!(provider.requests()[0].outcome, Outcome::Answering);
    provider.stop(Duration::ZERO).await;
    assert!(!answer.whole().await.intact);
}

#[tokio::test]
async fn a_configuration_that_cannot_be_is_refused() {
    let check = async |config: ProviderConfig, word: &str| {
        let error = Provider::bind(config).await.expect_err(word);
        assert!(error.to_string().contains(word), "{error}");
        error.kind()
    };
    let good = ProviderConfig::default();
    let twice = vec![ModelConfig::chat("a"), ModelConfig::chat("a")];
    let flat = vec![ModelConfig { dimensions: 0, ..ModelConfig::embedding("a") }];
    for (config, word) in [
        (ProviderConfig { models: Vec::new(), ..good.clone() }, "1 to 64 models"),
        (ProviderConfig { models: twice, ..good.clone() }, "twice"),
        (ProviderConfig { models: flat, ..good.clone() }, "dimensions"),
        (ProviderConfig { joules_per_input_token: -0.1, ..good.clone() }, "joules"),
        (ProviderConfig { joules_per_output_token: f64::NAN, ..good.clone() }, "joules"),
        (ProviderConfig { requests_remembered: 0, ..good.clone() }, "requests_remembered"),
        (
            ProviderConfig { behaviour: Behaviour { jitter: 2.0, ..Behaviour::default() }, ..good.clone() },
            "jitter",
        ),
    ] {
        assert_eq!(check(config, word).await, ErrorKind::Configuration);
    }
    let running = start(good.clone()).await;
    let taken = ProviderConfig { listen: running.address(), ..good };
    assert_eq!(check(taken, "listen on 127.0.0.1").await, ErrorKind::Listen);
}

#[test]
fn a_configuration_survives_json_and_refuses_what_it_does_not_know() {
    let config = ProviderConfig::default();
    let written = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<ProviderConfig>(&written).unwrap(), config);
    assert_eq!(serde_json::from_str::<ProviderConfig>("{}").unwrap(), config);
    for unknown in
        [r#"{"prot": 1}"#, r#"{"behaviour": {"x": 1}}"#, r#"{"models": [{"id": "a", "kind": "cat"}]}"#]
    {
        assert!(serde_json::from_str::<ProviderConfig>(unknown).is_err(), "{unknown}");
    }
}
