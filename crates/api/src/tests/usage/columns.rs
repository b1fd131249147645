//! The binary form: what the page on it says, against what is taken.
use super::{events, meter, report, source, used, written};
use crate::tests::world::{Call, Person, World, call, post};
use proptest::collection::{btree_map, vec};
use proptest::prelude::{Strategy, any};
use proptest::prop_oneof;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use sycee_core::buckets::{Bucket, Buckets};
use sycee_core::ids::{Handle, SourceId, Time};
use sycee_core::limits::{HOUR, SECOND};
use sycee_core::metering::{Batch, Line};

const COLUMNS: &str = "application/vnd.sycee.usage+cbor";
const PAGE: &str = include_str!("../../../../../docs/reference/usage.md");

/// The example's bytes: hexadecimal digits up to a comment.
fn example() -> Vec<u8> {
    let (_, rest) = PAGE.split_once("```hex\n").unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let digits: String = block.lines().flat_map(|line| line.split('#').next().unwrap().split(' ')).collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[test]
fn the_example_of_the_page_is_what_it_says() {
    let batch = Batch::decode_exact(&example()).unwrap();
    assert_eq!(batch.source.to_string(), "src_019a9f3c5e7b7c41a2d30f6b8e9d1c27");
    assert_eq!((batch.first, written(batch.base).as_str()), (7, "2026-11-20T09:30:00Z"));
    let usage = Buckets::default();
    let wanted = [
        Line {
            key: Handle(3),
            offer: Handle(0),
            start_milliseconds: 250,
            duration_milliseconds: 4_100,
            microjoules: 655_200_000,
            usage: usage.with(Bucket::InputUncached, 1_200).with(Bucket::OutputVisible, 340),
        },
        Line {
            key: Handle(70_000),
            offer: Handle(1),
            start_milliseconds: 0,
            duration_milliseconds: 900,
            microjoules: 0,
            usage: usage.with(Bucket::CacheRead, 5),
        },
    ];
    assert_eq!(batch.lines.iter().collect::<Vec<_>>(), wanted);
    let written = write(batch.source, batch.first, batch.base, &wanted);
    assert_eq!(written, example(), "the writer below does what the page says");
}

/// A report as the page says how one is written, by no code of the platform.
fn write(source: SourceId, first: u64, base: Time, lines: &[Line]) -> Vec<u8> {
    let mut bytes = vec![0x84, 0xc2, 0x50];
    bytes.extend(source.0.to_be_bytes());
    bytes.extend(head(0, first));
    bytes.extend(head(0, base.0));
    bytes.push(0x87);
    let present = |line: &Line| -> u16 {
        line.usage.0.iter().enumerate().map(|(bit, tokens)| u16::from(*tokens > 0) << bit).sum()
    };
    let tokens = lines.iter().flat_map(|line| line.usage.0).filter(|tokens| *tokens > 0);
    let columns: [Vec<u8>; 7] = [
        lines.iter().flat_map(|line| line.key.0.to_le_bytes()).collect(),
        lines.iter().flat_map(|line| line.offer.0.to_le_bytes()).collect(),
        lines.iter().flat_map(|line| line.start_milliseconds.to_le_bytes()).collect(),
        lines.iter().flat_map(|line| line.duration_milliseconds.to_le_bytes()).collect(),
        lines.iter().flat_map(|line| line.microjoules.to_le_bytes()).collect(),
        lines.iter().flat_map(|line| present(line).to_le_bytes()).collect(),
        tokens.flat_map(|tokens| u32::try_from(tokens).unwrap().to_le_bytes()).collect(),
    ];
    for column in columns {
        bytes.extend(head(2, column.len() as u64));
        bytes.extend(column);
    }
    bytes
}

/// The head of a CBOR item, as short as it can be.
fn head(kind: u8, number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let (more, from) = match number {
        0..=23 => return vec![kind << 5 | bytes[7]],
        24..=0xff => (24, 7),
        0x100..=0xffff => (25, 6),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 0),
    };
    [&[kind << 5 | more], &bytes[from..]].concat()
}

fn columns(bytes: Vec<u8>) -> Call {
    call("POST", "/usage").bytes(COLUMNS, bytes)
}

/// A line before it is written either way: whose key and which offer, by index, where the last of each is none.
#[derive(Clone, Debug)]
struct Draft {
    key: usize,
    offer: usize,
    /// Nanoseconds; those beyond the millisecond are there to be cut off.
    start: Time,
    duration: u32,
    microjoules: u64,
    usage: BTreeMap<usize, u32>,
}

fn drafts(now: Time) -> impl Strategy<Value = Vec<Draft>> {
    let soon = (0..290 * SECOND).prop_map(move |ahead| now.after(ahead));
    let ahead = (600 * SECOND..HOUR).prop_map(move |ahead| now.after(ahead));
    let early = (73 * HOUR..1_000 * HOUR).prop_map(move |ago| now.before(ago));
    let start = prop_oneof![8 => soon, 1 => ahead, 1 => early];
    let usage = btree_map(0..10_usize, 1_u32..50, 0..4);
    let line = (0..4_usize, 0..3_usize, start, any::<u32>(), 0..1_u64 << 50, usage);
    let line = line.prop_map(|(key, offer, start, duration, microjoules, usage)| Draft {
        key,
        offer,
        start,
        duration,
        microjoules,
        usage,
    });
    vec(line, 1..40)
}

/// A consumer who cannot pay anything.
async fn poor(world: &World) -> Person {
    let draft = json!({"name": "Cy", "roles": ["consumer"], "reason": "test"});
    let member = world.ok(post("/members", draft).by(&world.operator)).await["id"].clone();
    let draft = json!({"member": member, "name": "main", "asset": "CNY", "reason": "test"});
    world.ok(post("/accounts", draft).by(&world.operator)).await;
    world.person("Cy").await
}

/// What both forms are made from.
struct Market {
    mia: Person,
    sources: [SourceId; 2],
    keys: Vec<(String, Handle)>,
    offers: Vec<(String, Handle)>,
}

impl Market {
    async fn new(world: &World) -> Self {
        let mia = meter(world, "Mia").await;
        let mut sources = Vec::new();
        for name in ["events", "columns"] {
            sources.push(source(world, &mia, name, None).await.parse().unwrap());
        }
        let mut keys = vec![world.ada.key_id.clone(), world.bob.key_id.clone(), poor(world).await.key_id];
        let mut offers = ["West", "East"].map(|site| world.offer_at(site).to_string()).to_vec();
        let told = world.ok(post("/usage/handles", json!({"keys": keys, "offers": offers})).by(&mia)).await;
        let handles = |of: &str| -> Vec<Handle> {
            let handle = |it: &Value| Handle(u32::try_from(it.as_u64().unwrap()).unwrap());
            told[of].as_array().unwrap().iter().map(handle).chain([Handle(u32::MAX)]).collect()
        };
        keys.push("key_nobody".to_owned());
        offers.push("off_nowhere".to_owned());
        let (keys, offers) =
            (keys.into_iter().zip(handles("keys")), offers.into_iter().zip(handles("offers")));
        Self { mia, sources: sources.try_into().unwrap(), keys: keys.collect(), offers: offers.collect() }
    }

    fn as_events(&self, source: &str, first: u64, drafts: &[Draft]) -> Call {
        let line = |draft: &Draft| {
            let usage: BTreeMap<&str, u32> =
                draft.usage.iter().map(|(bucket, tokens)| (Bucket::ALL[*bucket].name(), *tokens)).collect();
            #[expect(clippy::cast_precision_loss, reason = "less than 2^53")]
            let joules = draft.microjoules as f64 / 1e6;
            json!({"key": self.keys[draft.key].0, "offer": self.offers[draft.offer].0, "usage": usage,
                "start": written(draft.start), "duration_ms": draft.duration, "joules": joules})
        };
        let lines: Vec<Value> = drafts.iter().map(line).collect();
        report(events(source, first, &lines)).by(&self.mia)
    }

    fn as_columns(&self, source: SourceId, first: u64, drafts: &[Draft]) -> Call {
        let milliseconds = |draft: &Draft| draft.start.0 / 1_000_000;
        let base = drafts.iter().map(milliseconds).min().unwrap();
        let line = |draft: &Draft| {
            let mut usage = Buckets::default();
            for (bucket, tokens) in &draft.usage {
                usage.set(Bucket::ALL[*bucket], (*tokens).into());
            }
            Line {
                key: self.keys[draft.key].1,
                offer: self.offers[draft.offer].1,
                start_milliseconds: u32::try_from(milliseconds(draft) - base).unwrap(),
                duration_milliseconds: draft.duration,
                microjoules: draft.microjoules,
                usage,
            }
        };
        let lines: Vec<Line> = drafts.iter().map(line).collect();
        columns(write(source, first, Time(base * 1_000_000), &lines)).by(&self.mia)
    }
}

/// The outcome is the same, and since a batch is known again by the hash of all it says, each form is told that the other was
/// counted before.
#[test]
fn events_and_columns_are_the_same_report() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::new());
    let market = runtime.block_on(Market::new(&world));
    let [by_events, by_columns] = market.sources;
    let next = std::sync::atomic::AtomicU64::new(0);
    let both = async |drafts: Vec<Draft>| {
        let lines = drafts.len() as u64;
        let first = next.fetch_add(lines, std::sync::atomic::Ordering::Relaxed);
        let mut told = Vec::new();
        for call in
            [market.as_events("events", first, &drafts), market.as_columns(by_columns, first, &drafts)]
        {
            let mut answer = world.ok(call).await;
            answer["position"].take();
            told.push(answer);
        }
        assert_eq!(told[0], told[1]);
        for call in
            [market.as_columns(by_events, first, &drafts), market.as_events("columns", first, &drafts)]
        {
            let again = world.ok(call).await;
            assert_eq!((&again["duplicates"], &again["position"]), (&json!(lines), &json!(null)));
        }
    };
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    runner
        .run(&drafts(world.handle.now()), |drafts| {
            runtime.block_on(both(drafts));
            Ok(())
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_report_are_refused() {
    let world = World::new().await;
    let market = Market::new(&world).await;
    let [source, _] = market.sources;
    let line = Line {
        key: market.keys[0].1,
        offer: market.offers[0].1,
        start_milliseconds: 0,
        duration_milliseconds: 1,
        microjoules: 1,
        usage: Buckets::default().with(Bucket::OutputVisible, 500),
    };
    let good = write(source, 0, world.handle.now(), &[line]);
    let before = world.handle.views().state.position;
    for end in 0..good.len() {
        assert_eq!(
            world.no(400, columns(good[..end].to_vec()).by(&market.mia)).await["code"],
            "api.bad_body"
        );
    }
    let tokens = good.len() - 4;
    let mut wrong = vec![[good.as_slice(), &[0]].concat()];
    for (at, byte) in [(0, 0x85), (1, 0xc3), (tokens - 1, 0x45), (tokens - 2, 0x04), (tokens - 3, 0)] {
        let mut bytes = good.clone();
        assert_ne!(bytes[at], byte);
        bytes[at] = byte;
        wrong.push(bytes);
    }
    let mut nothing_there = good.clone();
    nothing_there[tokens..].fill(0);
    wrong.push(nothing_there);
    // A number that is longer than it has to be.
    wrong.push([&good[..19], &[0x18, 0x00], &good[20..]].concat());
    for bytes in wrong {
        let refused = world.no(400, columns(bytes.clone()).by(&market.mia)).await;
        assert_eq!(refused["code"], "api.bad_body", "{bytes:02x?}");
    }
    assert_eq!(world.handle.views().state.position, before);
    for version in ["2", "1.1", ""] {
        let call = call("POST", "/usage").bytes(&format!("{COLUMNS}; version={version}"), good.clone());
        world.no(415, call.by(&market.mia)).await;
    }
    let call = call("POST", "/usage").bytes(&format!("{COLUMNS}; version=1"), good.clone());
    assert_eq!(world.ok(call.by(&market.mia)).await["accepted"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_in_columns_is_refused_like_one_of_events() {
    let world = World::new().await;
    let market = Market::new(&world).await;
    let max = meter(&world, "Max").await;
    let none = write(market.sources[0], 0, world.handle.now(), &[]);
    assert_eq!(world.no(422, columns(none).by(&market.mia)).await["code"], "metering.out_of_range");
    let line = used(&world, &world.ada);
    world.ok(report(events("events", 0, &[line])).by(&market.mia)).await;
    let nothing = Line {
        key: Handle(0),
        offer: Handle(0),
        start_milliseconds: 0,
        duration_milliseconds: 0,
        microjoules: 0,
        usage: Buckets::default(),
    };
    let gap = world
        .no(409, columns(write(market.sources[0], 2, world.handle.now(), &[nothing])).by(&market.mia))
        .await;
    assert_eq!((&gap["code"], &gap["expected"]), (&json!("metering.gap"), &json!(1)));
    let other = columns(write(market.sources[0], 0, world.handle.now(), &[nothing]));
    assert_eq!(world.no(409, other.by(&market.mia)).await["code"], "metering.other_content");
    for (source, person) in [(market.sources[0], &max), (SourceId(u128::MAX), &market.mia)] {
        let refused =
            world.no(404, columns(write(source, 0, world.handle.now(), &[nothing])).by(person)).await;
        assert_eq!(refused["code"], "metering.source_not_found");
    }
}
