//! A real node, a real site, real sockets: what clients get, and what that does to the ledger.
use serde_json::json;
use sycee_core::settlement::{AttemptOutcome, Finish, Measure};

use super::world::{Answer, CREDIT, World};

mod connections;
mod panics;
mod refusals;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_answer_is_settled_before_its_body_is_released() {
    let world = World::start("plain").await;
    let consumer = world.consumer(CREDIT).await;
    world.site.answers(Answer::say("Hi there, it is noted.", "stop"));
    let reply = world.chat(&consumer, json!({"max_tokens": 50})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let receipt = world.receipt(&reply).expect("settled before the answer came");
    assert_eq!(receipt.delivery.finish, Finish::Stop);
    assert_eq!(reply.header("x-sycee-schedule"), receipt.schedule.to_string());
    assert!(reply.header("access-control-expose-headers").contains("x-sycee-schedule"));
    assert_eq!(receipt.delivery.output_measure, Measure::OwnCount);
    let answer = reply.json();
    assert_eq!(reply.header("content-length"), reply.text.len().to_string());
    assert_eq!(answer["model"], "docs-1");
    let usage = &answer["usage"];
    assert_eq!(usage["prompt_tokens"].as_u64(), receipt.delivery.usage.input_total());
    assert_eq!(usage["completion_tokens"].as_u64(), receipt.delivery.usage.output_total());
    assert_eq!(world.balance(&consumer).amount, CREDIT - receipt.total);
    assert_eq!(world.balance(&consumer).held, 0);
    let metrics = world.gateway.metrics_text();
    let settled = format!("output_tokens_total {}\n", receipt.delivery.usage.output_total().unwrap());
    assert!(metrics.contains(&settled), "{settled} in {metrics}");
    let sent = world.site.requests();
    assert_eq!(sent.len(), 1);
    assert_eq!((&sent[0]["model"], &sent[0]["max_tokens"]), (&json!("site-model"), &json!(50)));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_hides_usage_unless_asked_and_its_receipt_is_there_when_it_is_done() {
    let world = World::start("stream").await;
    let consumer = world.consumer(CREDIT).await;
    for include_usage in [false, true] {
        world.site.answers(Answer::stream(&["Hi", " there", "."], "stop"));
        let options = json!({"stream": true, "stream_options": {"include_usage": include_usage}});
        let reply = world.chat(&consumer, options).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let receipt = world.receipt(&reply).expect("settled before the end was released");
        assert_eq!(reply.header("x-sycee-schedule"), receipt.schedule.to_string());
        let events = reply.events();
        let (done, chunks) = events.split_last().unwrap();
        assert_eq!(done, "[DONE]");
        let chunks: Vec<serde_json::Value> =
            chunks.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
        let text: String =
            chunks.iter().filter_map(|it| it["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(text, "Hi there.");
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        let last = chunks.last().unwrap();
        if include_usage {
            assert_eq!(last["usage"]["completion_tokens"].as_u64(), receipt.delivery.usage.output_total());
            assert!(
                chunks[..chunks.len() - 1]
                    .iter()
                    .all(|it| it["usage"].is_null() && it.get("usage").is_some())
            );
        } else {
            assert!(chunks.iter().all(|it| it.get("usage").is_none()));
        }
        assert_eq!(world.site.requests().pop().unwrap()["stream_options"]["include_usage"], true);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_move_no_money_and_reach_no_site() {
    let world = World::start("refusals").await;
    let (rich, poor) = (world.consumer(CREDIT).await, world.consumer(0).await);
    let few = world.consumer(3_000_000).await;
    let check = async |key: &str, path: &str, body: serde_json::Value, status: u16, code: &str| {
        let reply = world.post(key, path, &body, &[]).await;
        assert_eq!(reply.status, status, "{path} {body}: {}", reply.text);
        assert_eq!(reply.json()["error"]["code"], code, "{path} {body}");
        assert!(reply.header("x-request-id").starts_with("req_"));
        reply
    };
    let chat = |model: &str, max: u64| json!({"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": max});
    let path = "/v1/chat/completions";
    check("sk-sycee-nobody", path, chat("docs-1", 5), 401, "invalid_api_key").await;
    let reply = check(&poor.key, path, chat("docs-1", 5), 402, "insufficient_quota").await;
    assert_eq!(reply.header("x-should-retry"), "false");
    let reply = check(&few.key, path, chat("docs-1", 100_000), 402, "insufficient_quota").await;
    let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("max_tokens") && message.contains("would fit"), "{message}");
    check(&rich.key, path, chat("nothing", 5), 404, "model_not_found").await;
    check(&rich.key, path, chat("embed-1", 5), 400, "invalid_request").await;
    check(&rich.key, path, chat("docs-1", 0), 400, "invalid_request").await;
    check(&rich.key, "/v1/responses", chat("docs-1", 5), 404, "not_found").await;
    check(&rich.key, "/v1/models", json!({}), 405, "method_not_allowed").await;
    let reply = world.post(&rich.key, path, &json!("x".repeat(2 << 20)), &[]).await;
    assert_eq!(reply.status, 413, "{}", reply.text);
    let reply = world.post(&rich.key, path, &chat("docs-1", 5), &[("content-type", "text/plain")]).await;
    assert_eq!(reply.status, 415, "{}", reply.text);
    assert!(world.site.requests().is_empty());
    assert_eq!(world.balance(&rich).amount, CREDIT);
    let metrics = world.gateway.metrics_text();
    assert!(metrics.contains("refusals_total{status=\"402\",code=\"insufficient_quota\"} 2"), "{metrics}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_requests_run_as_the_balance_holds() {
    let world = World::start("budget").await;
    world.site.answers(Answer::Blocked);
    let probe = world.consumer(CREDIT).await;
    let running = world.spawn_chat(&probe, json!({"max_tokens": 100}));
    let hold = world.until(|| Some(world.balance(&probe).held).filter(|held| *held > 0)).await;
    world.site.answers(Answer::say("ok", "stop"));
    assert_eq!(running.await.unwrap().status, 200);

    let consumer = world.consumer(5 * hold).await;
    world.site.answers(Answer::Blocked);
    let crowd: Vec<_> = (0..50).map(|_| world.spawn_chat(&consumer, json!({"max_tokens": 100}))).collect();
    world.until(|| (crowd.iter().filter(|it| it.is_finished()).count() == 45).then_some(())).await;
    assert_eq!(world.balance(&consumer).held, 5 * hold);
    world.site.answers(Answer::say("ok", "stop"));
    let mut statuses = Vec::new();
    for one in crowd {
        let reply = one.await.unwrap();
        if reply.status == 429 {
            assert_eq!(reply.json()["error"]["code"], "in_flight_budget");
            assert!(!reply.header("retry-after").is_empty());
        }
        statuses.push(reply.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200; 5], vec![429; 45]].concat());
    assert_eq!(world.balance(&consumer).held, 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_that_fails_is_passed_over_and_costs_nothing() {
    let world = World::start("failover").await;
    let consumer = world.consumer(CREDIT).await;
    world.site.answers(Answer::Status(500));
    world.other.answers(Answer::stream(&["from", " elsewhere"], "stop"));
    let reply = world.chat(&consumer, json!({"stream": true})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let receipt = world.receipt(&reply).unwrap();
    let outcomes: Vec<_> = receipt.delivery.attempts.iter().map(|it| it.outcome).collect();
    assert_eq!(outcomes, [AttemptOutcome::Failed, AttemptOutcome::Served]);
    assert_eq!(reply.header("x-sycee-schedule"), receipt.schedule.to_string(), "of the site that served");
    world.other.answers(Answer::Status(500));
    let before = world.balance(&consumer);
    let reply = world.chat(&consumer, json!({"stream": true})).await;
    assert_eq!((reply.status, reply.header("x-sycee-schedule")), (503, ""), "{}", reply.text);
    assert_eq!(world.balance(&consumer), before);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_pays_for_what_it_got_and_the_site_is_told() {
    let world = World::start("leave").await;
    let consumer = world.consumer(CREDIT).await;
    world.site.answers(Answer::Endless);
    let (request, received) = world.leave_after(&consumer, 5).await;
    let receipt = world.until(|| world.receipt_of(request)).await;
    assert_eq!(receipt.delivery.finish, Finish::Cancelled);
    let billed = receipt.delivery.usage.output_total().unwrap();
    assert!((1..=received + 3).contains(&billed), "{billed} billed, {received} seen by the client");
    world.until(|| (world.site.streams_open() == 0).then_some(())).await;
    assert_eq!(world.balance(&consumer).held, 0);
    let offer = receipt.delivery.offer;
    assert_eq!(world.gateway.health().of(offer).failures_in_row, 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_twice_is_served_once() {
    let world = World::start("joins").await;
    let consumer = world.consumer(CREDIT).await;
    let keyed = [("idempotency-key", "k-1")];
    let body = |max: u64| json!({"model": "docs-1", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": max});
    world.site.answers(Answer::say("once", "stop"));
    let path = "/v1/chat/completions";
    let first = world.post(&consumer.key, path, &body(9), &keyed).await;
    let again = world.post(&consumer.key, path, &body(9), &keyed).await;
    assert_eq!((first.status, &first.text), (again.status, &again.text));
    for header in ["x-sycee-receipt", "x-sycee-schedule"] {
        assert_eq!(first.header(header), again.header(header));
    }
    assert_eq!(world.post(&consumer.key, path, &body(8), &keyed).await.status, 409);
    assert_eq!(world.site.requests().len(), 1);

    world.site.answers(Answer::Blocked);
    let running = world.spawn_chat(&consumer, json!({"max_tokens": 7}));
    world.until(|| (world.site.requests().len() == 2).then_some(())).await;
    let retry = world.spawn_chat_with(&consumer, json!({"max_tokens": 7}), "x-stainless-retry-count", "1");
    let joined = "sycee_gateway_requests_joined_total 2";
    world.until(|| world.gateway.metrics_text().contains(joined).then_some(())).await;
    world.site.answers(Answer::say("once", "stop"));
    let (running, retry) = (running.await.unwrap(), retry.await.unwrap());
    assert_eq!(running.header("x-sycee-receipt"), retry.header("x-sycee-receipt"));
    assert_eq!(world.site.requests().len(), 2);
    world.stop().await;
}

/// What was cancelled has no answer to give, not even under its key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_was_left_is_not_joined() {
    let world = World::start("left").await;
    let consumer = world.consumer(CREDIT).await;
    let keyed = ("idempotency-key", "k-1");
    world.site.answers(Answer::Endless);
    let (left, _) = world.leave_after_with(&consumer, 5, &[keyed]).await;
    world.until(|| (world.site.streams_open() == 0).then_some(())).await;
    world.site.answers(Answer::stream(&["once", " more"], "stop"));
    let same = json!({"stream": true, "max_tokens": 50_000});
    let reply = world.spawn_chat_with(&consumer, same, keyed.0, keyed.1).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_ne!(reply.header("x-sycee-receipt"), left.to_string());
    assert_eq!(reply.events().last().map(String::as_str), Some("[DONE]"), "whole: {}", reply.text);
    let receipt = world.until(|| world.receipt_of(left)).await;
    assert_eq!(receipt.delivery.finish, Finish::Cancelled);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_ledger_does_not_settle_is_not_counted_as_delivered() {
    let mut world = World::start("unsettled").await;
    let consumer = world.consumer(CREDIT).await;
    world.site.answers(Answer::Blocked);
    let running = world.spawn_chat(&consumer, json!({"max_tokens": 50}));
    world.until(|| (world.site.requests().len() == 1).then_some(())).await;
    world.stop_node().await;
    world.site.answers(Answer::say("Hi there.", "stop"));
    let reply = running.await.unwrap();
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (500, &json!("not_settled")));
    let metrics = world.gateway.metrics_text();
    for line in ["sycee_gateway_input_tokens_total 0", "sycee_gateway_output_tokens_total 0"] {
        assert!(metrics.lines().any(|it| it == line), "{line} in {metrics}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embeddings_and_models() {
    let world = World::start("embeddings").await;
    let consumer = world.consumer(CREDIT).await;
    let body = json!({"model": "embed-1", "input": ["one text", "another"], "encoding_format": "base64"});
    let reply = world.post(&consumer.key, "/v1/embeddings", &body, &[]).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.json()["data"][0]["embedding"], "AACAPwAAAEA=");
    let receipt = world.receipt(&reply).unwrap();
    assert_eq!(receipt.delivery.usage.input_total(), reply.json()["usage"]["prompt_tokens"].as_u64());
    assert_eq!(
        (receipt.delivery.usage.input_total(), receipt.delivery.usage.output_total()),
        (Some(3), Some(0))
    );
    let models = world.get(&consumer.key, "/v1/models").await.json();
    let names: Vec<_> =
        models["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["docs-1", "embed-1"]);
    assert_eq!(world.get(&consumer.key, "/v1/models/docs-1").await.json()["id"], "docs-1");
    assert_eq!(world.get(&consumer.key, "/v1/models/none").await.status, 404);
    assert_eq!(world.get("sk-sycee-nobody", "/v1/models").await.status, 401);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_gateway_starts_with_nothing_held_by_the_one_before() {
    let world = World::start("orphans").await;
    let consumer = world.consumer(CREDIT).await;
    world.site.answers(Answer::Endless);
    let running = world.spawn_chat(&consumer, json!({"stream": true, "max_tokens": 100_000}));
    world.until(|| (world.balance(&consumer).held > 0).then_some(())).await;
    crate::Gateway::start(world.gateway.0.handle.clone(), crate::Options::default()).await.unwrap();
    assert_eq!(world.balance(&consumer).held, 0, "held by a gateway that is no more");
    assert!(world.gateway.stop().await);
    drop(running.await.unwrap());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_settles_what_runs() {
    let world = World::start("stopping").await;
    let consumer = world.consumer(CREDIT).await;
    world.site.answers(Answer::Endless);
    let running = world.spawn_chat(&consumer, json!({"stream": true, "max_tokens": 100_000}));
    world.until(|| (world.site.streams_open() == 1).then_some(())).await;
    assert!(world.gateway.stop().await, "all of them settled");
    let reply = running.await.unwrap();
    assert!(reply.text.contains("\"code\":\"stopping\"") && !reply.text.contains("[DONE]"));
    let receipt = world.receipt(&reply).unwrap();
    assert!(receipt.delivery.usage.output_total() > Some(0));
    assert_eq!(world.balance(&consumer).held, 0);
    assert_eq!(world.chat(&consumer, json!({})).await.status, 503);
    world.stop().await;
}
