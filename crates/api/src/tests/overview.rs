//! The overview: what it shows, to whom, and how a page follows it.
use super::world::{PATIENCE, Person, World, call, catalogue, get, post};
use crate::Sight;
use axum::http::Response;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use sycee_core::ids::Time;
use sycee_core::limits::SECOND;

/// Asks until what is answered is as wanted.
async fn until(world: &World, person: &Person, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let overview = world.ok(get("/overview").by(person)).await;
        if wanted(&overview) {
            return overview;
        }
        assert!(Instant::now() < deadline, "{overview}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overview_shows_what_was_just_written() {
    let world = World::new().await;
    let quiet = world.ok(get("/overview").by(&world.operator)).await;
    assert_eq!((&quiet["tokens_per_s"], &quiet["money_per_s"]), (&json!(0.0), &json!("0.000000000")));
    assert_eq!(quiet["sites"][0]["joules_per_token"], Value::Null);
    let hold = world.authorise(&world.ada).await;
    let id = world.buy(&world.ada, 1_000, 500).await;
    let shown = world.send(get("/overview").by(&world.operator)).await;
    assert_eq!(shown.json["receipts"][0]["id"], id);
    assert_eq!(shown.json["open_holds"], 1, "that of {hold}");
    assert!(shown.json["position"].as_u64().unwrap() >= shown.position());
    assert_eq!((&shown.json["durable_lag_ms"], &shown.json["healthy"]), (&json!(0), &json!(true)));
    let names: Vec<&str> =
        shown.json["sites"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["West", "East"], "from west to east");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_shown_as_the_gateway_sees_it() {
    let world = World::new().await;
    let shown = async |state: &str| {
        let is_so = |it: &Value| it["sites"][1]["state"] == state;
        let overview = until(&world, &world.operator, is_so).await;
        assert_eq!(overview["sites"][0]["state"], "healthy", "the other one");
        let east = &overview["sites"][1];
        assert_eq!(east["healthy"], state == "healthy");
        east["failing_since"].clone()
    };
    let see = |sight| world.sights.lock().unwrap().insert("East", sight);
    assert_eq!(shown("healthy").await, Value::Null);
    see(Sight::Failing { since: Time(1_790_000_000 * SECOND) });
    assert_eq!(shown("degraded").await, "2026-09-21T14:13:20Z");
    see(Sight::Unconfigured);
    assert_eq!(shown("unconfigured").await, Value::Null);
    see(Sight::Serves);
    assert_eq!(shown("healthy").await, Value::Null);
    see(Sight::Failing { since: Time(SECOND) });
    let mut west_only = catalogue();
    for kind in ["site", "offer"] {
        west_only[kind].as_array_mut().unwrap().pop();
    }
    world.ok(post("/catalog/apply?reason=test", west_only).by(&world.operator)).await;
    assert_eq!(shown("withdrawn").await, Value::Null, "nobody looks at offers that are closed");
}

/// Tokens and money are of the same ten whole seconds, and a minute's flows are of the same minute as its energy.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_money_are_counted_over_the_same_seconds() {
    let world = World::new().await;
    world.buy(&world.ada, 1_000, 500).await;
    let counted = until(&world, &world.operator, |it| it["tokens_per_s"] != json!(0.0)).await;
    assert_eq!((&counted["tokens_per_s"], &counted["money_per_s"]), (&json!(150.0), &json!("0.000450000")));
    let west = &counted["sites"][0];
    assert_eq!((&west["tokens_per_s"], &west["price_output"]), (&json!(150.0), &json!("7.000000000")));
    assert_eq!(west["joules_per_token"], json!(1_100.0 / 1_500.0));
    assert_eq!(west["load"].as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).sum::<u64>(), 1_500);
    assert_eq!(counted["sites"][1]["tokens_per_s"], json!(0.0));
    assert_eq!(counted["flows"][0]["tokens_per_min"], 1_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_other_consumers_are_left_out() {
    let world = World::new().await;
    world
        .ok(post("/members", json!({"name": "Cy", "roles": ["consumer"], "reason": "test"}))
            .by(&world.operator))
        .await;
    world.buy(&world.ada, 100, 0).await;
    world.buy(&world.bob, 200, 0).await;
    let flows = |overview: &Value| -> Vec<(Value, u64)> {
        let flow = |it: &Value| (it["consumer"].clone(), it["tokens_per_min"].as_u64().unwrap());
        let mut flows: Vec<_> = overview["flows"].as_array().unwrap().iter().map(flow).collect();
        flows.sort_by_key(|(_, tokens)| *tokens);
        flows
    };
    let complete = |it: &Value| {
        it["flows"].as_array().unwrap().iter().map(|it| it["tokens_per_min"].as_u64().unwrap()).sum::<u64>()
            == 300
    };
    let seen = async |person: &Person| until(&world, person, complete).await;
    for person in [&world.operator, &world.auditor] {
        assert_eq!(flows(&seen(person).await), [(json!("Ada"), 100), (json!("Bob"), 200)]);
    }
    let by_ada = seen(&world.ada).await;
    assert_eq!(flows(&by_ada), [(json!("Ada"), 100), (Value::Null, 200)]);
    let consumers: Vec<&Value> =
        by_ada["receipts"].as_array().unwrap().iter().map(|it| &it["consumer"]).collect();
    assert_eq!(consumers, [&Value::Null, &json!("Ada")]);
    // Those that may not be told apart are one.
    assert_eq!(flows(&seen(&world.provider).await), [(Value::Null, 300)]);
}

/// A page that follows, event by event.
struct Stream {
    response: Response<Incoming>,
    buffer: String,
}

impl Stream {
    async fn open(world: &World, person: &Person) -> Self {
        let response = world.open(get("/overview/events").by(person)).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, buffer: String::new() }
    }

    /// The next event with its id; none if the stream has ended.
    async fn next(&mut self) -> Option<(u64, Value)> {
        loop {
            if let Some((event, rest)) = self.buffer.split_once("\n\n") {
                let field =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                assert_eq!(field("event:"), Some("overview"), "{event}");
                let id = field("id:").unwrap().parse().unwrap();
                let data = serde_json::from_str(field("data:").unwrap()).unwrap();
                self.buffer = rest.to_owned();
                return Some((id, data));
            }
            let frame =
                tokio::time::timeout(PATIENCE, self.response.frame()).await.expect("an event in time");
            let data = frame?.unwrap().into_data().unwrap();
            self.buffer.push_str(std::str::from_utf8(&data).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_follows_sees_the_first_at_once_and_then_what_is_written() {
    let world = World::new().await;
    let mut waited = Vec::new();
    for _ in 0..3 {
        let mut stream = Stream::open(&world, &world.operator).await;
        let started = Instant::now();
        stream.next().await.unwrap();
        waited.push(started.elapsed());
    }
    let least = waited.into_iter().min().unwrap();
    assert!(least < Duration::from_millis(700), "the first does not wait for a beat");
    let mut stream = Stream::open(&world, &world.operator).await;
    let (id, first) = stream.next().await.unwrap();
    assert_eq!(first["position"], id);
    let schema = json!({"$ref": "#/components/schemas/Overview"});
    assert_eq!(super::schema::misfits(&world.document, &schema, &first), [""; 0]);
    let receipt = world.buy(&world.ada, 10, 5).await;
    let mut last = id;
    loop {
        let (id, event) = stream.next().await.unwrap();
        assert!(id >= last, "never back");
        last = id;
        if event["receipts"][0]["id"] == json!(receipt) {
            break;
        }
    }
    // Nothing is written, and still the page hears that it is alive.
    stream.next().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_come_at_most_four_times_a_second_to_any_number_of_pages() {
    let world = World::new().await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(Stream::open(&world, &world.operator).await);
    }
    let started = Instant::now();
    for _ in 0..6 {
        world.buy(&world.ada, 1, 1).await;
        for stream in &mut streams {
            stream.next().await.unwrap();
        }
    }
    assert!(started.elapsed() >= Duration::from_millis(250) * 5, "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_member_is_suspended_or_its_key_revoked() {
    let world = World::new().await;
    let (mut of_bob, mut of_ada) =
        (Stream::open(&world, &world.bob).await, Stream::open(&world, &world.ada).await);
    of_bob.next().await.unwrap();
    of_ada.next().await.unwrap();
    let standing = json!({"standing": "suspended", "reason": "test"});
    world.ok(post(&format!("/members/{}/standing", world.bob.member), standing).by(&world.operator)).await;
    world
        .ok(call("DELETE", &format!("/keys/{}", world.ada.key_id))
            .json(json!({"reason": "test"}))
            .by(&world.operator))
        .await;
    for stream in [&mut of_bob, &mut of_ada] {
        let mut events = 0;
        while stream.next().await.is_some() {
            events += 1;
            assert!(events < 3, "it goes on");
        }
    }
}

#[test]
fn pages_that_follow_are_bounded_and_make_room_when_they_leave() {
    let board = crate::overview::Board::default();
    let mut watchers: Vec<_> = (0..crate::overview::WATCHERS_MAX).map(|_| board.admit().unwrap()).collect();
    assert!(board.admit().is_none());
    watchers.pop();
    let again = board.admit();
    assert!(again.is_some());
    assert!(board.admit().is_none());
}
