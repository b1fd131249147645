//! Anthropic's wording: `input_tokens` excludes caches, `output_tokens` is the billed total with thinking inside.
//!
//! `cache_creation` splits the writes by lifetime. In a stream the sum may grow later (server tools write caches too) while
//! the split stays that of the first event, so what the split does not cover is a five-minute write, the default.
use serde_json::Value;
use sycee_core::buckets::{Bucket, Buckets};

use super::read::{SideRead, carve, detail, sum, tokens};
use super::{Ceiling, Report};

const INPUT: &str = "/input_tokens";
const READ: &str = "/cache_read_input_tokens";
const WRITTEN: &str = "/cache_creation_input_tokens";
const WRITTEN_5M: &str = "/cache_creation/ephemeral_5m_input_tokens";
const WRITTEN_1H: &str = "/cache_creation/ephemeral_1h_input_tokens";
const REASONING: &[&str] =
    &["/output_tokens_details/thinking_tokens", "/output_tokens_details/reasoning_tokens"];

pub(super) fn report(usage: &Value, ceiling: Ceiling) -> Report {
    Report::of(input(usage, ceiling.input), output(usage, ceiling.output))
}

fn input(usage: &Value, max: u64) -> SideRead {
    let uncached = tokens(usage, &[INPUT], max)?;
    let read = tokens(usage, &[READ], max)?;
    let written = tokens(usage, &[WRITTEN], max)?;
    let written_1h = tokens(usage, &[WRITTEN_1H], max)?;
    let written_5m = tokens(usage, &[WRITTEN_5M], max)?;
    if [uncached, read, written, written_1h, written_5m].iter().all(Option::is_none) {
        return Ok(None);
    }
    let (uncached, read) = (uncached.unwrap_or(0), read.unwrap_or(0));
    let (written_5m, written_1h) = (written_5m.unwrap_or(0), written_1h.unwrap_or(0));
    let split = sum(WRITTEN, &[written_5m, written_1h], max)?;
    let unsplit = written.unwrap_or(0).saturating_sub(split);
    sum(INPUT, &[uncached, read, split, unsplit], max)?;
    Ok(Some(
        Buckets::default()
            .with(Bucket::InputUncached, uncached)
            .with(Bucket::CacheRead, read)
            .with(Bucket::CacheWrite5m, written_5m + unsplit)
            .with(Bucket::CacheWrite1h, written_1h),
    ))
}

fn output(usage: &Value, max: u64) -> SideRead {
    let Some(total) = tokens(usage, &["/output_tokens"], max)? else {
        return Ok(None);
    };
    let mut reasoning = detail(usage, REASONING, max)?;
    let visible = carve(total, &mut [&mut reasoning]);
    Ok(Some(Buckets::default().with(Bucket::OutputVisible, visible).with(Bucket::OutputReasoning, reasoning)))
}
