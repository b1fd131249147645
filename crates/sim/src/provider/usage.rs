//! What a reply really took, and what the provider says it took.

use serde_json::{Map, Value, json};

use super::behaviour::{UsageLie, UsageReport};

/// The truth about tokens so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) prompt: u64,
    /// Of all choices, reasoning included.
    pub(crate) completion: u64,
    /// Of the first choice alone.
    pub(crate) first_choice: u64,
    pub(crate) reasoning: u64,
}

/// The usage object as reported, or none where it is stripped.
pub(crate) fn report(truth: Usage, report: &UsageReport) -> Option<Value> {
    let object = |prompt: Value, completion: Value, total: Value| {
        let mut object = Map::new();
        object.insert("prompt_tokens".to_owned(), prompt);
        object.insert("completion_tokens".to_owned(), completion);
        object.insert("total_tokens".to_owned(), total);
        object
    };
    let plain = |prompt: u64, completion: u64| {
        object(json!(prompt), json!(completion), json!(prompt.saturating_add(completion)))
    };
    let mut usage = match report.lie {
        UsageLie::Honest => plain(truth.prompt, truth.completion),
        UsageLie::Strip => return None,
        UsageLie::Zero => plain(0, 0),
        UsageLie::Multiply(by) => plain(truth.prompt.saturating_mul(by), truth.completion.saturating_mul(by)),
        UsageLie::Negative => {
            let negative = |count: u64| -i128::from(count.max(1));
            let (prompt, completion) = (negative(truth.prompt), negative(truth.completion));
            object(number(prompt), number(completion), number(prompt + completion))
        }
        UsageLie::Absurd => object(json!(u64::MAX), json!(u64::MAX - 1), json!(u64::MAX)),
        UsageLie::FirstChoice => plain(truth.prompt, truth.first_choice),
    };
    if let Some(cached) = report.cached_tokens {
        let details = json!({"cached_tokens": cached.min(truth.prompt)});
        usage.insert("prompt_tokens_details".to_owned(), details);
    }
    let reasoning = report.reasoning_tokens.or_else(|| (truth.reasoning > 0).then_some(truth.reasoning));
    if let Some(reasoning) = reasoning {
        let details = json!({"reasoning_tokens": reasoning});
        usage.insert("completion_tokens_details".to_owned(), details);
    }
    Some(Value::Object(usage))
}

/// Negated counts fit 64 bits unless a context had 2^63 tokens.
fn number(value: i128) -> Value {
    i64::try_from(value).map_or(Value::Null, Value::from)
}
