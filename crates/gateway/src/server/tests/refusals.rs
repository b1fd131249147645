//! Callers who are refused all the time, and those beside them.
use serde_json::{Value, json};

use crate::options::Options;
use crate::server::world::{Answer, CREDIT, Consumer, Reply, World};

const PATH: &str = "/v1/chat/completions";
const BURST: u32 = 5;

fn few(options: &mut Options) {
    (options.limits.refusals_burst, options.limits.refusals_per_second) = (BURST, 1);
}

fn chat(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5})
}

fn code(reply: &Reply) -> String {
    reply.json()["error"]["code"].as_str().unwrap().to_owned()
}

/// Asks until it is told to wait; what it was told before, each time.
async fn until_told_to_wait(world: &World, key: &str, path: &str, body: &Value) -> Vec<(u16, String)> {
    let mut told = Vec::new();
    loop {
        let reply = world.post(key, path, body, &[]).await;
        if code(&reply) == "too_many_refusals" {
            assert_eq!(reply.status, 429);
            assert!(reply.header("retry-after").parse::<u32>().unwrap() >= 1);
            assert!(reply.header("x-request-id").starts_with("req_"));
            return told;
        }
        told.push((reply.status, code(&reply)));
        assert!(told.len() < 100, "never told to wait");
    }
}

async fn is_served(world: &World, consumer: &Consumer) {
    let reply = world.chat(consumer, json!({"max_tokens": 5})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_tries_keys_is_told_to_wait_and_a_key_that_works_is_served_beside_it() {
    let world = World::start_with("strangers", few).await;
    let consumer = world.consumer(CREDIT).await;
    let told = until_told_to_wait(&world, "sk-sycee-nobody", PATH, &chat("docs-1")).await;
    // One more may be forgiven in the meantime.
    assert!((BURST as usize..BURST as usize + 5).contains(&told.len()), "{told:?}");
    assert!(told.iter().all(|it| *it == (401, "invalid_api_key".to_owned())), "{told:?}");
    assert_eq!(world.get("sk-sycee-other", "/v1/models").await.status, 429, "from the same address");
    is_served(&world, &consumer).await;
    let metrics = world.gateway.metrics_text();
    assert!(metrics.contains("refusals_total{status=\"429\",code=\"too_many_refusals\"} 2"), "{metrics}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_refused_all_the_time_waits_and_no_other_does() {
    let world = World::start_with("refused", few).await;
    let (rich, poor) = (world.consumer(CREDIT).await, world.consumer(0).await);
    let lost = world.consumer(CREDIT).await;
    for (consumer, model, told) in
        [(&poor, "docs-1", (402, "insufficient_quota")), (&lost, "nothing", (404, "model_not_found"))]
    {
        let before = until_told_to_wait(&world, &consumer.key, PATH, &chat(model)).await;
        assert!(before.len() >= BURST as usize, "{before:?}");
        assert!(before.iter().all(|(status, code)| (*status, code.as_str()) == told), "{before:?}");
    }
    is_served(&world, &rich).await;
    // It waits as long as it is told to, and is listened to again.
    world
        .until_some(async || (world.chat(&lost, json!({"max_tokens": 5})).await.status == 200).then_some(()))
        .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_served_and_who_makes_mistakes_is_never_told_to_wait() {
    let world = World::start_with("served", few).await;
    let consumer = world.consumer(CREDIT).await;
    world.site.answers(Answer::say("Hi", "stop"));
    for _ in 0..BURST * 4 {
        is_served(&world, &consumer).await;
        let reply = world.post(&consumer.key, PATH, &json!({"model": "docs-1"}), &[]).await;
        assert_eq!(reply.status, 400, "{}", reply.text);
    }
    world.stop().await;
}
