//! The protocol's letter: chunks, choices, endings, embeddings, errors.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::wire::{ask, behaving, chat, finish, get, instant, joined, post, send, start, streamed, with};
use crate::provider::{Behaviour, EnergyHeader, ModelConfig, ProviderConfig};

#[tokio::test]
async fn a_stream_is_framed_to_the_letter() {
    let provider = instant().await;
    let asked = chat(&provider, &streamed(ask("What is a receipt?"))).await;
    assert_eq!(asked.headers["content-type"], "text/event-stream; charset=utf-8");
    assert_eq!(asked.headers["server"], "sycee-simulated-provider");
    let chunks = asked.chunks();
    let (first, last) = (&chunks[0], &chunks[chunks.len() - 1]);
    assert_eq!(first["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
    for chunk in &chunks {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        for constant in ["id", "created", "model"] {
            assert_eq!(chunk[constant], first[constant]);
        }
    }
    // Usage stands in a chunk of its own; before it the field is there and empty.
    assert_eq!(last["choices"], json!([]));
    assert!(last["usage"]["total_tokens"].is_u64());
    assert!(chunks[..chunks.len() - 1].iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)));
    // So does the finish reason.
    let ending = &chunks[chunks.len() - 2]["choices"][0];
    assert_eq!((&ending["delta"], &ending["finish_reason"]), (&json!({}), &json!("stop")));
    assert_eq!(finish(&chunks).len(), 1);
    // Between them there is one delta for each piece, never empty.
    let deltas = &chunks[1..chunks.len() - 2];
    assert!(deltas.iter().all(|chunk| chunk["choices"][0]["delta"]["content"].as_str().unwrap() != ""));

    let unasked = chat(&provider, &with(ask("What is a receipt?"), &json!({"stream": true}))).await.chunks();
    assert!(unasked.iter().all(|chunk| chunk.get("usage").is_none() && chunk["choices"] != json!([])));
    assert_eq!(joined(&unasked, 0, "content"), joined(&chunks, 0, "content"));
}

#[tokio::test]
async fn plain_and_streamed_replies_agree() {
    let provider = instant().await;
    let body = with(ask("How are royalties paid?"), &json!({"n": 3, "seed": 7}));
    let plain = chat(&provider, &body).await.json();
    let chunks = chat(&provider, &streamed(body)).await.chunks();
    assert_eq!(plain["choices"].as_array().unwrap().len(), 3);
    for index in 0..3 {
        let choice = &plain["choices"][index];
        assert_eq!(choice["message"]["content"], joined(&chunks, index as u64, "content"));
        assert_eq!(choice["finish_reason"], "stop");
    }
    assert_ne!(plain["choices"][0]["message"], plain["choices"][1]["message"]);
    assert_eq!(plain["usage"], chunks.last().unwrap()["usage"]);
}

#[tokio::test]
async fn a_reply_follows_from_seed_model_and_messages() {
    let models = vec![ModelConfig::chat("sycee-docs-1"), ModelConfig::chat("other")];
    let config = |seed| ProviderConfig {
        seed,
        models: models.clone(),
        behaviour: Behaviour::instant(),
        ..ProviderConfig::default()
    };
    let (one, same, other) = (start(config(1)).await, start(config(1)).await, start(config(2)).await);
    let question = ask("zxcv");
    let text =
        async |provider, body: &Value| chat(provider, body).await.json()["choices"][0]["message"].clone();
    let reply = text(&one, &question).await;
    assert_eq!(reply, text(&one, &question).await);
    assert_eq!(reply, text(&same, &question).await);
    assert_ne!(reply, text(&other, &question).await);
    assert_ne!(reply, text(&one, &ask("qwer")).await);
    assert_ne!(reply, text(&one, &with(question.clone(), &json!({"seed": 5}))).await);
    assert_ne!(reply, text(&one, &with(question, &json!({"model": "other"}))).await);
}

#[tokio::test]
async fn replies_quote_what_was_asked_about_in_its_language() {
    let provider = instant().await;
    for (question, word) in [
        ("How does Sycee set a hold aside?", "This is the hold"),
        ("Why do royalties follow the lineage of a model?", "lineage"),
        ("What is a receipt?", "A receipt is the settled record"),
        ("请解释预留是怎么回事", "这就是预留"),
        ("什么是收据？", "收据是一次请求结算后的记录"),
        ("词元如何从电力而来，每词元多少焦耳？", "每词元焦耳数"),
    ] {
        let reply = chat(&provider, &ask(question)).await.json();
        let text = reply["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(text.contains(word), "{question}: {text}");
    }
}

#[tokio::test]
async fn replies_end_where_they_are_told_to() {
    let provider = instant().await;
    let run = async |more: Value| {
        let reply = chat(&provider, &with(ask("What is settlement?"), &more)).await.json();
        let text = reply["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
        let ended = reply["choices"][0]["finish_reason"].as_str().unwrap().to_owned();
        (text, ended, reply["usage"]["completion_tokens"].as_u64().unwrap())
    };
    let (full, ended, tokens) = run(json!({})).await;
    assert_eq!(ended, "stop");

    // A stop string is not shown, and ends the count without end-of-sequence.
    let (text, ended, stopped_tokens) =
        run(json!({"stop": [" never there", " for its hold", " than"]})).await;
    assert_eq!(ended, "stop");
    assert_eq!(text, full[..full.find(" than").unwrap()]);
    assert_eq!(stopped_tokens, crate::provider::count(&text));
    assert_eq!(run(json!({"stop": " than"})).await.0, text);

    // Both names of the limit hold, and an exact fit leaves no room for end-of-sequence.
    for name in ["max_tokens", "max_completion_tokens"] {
        let (text, ended, cut_tokens) = run(json!({name: 7})).await;
        assert_eq!((ended.as_str(), cut_tokens), ("length", 7));
        assert!(full.starts_with(&text));
    }
    assert_eq!(run(json!({"max_tokens": tokens - 1})).await.1, "length");
    assert_eq!(run(json!({"max_tokens": tokens})).await.1, "stop");

    let (_, ended, exact_tokens) = run(json!({"max_tokens": 1500, "ignore_eos": true})).await;
    assert_eq!((ended.as_str(), exact_tokens), ("length", 1500));
}

#[tokio::test]
async fn a_demanded_tool_is_called_in_fragments() {
    let provider = instant().await;
    let tools = json!([{"type": "function", "function": {"name": "find_receipt", "parameters": {}}}]);
    let body = with(ask("Find it"), &json!({"tools": tools, "tool_choice": "required"}));
    let plain = chat(&provider, &body).await.json();
    let call = &plain["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(plain["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(plain["choices"][0]["message"]["content"], Value::Null);
    assert_eq!(call["function"]["name"], "find_receipt");
    let arguments = call["function"]["arguments"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(arguments).unwrap()["question"], "Find it");

    let chunks = chat(&provider, &streamed(body)).await.chunks();
    let fragments: Vec<_> = chunks
        .iter()
        .map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0])
        .filter(|call| !call.is_null())
        .collect();
    assert_eq!(fragments[0]["id"], call["id"]);
    assert!(fragments[1..].iter().all(|fragment| fragment.get("id").is_none() && fragment["index"] == 0));
    assert!(fragments.len() > 3);
    let joined: String =
        fragments.iter().filter_map(|fragment| fragment["function"]["arguments"].as_str()).collect();
    assert_eq!(joined, arguments);
    assert_eq!(finish(&chunks), ["tool_calls"]);
}

#[tokio::test]
async fn reasoning_comes_first_and_is_counted() {
    let provider = behaving(json!({"reasoning_tokens": 30})).await;
    let chunks = chat(&provider, &streamed(ask("What is a log?"))).await.chunks();
    let field = |name: &str| {
        let holds =
            |chunk: &Value| chunk["choices"][0]["delta"][name].as_str().is_some_and(|text| !text.is_empty());
        (chunks.iter().position(holds).unwrap(), chunks.iter().rposition(holds).unwrap())
    };
    assert!(field("reasoning_content").1 < field("content").0);
    let (reasoning, content) = (joined(&chunks, 0, "reasoning_content"), joined(&chunks, 0, "content"));
    let count = crate::provider::count;
    let usage = &chunks.last().unwrap()["usage"];
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], count(&reasoning));
    assert_eq!(usage["completion_tokens"], count(&reasoning) + count(&content) + 1);
    let plain = chat(&provider, &ask("What is a log?")).await.json();
    assert_eq!(plain["choices"][0]["message"]["reasoning_content"], reasoning);
}

#[tokio::test]
async fn embeddings_are_unit_vectors_of_the_text() {
    let provider = instant().await;
    let embed = async |more: Value| {
        let body = with(json!({"model": "sycee-embed-1"}), &more);
        post(&provider, "/v1/embeddings", &body).await.whole().await.json()
    };
    let numbers = |value: &Value| -> Vec<f64> {
        value.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
    };
    let two = embed(json!({"input": ["a token", "词元"]})).await;
    let first = numbers(&two["data"][0]["embedding"]);
    let second = numbers(&two["data"][1]["embedding"]);
    assert_eq!((first.len(), second.len()), (256, 256));
    for vector in [&first, &second] {
        assert!((vector.iter().map(|value| value * value).sum::<f64>() - 1.0).abs() < 1e-5);
    }
    assert!(first.iter().zip(&second).map(|(one, other)| one * other).sum::<f64>().abs() < 0.5);
    let prompt = crate::provider::count("a token") + crate::provider::count("词元");
    assert_eq!(two["usage"], json!({"prompt_tokens": prompt, "total_tokens": prompt}));

    let coded = embed(json!({"input": "a token", "encoding_format": "base64"})).await;
    let bytes = STANDARD.decode(coded["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let decoded: Vec<f32> =
        bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    assert!(decoded.iter().zip(&first).all(|(&one, &other)| (f64::from(one) - other).abs() < 1e-6));
    assert_eq!(decoded.len(), first.len());

    let short = embed(json!({"input": [[1, 2, 3], [4]], "dimensions": 8})).await;
    assert_eq!(numbers(&short["data"][1]["embedding"]).len(), 8);
    assert_eq!(short["usage"]["prompt_tokens"], 4);
}

#[tokio::test]
async fn models_are_listed_as_simulated() {
    let provider = instant().await;
    let list = get(&provider, "/v1/models").await.json();
    let ids: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["sycee-docs-1", "sycee-embed-1"]);
    let one = get(&provider, "/v1/models/sycee-docs-1").await.json();
    assert_eq!(one, list["data"][0]);
    assert_eq!(one["owned_by"], "sycee-docs (simulated)");
    assert_eq!(get(&provider, "/v1/models/none").await.status, 404);
    assert_eq!(get(&provider, "/health").await.json()["simulated"], true);
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_in_the_protocols_words() {
    let small = ModelConfig { context_tokens: 20, ..ModelConfig::chat("small") };
    let models = vec![small, ModelConfig::chat("sycee-docs-1"), ModelConfig::embedding("sycee-embed-1")];
    let behaviour = Behaviour::instant();
    let provider =
        start(ProviderConfig { models, behaviour, body_bytes_max: 4096, ..ProviderConfig::default() }).await;
    let chat = "/v1/chat/completions";
    let long = "word ".repeat(30);
    for (path, body, status, param) in [
        (chat, with(ask("?"), &json!({"model": "none"})), 404, "model"),
        (chat, with(ask("?"), &json!({"model": "sycee-embed-1"})), 404, "model"),
        (chat, with(ask("?"), &json!({"messages": []})), 400, "messages"),
        (chat, with(ask("?"), &json!({"messages": [{"content": "no role"}]})), 400, "messages"),
        (chat, with(ask(&long), &json!({"model": "small"})), 400, "messages"),
        (chat, with(ask("?"), &json!({"n": 0})), 400, "n"),
        (chat, with(ask("?"), &json!({"n": 17})), 400, "n"),
        (chat, with(ask("?"), &json!({"max_tokens": 0})), 400, "max_tokens"),
        (chat, with(ask("?"), &json!({"stop": ""})), 400, "stop"),
        (chat, with(ask("?"), &json!({"stream_options": {}})), 400, "stream_options"),
        ("/v1/embeddings", json!({"model": "sycee-docs-1", "input": "x"}), 404, "model"),
        ("/v1/embeddings", json!({"model": "sycee-embed-1", "input": []}), 400, "input"),
        (
            "/v1/embeddings",
            json!({"model": "sycee-embed-1", "input": "x", "dimensions": 0}),
            400,
            "dimensions",
        ),
    ] {
        let answer = post(&provider, path, &body).await.whole().await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert_eq!(answer.json()["error"]["param"], param, "{body}");
    }
    let garbage = send(&provider, "POST", chat, &[], b"{\"model\":".to_vec()).await.unwrap().whole().await;
    assert_eq!(
        (garbage.status.as_u16(), &garbage.json()["error"]["type"]),
        (400, &json!("invalid_request_error"))
    );
    let large = send(&provider, "POST", chat, &[], vec![b' '; 5000]).await.unwrap().whole().await;
    assert_eq!(
        (large.status.as_u16(), &large.json()["error"]["type"]),
        (413, &json!("invalid_request_error"))
    );
    assert_eq!(get(&provider, "/v1/none").await.status, 404);
}

#[tokio::test]
async fn a_provider_with_a_key_wants_it() {
    let config = ProviderConfig {
        api_key: Some("k-1".to_owned()),
        behaviour: Behaviour::instant(),
        ..ProviderConfig::default()
    };
    let provider = start(config).await;
    for (header, status) in [("Bearer k-1", 200), ("Bearer k-2", 401), ("k-1", 401)] {
        let body = ask("?").to_string().into_bytes();
        let headers = [("authorization", header)];
        let answer = send(&provider, "POST", "/v1/chat/completions", &headers, body).await.unwrap();
        assert_eq!(answer.status, status, "{header}");
        let models = send(&provider, "GET", "/v1/models", &headers, Vec::new()).await.unwrap();
        assert_eq!(models.status, status, "{header}");
    }
}

#[tokio::test]
async fn joules_are_announced_where_the_length_is_settled() {
    for (energy_header, on_plain, on_stream) in [
        (EnergyHeader::Never, false, false),
        (EnergyHeader::Plain, true, false),
        (EnergyHeader::All, true, true),
    ] {
        let behaviour = Behaviour::instant();
        let provider = start(ProviderConfig { energy_header, behaviour, ..ProviderConfig::default() }).await;
        let plain = chat(&provider, &ask("What is energy?")).await;
        let usage = &plain.json()["usage"];
        let tokens = |name: &str| usage[name].as_f64().unwrap();
        let joules = format!("{:.3}", tokens("prompt_tokens") * 0.138 + tokens("completion_tokens") * 0.689);
        let stream = chat(&provider, &streamed(ask("What is energy?"))).await;
        for (answer, expected) in [(plain, on_plain), (stream, on_stream)] {
            let told = answer.headers.get("x-sycee-joules").map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(told, expected.then(|| joules.clone()), "{energy_header:?}");
        }
    }
}
