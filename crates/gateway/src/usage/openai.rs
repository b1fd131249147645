//! OpenAI's wording, which most providers copy: caches and media inside the prompt, reasoning inside the completion.
//!
//! Differences read here: the Responses API says `input_tokens`; `DeepSeek` and Moonshot put cache hits beside the details;
//! some count reasoning outside the completion, which the total gives away; cache writes are prefix lengths that were not
//! reduced by the hits, so hits and writes together may exceed the prompt and the writes are cut to what is left.
use serde_json::Value;
use sycee_core::buckets::{Bucket, Buckets};

use super::read::{SideRead, carve, detail, negative, sum, tokens};
use super::{Ceiling, Report};

const INPUT: &[&str] = &["/prompt_tokens", "/input_tokens"];
const OUTPUT: &[&str] = &["/completion_tokens", "/output_tokens"];
const TOTAL: &str = "/total_tokens";
const CACHED: &[&str] = &[
    "/prompt_tokens_details/cached_tokens",
    "/input_tokens_details/cached_tokens",
    "/prompt_cache_hit_tokens",
    "/cached_tokens",
];
const WRITTEN: &[&str] = &[
    "/prompt_tokens_details/cache_write_tokens",
    "/input_tokens_details/cache_write_tokens",
    "/prompt_tokens_details/cache_creation_tokens",
];
const INPUT_AUDIO: &[&str] = &["/prompt_tokens_details/audio_tokens", "/input_tokens_details/audio_tokens"];
const INPUT_IMAGE: &[&str] = &["/prompt_tokens_details/image_tokens", "/input_tokens_details/image_tokens"];
const CACHED_AUDIO: &[&str] = &[
    "/prompt_tokens_details/cached_tokens_details/audio_tokens",
    "/input_tokens_details/cached_tokens_details/audio_tokens",
];
const CACHED_IMAGE: &[&str] = &[
    "/prompt_tokens_details/cached_tokens_details/image_tokens",
    "/input_tokens_details/cached_tokens_details/image_tokens",
];
const REASONING: &[&str] = &[
    "/completion_tokens_details/reasoning_tokens",
    "/output_tokens_details/reasoning_tokens",
    "/reasoning_tokens",
];
const OUTPUT_AUDIO: &[&str] =
    &["/completion_tokens_details/audio_tokens", "/output_tokens_details/audio_tokens"];
const OUTPUT_IMAGE: &[&str] =
    &["/completion_tokens_details/image_tokens", "/output_tokens_details/image_tokens"];

/// Where a protocol counts reasoning when the total does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reasoning {
    Inside,
    Outside,
}

pub(super) fn report(usage: &Value, ceiling: Ceiling, habit: Reasoning) -> Report {
    if let Err(flaw) = negative(usage, TOTAL) {
        return Report::of(Err(flaw), Err(flaw));
    }
    Report::of(input(usage, INPUT, ceiling.input), output(usage, ceiling, habit))
}

/// Embeddings make no output. Some servers give only the total.
pub(super) fn embeddings(usage: &Value, ceiling: Ceiling) -> Report {
    let input = input(usage, &["/prompt_tokens", "/input_tokens", TOTAL], ceiling.input);
    let output = match input {
        Ok(None) => Ok(None),
        Ok(Some(_)) | Err(_) => Ok(Some(Buckets::default())),
    };
    Report::of(input, output)
}

fn input(usage: &Value, totals: &[&'static str], max: u64) -> SideRead {
    let Some(prompt) = tokens(usage, totals, max)? else {
        return Ok(None);
    };
    let mut read = detail(usage, CACHED, max)?;
    let mut written = detail(usage, WRITTEN, max)?;
    // What of the media was itself served from cache is already in the cache reads.
    let mut audio = detail(usage, INPUT_AUDIO, max)?.saturating_sub(detail(usage, CACHED_AUDIO, max)?);
    let mut image = detail(usage, INPUT_IMAGE, max)?.saturating_sub(detail(usage, CACHED_IMAGE, max)?);
    let uncached = carve(prompt, &mut [&mut read, &mut written, &mut audio, &mut image]);
    Ok(Some(
        Buckets::default()
            .with(Bucket::InputUncached, uncached)
            .with(Bucket::CacheRead, read)
            .with(Bucket::CacheWrite5m, written)
            .with(Bucket::InputAudio, audio)
            .with(Bucket::InputImage, image),
    ))
}

fn output(usage: &Value, ceiling: Ceiling, habit: Reasoning) -> SideRead {
    let max = ceiling.output;
    let Some(completion) = tokens(usage, OUTPUT, max)? else {
        return Ok(None);
    };
    let mut reasoning = detail(usage, REASONING, max)?;
    let total = if is_outside(usage, ceiling, completion, reasoning, habit) {
        sum("/completion_tokens_details/reasoning_tokens", &[completion, reasoning], max)?
    } else {
        completion
    };
    let mut audio = detail(usage, OUTPUT_AUDIO, max)?;
    let mut image = detail(usage, OUTPUT_IMAGE, max)?;
    let visible = carve(total, &mut [&mut reasoning, &mut audio, &mut image]);
    Ok(Some(
        Buckets::default()
            .with(Bucket::OutputVisible, visible)
            .with(Bucket::OutputReasoning, reasoning)
            .with(Bucket::OutputAudio, audio)
            .with(Bucket::OutputImage, image),
    ))
}

/// Whether reasoning stands beside the completion. The total is the witness; without one the protocol's habit decides.
fn is_outside(usage: &Value, ceiling: Ceiling, completion: u64, reasoning: u64, habit: Reasoning) -> bool {
    let prompt = tokens(usage, INPUT, ceiling.input).ok().flatten();
    let total = tokens(usage, &[TOTAL], u64::MAX).ok().flatten();
    let beside = |extra: u64| -> bool {
        let expected = prompt.and_then(|prompt| prompt.checked_add(completion)?.checked_add(extra));
        total.is_some() && total == expected
    };
    match habit {
        Reasoning::Inside => reasoning > 0 && beside(reasoning),
        Reasoning::Outside => !beside(0),
    }
}
