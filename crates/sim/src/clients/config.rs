//! Who the simulated clients are and what they do.

use std::fmt;
use std::path::PathBuf;

use hyper::Uri;

use super::base_of;
use crate::error::{Error, ErrorKind};

/// Configuration of a population.
#[derive(Clone, Debug)]
pub struct PopulationConfig {
    /// Where the gateway is: `http://127.0.0.1:7720/v1`. Plain HTTP only.
    pub base_url: String,
    pub consumers: Vec<Consumer>,
    pub chat_models: Vec<String>,
    /// Without any, nobody asks for embeddings.
    pub embedding_models: Vec<String>,
    /// Each consumer's log is `<name>.jsonl` in this folder, which is made if it is missing.
    pub log_folder: PathBuf,
    pub seed: u64,
    /// Mean of all consumers together.
    pub requests_per_second: f64,
    pub mix: Mix,
    /// Requests open at one time, of all consumers together.
    pub concurrency_max: usize,
    /// After so many requests a consumer is done; without it, never.
    pub requests_max: Option<u64>,
    /// A request that takes longer is given up.
    pub timeout_ms: u64,
}

/// One simulated consumer.
#[derive(Clone)]
pub struct Consumer {
    /// Letters, digits, `-` and `_`; names the log file.
    pub name: String,
    /// The key it calls with. Never printed.
    pub key: String,
}

/// Shares of the requests, each from 0 to 1, and how long prompts are.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Of all requests.
    pub embeddings: f64,
    /// Of the chat requests.
    pub streams: f64,
    /// Of the prompts.
    pub chinese: f64,
    /// Of the streams, those that ask for usage.
    pub asks_usage: f64,
    /// Of the streams, those whose client leaves before the end.
    pub cancels: f64,
    /// Median number of words in a prompt; a Chinese character counts as half a word.
    pub prompt_words_median: f64,
    /// Standard deviation of the logarithm of the number of words.
    pub prompt_words_spread: f64,
    /// The largest `max_tokens` that is asked for; the smallest is 16.
    pub max_tokens_most: usize,
}

const CONSUMERS_MAX: usize = 10_000;
const CONCURRENCY_MAX: usize = 10_000;
const RATE_MAX: f64 = 100_000.0;
const PROMPT_WORDS_MEDIAN_MAX: f64 = 10_000.0;

impl Default for Mix {
    fn default() -> Self {
        Self {
            embeddings: 0.15,
            streams: 0.7,
            chinese: 0.5,
            asks_usage: 0.6,
            cancels: 0.05,
            prompt_words_median: 60.0,
            prompt_words_spread: 0.9,
            max_tokens_most: 600,
        }
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Consumer").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PopulationConfig {
    /// A population with everything else at its default.
    pub fn new(
        base_url: String,
        consumers: Vec<Consumer>,
        chat_models: Vec<String>,
        log_folder: PathBuf,
    ) -> Self {
        Self {
            base_url,
            consumers,
            chat_models,
            embedding_models: Vec::new(),
            log_folder,
            seed: 1,
            requests_per_second: 4.0,
            mix: Mix::default(),
            concurrency_max: 32,
            requests_max: None,
            timeout_ms: 120_000,
        }
    }

    /// Refuses what cannot be, and gives the base address in its parts.
    pub(super) fn check(&self) -> Result<Uri, Error> {
        let refused = |what: &str| {
            Error::new(
                ErrorKind::Configuration,
                format!("accept the configuration of the simulated clients: {what}"),
            )
        };
        let Mix { embeddings, streams, chinese, asks_usage, cancels, .. } = self.mix;
        let shares = [embeddings, streams, chinese, asks_usage, cancels];
        let fits_a_file = |name: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=64).contains(&name.len()) && name.bytes().all(plain)
        };
        let mut names: Vec<_> = self.consumers.iter().map(|consumer| &consumer.name).collect();
        names.sort();
        names.dedup();
        let wrong = if !(1..=CONSUMERS_MAX).contains(&self.consumers.len()) {
            "it needs 1 to 10000 consumers"
        } else if names.len() < self.consumers.len() {
            "two consumers have one name"
        } else if !names.iter().all(|name| fits_a_file(name)) {
            "a consumer's name takes 1 to 64 letters, digits, - and _"
        } else if self.chat_models.is_empty() {
            "it needs a chat model"
        } else if !(self.requests_per_second > 0.0 && self.requests_per_second <= RATE_MAX) {
            "requests_per_second must be above 0 and at most 100000"
        } else if !(1..=CONCURRENCY_MAX).contains(&self.concurrency_max) {
            "concurrency_max must be between 1 and 10000"
        } else if self.timeout_ms == 0 {
            "timeout_ms must be at least 1"
        } else if !shares.iter().all(|share| (0.0..=1.0).contains(share)) {
            "each share of the mix must be between 0 and 1"
        } else if !(1.0..=PROMPT_WORDS_MEDIAN_MAX).contains(&self.mix.prompt_words_median) {
            "mix.prompt_words_median must be between 1 and 10000"
        } else if !(0.0..=3.0).contains(&self.mix.prompt_words_spread) {
            "mix.prompt_words_spread must be between 0 and 3"
        } else if self.mix.max_tokens_most < 16 {
            "mix.max_tokens_most must be at least 16"
        } else {
            return base_of(&self.base_url)
                .ok_or_else(|| refused("base_url must be like http://127.0.0.1:7720/v1"));
        };
        Err(refused(wrong))
    }
}
