//! `sycee calc usage`: the production rule on one written-down case, for people and for known answers.
//!
//! An input is `{protocol, usage | usage_sequence, delivered_text?, prompt_text?, finish_reason?, stop?, tokenizer?,
//! context_window?}`. A side whose text is given is counted by the gateway; a side whose text is not given trusts the provider,
//! unless its number is refused or missing: then it is counted from what there is, which may be nothing.
use serde_json::{Map, Value, json};

use super::{
    Basis, Bill, CONTEXT_WINDOW_DEFAULT, Ceiling, Own, Protocol, Report, Side, Trust, find, normalise,
    normalise_sequence, resolve,
};
use crate::count::Vocabulary;
use crate::error::{Error, ErrorKind};

/// Bills one case. The answer lists the buckets that are not zero, `source` (own count if either side is), and why.
pub fn calc_usage(input: &Value) -> Result<Value, Error> {
    let case = Case::read(input)?;
    let report = case.report(input);
    let (input_own, output_own) = (case.own_input(input), case.own_output(input));
    let bill = resolve(&report, input_own, output_own);
    Ok(explain(&report, &bill))
}

/// What a case fixes besides its numbers.
struct Case {
    protocol: Protocol,
    vocabulary: Vocabulary,
    window: u64,
}

impl Case {
    fn read(input: &Value) -> Result<Self, Error> {
        let protocol = match input.get("protocol") {
            None => return Err(wrong("find \"protocol\" in the case")),
            Some(Value::String(name)) => Protocol::from_name(name)
                .ok_or_else(|| wrong(format!("recognise protocol \"{name}\": {}", names(&Protocol::ALL))))?,
            Some(other) => return Err(wrong(format!("read \"protocol\" as text: it is {other}"))),
        };
        let vocabulary = match input.get("tokenizer") {
            None | Some(Value::Null) => Vocabulary::O200kBase,
            Some(name) => name
                .as_str()
                .and_then(Vocabulary::from_name)
                .ok_or_else(|| wrong(format!("recognise tokenizer {name}: o200k_base or cl100k_base")))?,
        };
        let window = match input.get("context_window") {
            None | Some(Value::Null) => CONTEXT_WINDOW_DEFAULT,
            Some(window) => window
                .as_u64()
                .ok_or_else(|| wrong(format!("read context_window {window} as a whole number of tokens")))?,
        };
        Ok(Self { protocol, vocabulary, window })
    }

    fn report(&self, input: &Value) -> Report {
        let ceiling = Ceiling::window(self.window);
        if let Some(Value::Array(usages)) = input.get("usage_sequence") {
            let usages: Vec<Value> =
                usages.iter().map(|usage| find(usage).unwrap_or(usage).clone()).collect();
            return normalise_sequence(self.protocol, &usages, ceiling);
        }
        match input.get("usage") {
            Some(Value::Array(usages)) => normalise_sequence(self.protocol, usages, ceiling),
            Some(usage @ Value::Object(_)) => normalise(self.protocol, find(usage).unwrap_or(usage), ceiling),
            _ => find(input).map_or(Report::ABSENT, |usage| normalise(self.protocol, usage, ceiling)),
        }
    }

    fn own_input(&self, input: &Value) -> Own {
        match input.get("prompt_text").or_else(|| input.get("prompt")) {
            Some(Value::String(text)) => Own::Verified { tokens: self.vocabulary.count(text), reasoning: 0 },
            // Messages need a chat template to be counted; without one their texts are only an estimate.
            _ => self.trusted(input.get("messages").map_or(0, |messages| self.text_tokens(messages))),
        }
    }

    fn own_output(&self, input: &Value) -> Own {
        let Some(Value::String(text)) = input.get("delivered_text") else {
            return self.trusted(0);
        };
        let ended = input.get("finish_reason").and_then(Value::as_str) == Some("stop");
        let end = u64::from(ended && input.get("stop").is_none_or(Value::is_null));
        let reasoning = input
            .get("delivered_reasoning")
            .and_then(Value::as_str)
            .map_or(0, |text| self.vocabulary.count(text));
        Own::Verified { tokens: self.vocabulary.count(text) + reasoning + end, reasoning }
    }

    fn trusted(&self, tokens: u64) -> Own {
        Own::Estimated { tokens, cap: self.window, text_max: None, trust: Trust::Trusted }
    }

    /// Counts every string under the `content` and `text` of messages.
    fn text_tokens(&self, value: &Value) -> u64 {
        match value {
            Value::Array(items) => items.iter().map(|item| self.text_tokens(item)).sum(),
            Value::Object(fields) => ["content", "text"]
                .iter()
                .filter_map(|name| fields.get(*name))
                .map(|part| self.text_tokens(part))
                .sum(),
            Value::String(text) => self.vocabulary.count(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
    }
}

fn explain(report: &Report, bill: &Bill) -> Value {
    let mut answer = Map::new();
    for (bucket, tokens) in bill.buckets.iter().filter(|(_, tokens)| *tokens > 0) {
        answer.insert(bucket.name().to_owned(), json!(tokens));
    }
    let own = [bill.input, bill.output].iter().any(|side| side.basis == Basis::OwnCount);
    answer.insert("source".to_owned(), json!(if own { Basis::OwnCount } else { Basis::Provider }.name()));
    answer.insert("input_basis".to_owned(), json!(bill.input.basis.name()));
    answer.insert("output_basis".to_owned(), json!(bill.output.basis.name()));
    answer.insert("dispute".to_owned(), json!(bill.is_disputed()));
    answer.insert("provider_marked".to_owned(), json!(bill.is_provider_marked()));
    let reasons: Vec<Value> = reasons(report, bill).into_iter().map(Value::String).collect();
    if !reasons.is_empty() {
        answer.insert("reasons".to_owned(), Value::Array(reasons));
    }
    Value::Object(answer)
}

/// One sentence per side that is not simply the provider's word.
fn reasons(report: &Report, bill: &Bill) -> Vec<String> {
    let mut reasons = Vec::new();
    for (name, side, billed) in [("input", report.input, bill.input), ("output", report.output, bill.output)]
    {
        match side {
            Side::Absent => reasons.push(format!("{name}: the provider reported nothing")),
            Side::Refused(flaw) => {
                reasons.push(format!("{name}: {} is refused as {}", flaw.field, flaw.reason.name()));
            }
            Side::Stated => {}
        }
        if let Some(dispute) = billed.dispute
            && let Some(reported) = dispute.reported
        {
            reasons.push(format!("{name}: reported {reported}, counted {}", dispute.own));
        }
    }
    reasons
}

fn wrong(context: impl Into<String>) -> Error {
    Error::new(ErrorKind::Request, context)
}

fn names(protocols: &[Protocol]) -> String {
    protocols.iter().map(|protocol| protocol.name()).collect::<Vec<_>>().join(", ")
}
