//! What a panic in the work on one request leaves behind: nothing.
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use sycee_core::ids::{Hash, RequestId};
use sycee_core::settlement::Finish;

use crate::driver::tests::POISON;
use crate::joins::{Joinable, Likeness};
use crate::problem::Problem;
use crate::server::world::{Answer, CREDIT, Consumer, World};
use crate::server::{Asked, off_thread};
use crate::transcript::Transcript;

async fn is_as_before(world: &World, consumer: &Consumer, panics: usize) {
    assert_eq!(world.balance(consumer).held, 0, "released at once, not by the next gateway");
    let text = world
        .until(|| {
            let text = world.gateway.metrics_text();
            text.contains("requests_running 0").then_some(text)
        })
        .await;
    assert!(text.contains(&format!("panics_total {panics}")), "{text}");
    world.site.answers(Answer::say("Hi", "stop"));
    assert_eq!(world.chat(consumer, json!({})).await.status, 200, "others are served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_anything_was_delivered_nothing_is_owed_and_the_client_is_told() {
    let world = World::start("panic-first").await;
    let consumer = world.consumer(CREDIT).await;
    for (panics, (answer, stream)) in
        (1..).zip([(Answer::say(POISON, "stop"), false), (Answer::Poison(0), true)])
    {
        world.site.answers(answer);
        let before = world.balance(&consumer).amount;
        let reply = world.chat(&consumer, json!({"stream": stream})).await;
        assert_eq!(reply.status, 500, "{}", reply.text);
        assert_eq!(reply.json()["error"]["code"], "internal_error");
        assert_eq!(world.balance(&consumer).amount, before);
        assert!(world.receipt(&reply).is_none(), "released");
        is_as_before(&world, &consumer, panics).await;
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_stream_it_settles_what_was_marked_and_the_client_is_told() {
    const WORDS: usize = 400;
    let world = World::start("panic-stream").await;
    let consumer = world.consumer(CREDIT).await;
    world.site.answers(Answer::Poison(WORDS));
    let reply = world.chat(&consumer, json!({"stream": true, "max_tokens": 5_000})).await;
    assert_eq!(reply.status, 200);
    let (last, words) = reply.events().split_last().map(|(last, words)| (last.clone(), words.len())).unwrap();
    assert!(last.contains("\"code\":\"internal_error\"") && !reply.text.contains("[DONE]"), "{last}");
    let receipt = world.receipt(&reply).expect("settled before the end was told");
    assert_eq!(receipt.delivery.finish, Finish::Recovered);
    let billed = usize::try_from(receipt.delivery.usage.output_total().unwrap()).unwrap();
    assert!(billed <= words && words <= billed + 256 && billed > 0, "{billed} billed, {words} received");
    assert_eq!(world.balance(&consumer).amount, CREDIT - receipt.total);
    is_as_before(&world, &consumer, 1).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_a_request_may_panic_for_itself_alone() {
    let world = World::start("panic-read").await;
    let shared = Arc::clone(&world.gateway.0);
    for bytes in [1, 1 << 20] {
        let read = off_thread(&shared, bytes, || -> Result<(), Problem> { panic!("a template, say") }).await;
        assert_eq!(read, Err(Problem::fault()));
    }
    assert!(world.gateway.metrics_text().contains("panics_total 2"));
    world.stop().await;
}

/// Its client may leave while its request is still being read, and the work on it goes with the connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joined_a_request_that_never_ran_hears_so() {
    let world = World::start("never-ran").await;
    let (consumer, shared) = (world.consumer(CREDIT).await, Arc::clone(&world.gateway.0));
    let likeness = Likeness {
        account: consumer.account,
        content: Hash([1; 32]),
        key: Some("k".to_owned()),
        is_retry: false,
    };
    let (transcript, now) = (Transcript::new(100), Instant::now());
    let new = Joinable { request: RequestId(1), stream: false, transcript: Arc::clone(&transcript) };
    assert!(shared.joins.join_or_begin(&likeness, &new, None, now).unwrap().is_none());
    let asked =
        Asked { shared: Arc::clone(&shared), request: RequestId(1), transcript, likeness: likeness.clone() };
    let joined = shared.joins.join_or_begin(&likeness, &new, None, now).unwrap().expect("it is joined");
    drop(asked);
    assert_eq!(joined.reader.head().await, Err(Problem::fault()));
    assert!(shared.joins.join_or_begin(&likeness, &new, None, now).unwrap().is_none(), "asked again it runs");
    world.stop().await;
}
