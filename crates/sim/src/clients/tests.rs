//! The population against a simulated provider: what clients wrote down is what the provider really did.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::Instant as TokioInstant;

use super::arrivals::Arrivals;
use super::{Consumer, Endpoint, Mix, Population, PopulationConfig, Record};
use crate::draw::Draw;
use crate::error::ErrorKind;
use crate::provider::{Behaviour, Outcome, Provider, ProviderConfig, SeenRequest};

/// A folder of its own for each test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sycee-sim-{test}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        Self(path)
    }

    fn records(&self) -> Vec<Record> {
        let files = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let text: String = files.map(|file| std::fs::read_to_string(file).unwrap()).collect();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

async fn provider() -> Provider {
    let behaviour = Behaviour::instant();
    let config = ProviderConfig { api_key: Some("key".to_owned()), behaviour, ..ProviderConfig::default() };
    Provider::bind(config).await.unwrap()
}

fn config(provider: &Provider, folder: &Folder) -> PopulationConfig {
    let consumer = |name: &str| Consumer { name: name.to_owned(), key: "key".to_owned() };
    let consumers = ["north", "south", "east"].map(consumer).to_vec();
    let chat_models = vec!["sycee-docs-1".to_owned()];
    let mut config = PopulationConfig::new(provider.base_url(), consumers, chat_models, folder.0.clone());
    config.embedding_models = vec!["sycee-embed-1".to_owned()];
    config.requests_per_second = 2_000.0;
    config.mix.cancels = 0.2;
    config.requests_max = Some(40);
    config
}

fn seen_by_id(provider: &Provider) -> BTreeMap<String, SeenRequest> {
    provider.requests().into_iter().map(|seen| (seen.request_id.clone().unwrap(), seen)).collect()
}

#[tokio::test]
async fn clients_know_what_the_provider_did() {
    let (provider, folder) = (provider().await, Folder::new("known"));
    let recorded = Population::start(config(&provider, &folder)).unwrap().finished().await.unwrap();
    let (records, seen) = (folder.records(), seen_by_id(&provider));
    assert_eq!((recorded, records.len(), seen.len()), (120, 120, 120));
    let mut kinds = BTreeMap::new();
    for record in &records {
        let truth = &seen[&record.request_id];
        assert_eq!((record.status, &record.error), (Some(200), &None), "{record:?}");
        assert_eq!(record.counted_prompt_tokens, truth.prompt_tokens, "{record:?}");
        assert_eq!((record.stream, record.asked_usage), (truth.stream, truth.include_usage));
        assert_eq!(record.max_tokens.map(|most| most as u64), truth.max_tokens);
        if record.cancelled {
            assert!(record.counted_completion_tokens <= truth.generated_tokens, "{record:?} {truth:?}");
        } else {
            assert_eq!(record.counted_completion_tokens, truth.generated_tokens, "{record:?}");
            assert_eq!(record.finish.is_some(), record.endpoint == Endpoint::Chat);
        }
        let told = !record.stream || (record.asked_usage && !record.cancelled);
        assert!(record.usage.is_some() == told || record.cancelled, "{record:?}");
        if let (Some(usage), Endpoint::Chat) = (&record.usage, record.endpoint) {
            assert_eq!(usage["completion_tokens"], truth.generated_tokens);
        }
        assert!(record.started_at_ms <= record.ended_at_ms);
        *kinds.entry((record.endpoint as u8, record.stream, record.cancelled)).or_insert(0) += 1;
    }
    assert_eq!(kinds.len(), 4, "embeddings, plain, streams and broken-off streams: {kinds:?}");
}

#[tokio::test]
async fn a_population_repeats_itself_by_its_seed() {
    let ask = async |seed: u64, test: &str| {
        let (provider, folder) = (provider().await, Folder::new(test));
        let population = PopulationConfig { seed, ..config(&provider, &folder) };
        Population::start(population).unwrap().finished().await.unwrap();
        let bodies = seen_by_id(&provider).into_iter().map(|(id, seen)| (id, seen.body_sha256));
        bodies.collect::<Vec<_>>()
    };
    let first = ask(1, "repeat-1").await;
    assert_eq!(first, ask(1, "repeat-2").await);
    assert_ne!(first, ask(2, "repeat-3").await);
}

#[tokio::test]
async fn stopping_breaks_off_and_still_writes_down() {
    let (provider, folder) = (provider().await, Folder::new("stop"));
    provider.change_behaviour(&json!({"stall_after_tokens": 3})).unwrap();
    let mix = Mix { streams: 1.0, embeddings: 0.0, cancels: 0.0, ..Mix::default() };
    let population = PopulationConfig { concurrency_max: 7, mix, ..config(&provider, &folder) };
    let running = Population::start(population).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while provider.requests().iter().filter(|seen| seen.chunks == 3).count() < 7 {
        assert!(Instant::now() < deadline, "{:?}", provider.requests());
        tokio::task::yield_now().await;
    }
    assert_eq!(running.stop().await.unwrap(), 7, "no more than may be open at one time");
    for record in folder.records() {
        assert!(record.cancelled && record.error.is_none() && record.finish.is_none(), "{record:?}");
    }
    while !provider.requests().iter().all(|seen| seen.outcome == Outcome::Cancelled) {
        assert!(Instant::now() < deadline, "{:?}", provider.requests());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn failures_are_written_down_as_they_were_told() {
    for (patch, status, error) in [
        (json!({"fail": {"status": 503, "fraction": 1}}), Some(503), "server_error"),
        (json!({"error_after_tokens": 0, "reply_tokens": 9}), Some(200), "simulated_failure"),
        (json!({"cut_after_tokens": 1}), Some(200), "error reading a body from connection"),
        (json!({"malformed_after_tokens": 1}), Some(200), "EOF while parsing a string"),
        (json!({"hang": true}), None, "client_timeout"),
    ] {
        let (provider, folder) = (provider().await, Folder::new("failures"));
        provider.change_behaviour(&patch).unwrap();
        let mut population = config(&provider, &folder);
        population.mix = Mix { streams: 1.0, embeddings: 0.0, cancels: 0.0, ..Mix::default() };
        population.requests_max = Some(1);
        population.timeout_ms = if status.is_none() { 50 } else { 20_000 };
        Population::start(population).unwrap().finished().await.unwrap();
        for record in folder.records() {
            assert_eq!(record.status, status, "{patch}: {record:?}");
            assert!(record.error.as_deref().is_some_and(|told| told.contains(error)), "{patch}: {record:?}");
            assert!(!record.cancelled);
        }
    }
}

#[test]
fn arrivals_keep_their_rate() {
    let consumer = Consumer { name: "one".to_owned(), key: String::new() };
    let mut config = PopulationConfig::new(String::new(), vec![consumer], Vec::new(), PathBuf::new());
    config.requests_per_second = 10.0;
    let begun = TokioInstant::now();
    let mut arrivals = Arrivals::start(&config, begun);
    let mut draw = Draw::from(&[b"arrivals"]);
    let last = (0..24_000).map(|_| arrivals.next(&mut draw)).last().unwrap();
    let seconds = (last - begun).as_secs();
    assert!((2_300..2_500).contains(&seconds), "24,000 at 10 a second: {seconds} s");
}

#[test]
fn a_population_that_cannot_be_is_refused() {
    let consumer = |name: &str| Consumer { name: name.to_owned(), key: "secret".to_owned() };
    let good = PopulationConfig::new(
        "http://127.0.0.1:1/v1".to_owned(),
        vec![consumer("a")],
        vec!["m".to_owned()],
        PathBuf::from("/nowhere"),
    );
    assert!(good.check().is_ok_and(|base| base.port_u16() == Some(1)));
    assert!(!format!("{good:?}").contains("secret"), "keys are never printed");
    let mix = Mix::default();
    for (wrong, word) in [
        (PopulationConfig { base_url: "https://x/v1".to_owned(), ..good.clone() }, "base_url"),
        (PopulationConfig { base_url: "/v1".to_owned(), ..good.clone() }, "base_url"),
        (PopulationConfig { consumers: Vec::new(), ..good.clone() }, "consumers"),
        (PopulationConfig { consumers: vec![consumer("a"), consumer("a")], ..good.clone() }, "one name"),
        (PopulationConfig { consumers: vec![consumer("../a")], ..good.clone() }, "letters"),
        (PopulationConfig { chat_models: Vec::new(), ..good.clone() }, "chat model"),
        (PopulationConfig { requests_per_second: 0.0, ..good.clone() }, "requests_per_second"),
        (PopulationConfig { requests_per_second: f64::NAN, ..good.clone() }, "requests_per_second"),
        (PopulationConfig { concurrency_max: 0, ..good.clone() }, "concurrency_max"),
        (PopulationConfig { timeout_ms: 0, ..good.clone() }, "timeout_ms"),
        (PopulationConfig { mix: Mix { streams: 1.1, ..mix }, ..good.clone() }, "share"),
        (PopulationConfig { mix: Mix { prompt_words_median: 0.0, ..mix }, ..good.clone() }, "median"),
        (PopulationConfig { mix: Mix { prompt_words_spread: 9.0, ..mix }, ..good.clone() }, "spread"),
        (PopulationConfig { mix: Mix { max_tokens_most: 3, ..mix }, ..good.clone() }, "max_tokens_most"),
    ] {
        let error = Population::start(wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(word), "{error}");
    }
    let file = PopulationConfig { log_folder: PathBuf::from("/dev/null/x"), ..good };
    assert_eq!(Population::start(file).unwrap_err().kind(), ErrorKind::Log);
}
