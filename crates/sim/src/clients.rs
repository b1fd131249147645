//! A simulated population of clients: consumers with keys that send real requests to a gateway, so that a demo lives.
//!
//! Each consumer comes and goes by itself: arrivals without memory around a mean rate, more by day than by night; a
//! mix of chat, streams and embeddings, in English and Chinese, of log-normal length; some leave in the middle of a
//! stream. Together they never have more than a set number of requests open, and a consumer waits rather than pile up.
//!
//! Each client writes down, in a file of its own, what it knows by itself and nothing else: what it asked, what came
//! back, what it counted. From these files and public prices anyone can recompute what everybody is owed.

mod arrivals;
mod call;
mod config;
mod prompts;
mod record;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use hyper::Uri;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

pub use config::{Consumer, Mix, PopulationConfig};
pub use record::{Endpoint, Record};

use crate::draw::Draw;
use crate::error::{Error, ErrorKind};
use arrivals::Arrivals;
use call::Caller;
use prompts::Ask;
use record::Journal;

/// A running population. Dropping it breaks off every request at once, without a record.
#[derive(Debug)]
pub struct Population {
    stopping: watch::Sender<()>,
    consumers: JoinSet<Result<u64, Error>>,
}

/// What all consumers have in common.
#[derive(Debug)]
struct Crowd {
    config: PopulationConfig,
    caller: Caller,
    open: Arc<Semaphore>,
}

impl Population {
    /// Starts every consumer. Must be called within a tokio runtime.
    pub fn start(config: PopulationConfig) -> Result<Self, Error> {
        let base = config.check()?;
        let (stopping, stopped) = watch::channel(());
        let caller = Caller::new(base, &config);
        let open = Arc::new(Semaphore::new(config.concurrency_max));
        let crowd = Arc::new(Crowd { config, caller, open });
        // Every file is opened before the first request is sent, so a full disk is told at the start.
        let journals = crowd
            .config
            .consumers
            .iter()
            .map(|consumer| Journal::open(&crowd.config.log_folder, &consumer.name));
        let journals: Vec<_> = journals.collect::<Result<_, _>>()?;
        let mut consumers = JoinSet::new();
        for (index, journal) in journals.into_iter().enumerate() {
            consumers.spawn(live(Arc::clone(&crowd), index, journal, stopped.clone()));
        }
        tracing::info!(consumers = consumers.len(), "simulated clients start");
        Ok(Self { stopping, consumers })
    }

    /// Waits until every consumer has sent what it was to send; without a `requests_max` that is never.
    /// Returns how many requests were recorded.
    pub async fn finished(mut self) -> Result<u64, Error> {
        let mut recorded = 0;
        while let Some(ended) = self.consumers.join_next().await {
            let ended =
                ended.map_err(|error| Error::new(ErrorKind::Log, "end a simulated client").because(error))?;
            recorded += ended?;
        }
        Ok(recorded)
    }

    /// Breaks off what is open, records it as cancelled, and ends.
    pub async fn stop(self) -> Result<u64, Error> {
        self.stopping.send_replace(());
        self.finished().await
    }
}

/// One consumer's life.
async fn live(
    crowd: Arc<Crowd>,
    index: usize,
    mut journal: Journal,
    stopped: watch::Receiver<()>,
) -> Result<u64, Error> {
    let consumer = &crowd.config.consumers[index];
    let mut draw = Draw::from(&[b"client", &crowd.config.seed.to_le_bytes(), consumer.name.as_bytes()]);
    let mut arrivals = Arrivals::start(&crowd.config, Instant::now());
    let mut calls = JoinSet::new();
    let mut sent = 0;
    let mut stopping = stopped.clone();
    while crowd.config.requests_max.is_none_or(|most| sent < most) {
        let due = arrivals.next(&mut draw);
        let place = async {
            sleep_until(due).await;
            Arc::clone(&crowd.open).acquire_owned().await
        };
        tokio::pin!(place);
        let place = loop {
            // In this order, so that a place freed by the stop itself is not taken again.
            tokio::select! {
                biased;
                _ = stopping.changed() => break None,
                Some(record) = calls.join_next() => journal.write(record)?,
                place = &mut place => break place.ok(),
            }
        };
        let Some(place) = place else { break };
        sent += 1;
        let ask = Ask::draw(&crowd.config, sent, &mut draw);
        let (crowd, stopped) = (Arc::clone(&crowd), stopped.clone());
        calls.spawn(async move {
            let record = crowd.caller.call(&crowd.config.consumers[index], ask, stopped).await;
            drop(place);
            record
        });
    }
    while let Some(record) = calls.join_next().await {
        journal.write(record)?;
    }
    Ok(journal.written())
}

/// `http://host:port/v1`, without a slash at its end.
fn base_of(text: &str) -> Option<Uri> {
    let uri: Uri = text.trim_end_matches('/').parse().ok()?;
    (uri.scheme_str() == Some("http") && uri.authority().is_some()).then_some(uri)
}
