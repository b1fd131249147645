//! Gemini's wording: caches and media inside `promptTokenCount`, thoughts outside `candidatesTokenCount`, tool results that
//! were fed back as prompt beside both.
//!
//! The message is a protocol buffer, so a zero is left out: once any count of the object is there, a missing one is zero.
use serde_json::Value;
use sycee_core::buckets::{Bucket, Buckets};

use super::read::{SideRead, carve, detail, negative, sum, tokens};
use super::{Ceiling, Flaw, Reason, Report};

const PROMPT: &[&str] = &["/promptTokenCount", "/prompt_token_count"];
const CACHED: &[&str] = &["/cachedContentTokenCount", "/cached_content_token_count"];
const TOOL_PROMPT: &[&str] = &["/toolUsePromptTokenCount", "/tool_use_prompt_token_count"];
const CANDIDATES: &[&str] =
    &["/candidatesTokenCount", "/responseTokenCount", "/candidates_token_count", "/response_token_count"];
const THOUGHTS: &[&str] = &["/thoughtsTokenCount", "/thoughts_token_count"];
const TOTAL: &[&str] = &["/totalTokenCount", "/total_token_count"];
const PROMPT_DETAILS: &[&str] = &["/promptTokensDetails", "/prompt_tokens_details"];
const CACHE_DETAILS: &[&str] = &["/cacheTokensDetails", "/cache_tokens_details"];
const CANDIDATE_DETAILS: &[&str] =
    &["/candidatesTokensDetails", "/responseTokensDetails", "/candidates_tokens_details"];

pub(super) fn report(usage: &Value, ceiling: Ceiling) -> Report {
    for total in TOTAL {
        if let Err(flaw) = negative(usage, total) {
            return Report::of(Err(flaw), Err(flaw));
        }
    }
    let names = [PROMPT, CACHED, TOOL_PROMPT, CANDIDATES, THOUGHTS, TOTAL];
    if names.iter().copied().flatten().all(|name| usage.pointer(name).is_none_or(Value::is_null)) {
        return Report::ABSENT;
    }
    Report::of(input(usage, ceiling.input), output(usage, ceiling))
}

fn input(usage: &Value, max: u64) -> SideRead {
    let prompt = detail(usage, PROMPT, max)?;
    let tool_prompt = detail(usage, TOOL_PROMPT, max)?;
    sum("/promptTokenCount", &[prompt, tool_prompt], max)?;
    let mut read = detail(usage, CACHED, max)?;
    let of_prompt = |modality| modality_tokens(usage, PROMPT_DETAILS, modality, max);
    let of_cache = |modality| modality_tokens(usage, CACHE_DETAILS, modality, max);
    let mut audio = of_prompt("AUDIO")?.saturating_sub(of_cache("AUDIO")?);
    let mut image = of_prompt("IMAGE")?.saturating_sub(of_cache("IMAGE")?);
    let uncached = carve(prompt, &mut [&mut read, &mut audio, &mut image]);
    Ok(Some(
        Buckets::default()
            .with(Bucket::InputUncached, uncached + tool_prompt)
            .with(Bucket::CacheRead, read)
            .with(Bucket::InputAudio, audio)
            .with(Bucket::InputImage, image),
    ))
}

fn output(usage: &Value, ceiling: Ceiling) -> SideRead {
    let max = ceiling.output;
    let candidates = detail(usage, CANDIDATES, max)?;
    let mut thoughts = detail(usage, THOUGHTS, max)?;
    let total = if is_inside(usage, candidates, thoughts) {
        candidates
    } else {
        sum("/candidatesTokenCount", &[candidates, thoughts], max)?
    };
    let mut audio = modality_tokens(usage, CANDIDATE_DETAILS, "AUDIO", max)?;
    let mut image = modality_tokens(usage, CANDIDATE_DETAILS, "IMAGE", max)?;
    let visible = carve(total, &mut [&mut thoughts, &mut audio, &mut image]);
    Ok(Some(
        Buckets::default()
            .with(Bucket::OutputVisible, visible)
            .with(Bucket::OutputReasoning, thoughts)
            .with(Bucket::OutputAudio, audio)
            .with(Bucket::OutputImage, image),
    ))
}

/// Compatible servers sometimes count thoughts among the candidates; then the total has no room for them a second time.
fn is_inside(usage: &Value, candidates: u64, thoughts: u64) -> bool {
    let read = |names| tokens(usage, names, u64::MAX).ok().flatten();
    let prompt = read(PROMPT).unwrap_or(0).saturating_add(read(TOOL_PROMPT).unwrap_or(0));
    thoughts <= candidates && read(TOTAL).is_some() && read(TOTAL) == prompt.checked_add(candidates)
}

/// Sums the entries of one modality in a list of `{modality, tokenCount}`.
fn modality_tokens(
    usage: &Value,
    lists: &'static [&'static str],
    modality: &str,
    max: u64,
) -> Result<u64, Flaw> {
    let Some(Value::Array(entries)) = lists.iter().find_map(|list| usage.pointer(list)) else {
        return Ok(0);
    };
    let named =
        entries.iter().filter(|entry| entry.get("modality").and_then(Value::as_str) == Some(modality));
    named.into_iter().try_fold(0u64, |total, entry| {
        let tokens = detail(entry, &["/tokenCount", "/token_count"], max)?;
        total.checked_add(tokens).ok_or(Flaw { field: lists[0], reason: Reason::Overflow })
    })
}
