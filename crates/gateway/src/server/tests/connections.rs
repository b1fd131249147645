//! Clients that take their time, on sockets of their own.
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::server::world::{Answer, CREDIT, World};

const SHORT: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(20);
const DRIBBLE: Duration = Duration::from_millis(20);

struct Client(TcpStream);

impl Client {
    async fn connect(world: &World) -> Self {
        Self(TcpStream::connect(world.address).await.unwrap())
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// One whole answer, which says how long it is.
    async fn answer(&mut self) -> String {
        let mut answer = String::new();
        let is_whole = |answer: &str| {
            let (head, body) = answer.split_once("\r\n\r\n")?;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
            (body.len() == length.parse::<usize>().unwrap()).then_some(())
        };
        while is_whole(&answer).is_none() {
            let mut bytes = [0; 4096];
            let length = timeout(PATIENCE, self.0.read(&mut bytes)).await.unwrap().unwrap();
            assert!(length > 0, "the connection ended: {answer}");
            answer.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        }
        answer
    }

    /// Everything until the server ends the connection, while a letter is sent now and then, or nothing.
    async fn rest(&mut self, dribble: Option<&str>) -> String {
        let (mut rest, mut tick) = (Vec::new(), tokio::time::interval(DRIBBLE));
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            tokio::select! {
                read = self.0.read_buf(&mut rest) => match read {
                    Ok(0) | Err(_) => return String::from_utf8(rest).unwrap(),
                    Ok(_) => {}
                },
                _ = tick.tick() => if let Some(letter) = dribble {
                    // An end shows when it is read.
                    drop(self.0.write_all(letter.as_bytes()).await);
                },
            }
        }
        panic!("the connection does not end");
    }
}

fn is_too_many(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n")
        && answer.contains("retry-after: 1\r\n")
        && answer.contains("\"code\":\"too_many_connections\"")
}

fn is_late(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 408 Request Timeout\r\n")
        && answer.to_lowercase().contains("connection: close\r\n")
        && answer.contains("\"code\":\"request_timeout\"")
        && answer.ends_with("}}")
}

fn head(key: &str, length: usize) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

fn models(key: &str) -> String {
    format!("GET /v1/models HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {key}\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_has_its_time_and_no_more() {
    let world = World::start_with("head", |options| options.timeouts.head = SHORT).await;
    let mut silent = Client::connect(&world).await;
    let mut slow = Client::connect(&world).await;
    slow.send("GET /v1/models HTTP/1.1\r\nx-slow: ").await;
    assert_eq!(silent.rest(None).await, "");
    let answer = slow.rest(Some("x")).await;
    assert!(is_late(&answer), "{answer}");
    let metrics = world.gateway.metrics_text();
    assert!(metrics.contains("connections_timed_out_total 2"), "{metrics}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_has_to_keep_coming_and_to_come_to_its_end() {
    let change = |options: &mut crate::Options| {
        (options.timeouts.body_idle, options.timeouts.body) = (SHORT, SHORT * 4);
    };
    let world = World::start_with("body", change).await;
    let consumer = world.consumer(CREDIT).await;
    for dribble in [None, Some(" ")] {
        let mut slow = Client::connect(&world).await;
        slow.send(&head(&consumer.key, 10_000)).await;
        slow.send("{").await;
        let began = Instant::now();
        let answer = slow.rest(dribble).await;
        assert!(is_late(&answer) && answer.contains("x-request-id: req_"), "{answer}");
        let least = if dribble.is_some() { SHORT * 4 } else { SHORT };
        assert!(began.elapsed() >= least, "{:?} are too short", began.elapsed());
    }
    let body = json!({"model": "docs-1", "messages": [{"role": "user", "content": "Hi"}]}).to_string();
    let mut steady = Client::connect(&world).await;
    steady.send(&head(&consumer.key, body.len() + 50)).await;
    // Longer than a pause may be, and no pause is as long.
    let mut tick = tokio::time::interval(DRIBBLE);
    for _ in 0..50 {
        tick.tick().await;
        steady.send(" ").await;
    }
    steady.send(&body).await;
    let answer = steady.answer().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let metrics = world.gateway.metrics_text();
    assert!(metrics.contains("refusals_total{status=\"408\",code=\"request_timeout\"} 2"), "{metrics}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_rests_for_so_long_and_a_further_head_has_its_own_time() {
    let change = |options: &mut crate::Options| {
        (options.timeouts.head, options.timeouts.keep_alive) = (SHORT, SHORT * 4);
    };
    let world = World::start_with("rests", change).await;
    let consumer = world.consumer(CREDIT).await;
    let mut client = Client::connect(&world).await;
    for _ in 0..2 {
        client.send(&models(&consumer.key)).await;
        assert!(client.answer().await.starts_with("HTTP/1.1 200 OK"));
    }
    let began = Instant::now();
    assert_eq!(client.rest(None).await, "");
    assert!(began.elapsed() >= SHORT * 3, "{:?}: more than a head has", began.elapsed());

    let mut client = Client::connect(&world).await;
    client.send(&models(&consumer.key)).await;
    client.answer().await;
    client.send("GET /v1/mod").await;
    let (began, answer) = (Instant::now(), client.rest(Some("x")).await);
    assert!(is_late(&answer), "{answer}");
    assert!(began.elapsed() < SHORT * 4, "{:?}: as long as a rest", began.elapsed());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_may_take_longer_than_a_head_and_a_rest() {
    let change = |options: &mut crate::Options| {
        let short = DRIBBLE;
        let times = &mut options.timeouts;
        (times.head, times.body_idle, times.body, times.keep_alive) = (SHORT, short, short, short);
    };
    let world = World::start_with("longer", change).await;
    let consumer = world.consumer(CREDIT).await;
    world.site.answers(Answer::Blocked);
    let began = Instant::now();
    let running = world.spawn_chat(&consumer, json!({}));
    world.until(|| (began.elapsed() > SHORT * 2).then_some(())).await;
    world.site.answers(Answer::say("late", "stop"));
    assert_eq!(running.await.unwrap().status, 200);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_nothing_is_left() {
    let world = World::start_with("takes", |options| options.timeouts.client_stall = SHORT).await;
    let consumer = world.consumer(CREDIT).await;
    let mut client = Client::connect(&world).await;
    // More answers than the buffers of both ends hold.
    let many = models(&consumer.key).repeat(1_000);
    let flood = async { while client.0.write_all(many.as_bytes()).await.is_ok() {} };
    timeout(PATIENCE, flood).await.expect("the connection ends");
    world
        .until(|| world.gateway.metrics_text().contains("connections_timed_out_total 1").then_some(()))
        .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_dribbles_is_gone_in_time_and_keeps_nobody_waiting() {
    const CROWD: usize = 300;
    let world = World::start_with("crowd", |options| options.timeouts.head = SHORT * 3).await;
    let consumer = world.consumer(CREDIT).await;
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        let mut client = Client::connect(&world).await;
        client.send("POST /v1/chat/completions HTTP/1.1\r\nx-slow: ").await;
        crowd.push(client);
    }
    let all = futures_util::future::join_all(crowd.iter_mut().map(|client| client.rest(Some("x"))));
    let (answers, reply) = tokio::join!(all, world.chat(&consumer, json!({})));
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert!(answers.iter().all(|answer| is_late(answer)), "{answers:?}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_too_many_is_told_so_until_another_ends() {
    for (limits, name) in [((2, 9), "all"), ((9, 2), "address")] {
        let change = |options: &mut crate::Options| {
            let of = &mut options.limits;
            (of.connections_max, of.connections_per_address_max) = limits;
        };
        let world = World::start_with(&format!("too-many-{name}"), change).await;
        let consumer = world.consumer(CREDIT).await;
        let mut clients = Vec::new();
        for _ in 0..2 {
            let mut client = Client::connect(&world).await;
            client.send(&models(&consumer.key)).await;
            assert!(client.answer().await.starts_with("HTTP/1.1 200 OK"));
            clients.push(client);
        }
        let answer = Client::connect(&world).await.rest(None).await;
        assert!(is_too_many(&answer), "{answer}");
        let metrics = world.gateway.metrics_text();
        assert!(metrics.contains("connections_open 2"), "{metrics}");
        assert!(metrics.contains(&format!("connections_refused_total{{limit=\"{name}\"}} 1")), "{metrics}");
        clients.pop();
        world.until(|| world.gateway.metrics_text().contains("connections_open 1").then_some(())).await;
        let mut client = Client::connect(&world).await;
        client.send(&models(&consumer.key)).await;
        assert!(client.answer().await.starts_with("HTTP/1.1 200 OK"));
        drop((client, clients));
        world.stop().await;
    }
}

/// The limit of descriptors is the process's: this test wants one of its own, as `cargo nextest` gives it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_descriptors_the_listener_waits_and_goes_on() {
    let world = World::start("descriptors").await;
    let consumer = world.consumer(CREDIT).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        taken.push(file);
    }
    let began = Instant::now();
    let mut client = Client(socket.connect(world.address).await.unwrap());
    client.send(&models(&consumer.key)).await;
    let failures = || {
        let text = world.gateway.metrics_text();
        let line =
            text.lines().find_map(|line| line.strip_prefix("sycee_gateway_connections_not_accepted_total "));
        line.unwrap().parse::<u128>().unwrap()
    };
    world.until(|| (failures() >= 3).then_some(())).await;
    let tries = failures();
    assert!(tries <= began.elapsed().as_millis() / 100 + 1, "{tries} tries in {:?}", began.elapsed());
    drop(taken);
    assert!(client.answer().await.starts_with("HTTP/1.1 200 OK"), "who waited is served");
    world.stop().await;
}
