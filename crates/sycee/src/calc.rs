//! `sycee calc`: a production rule run on written-down cases, for people and for known answers.
//!
//! A file holds one input, bare or under `input`, or many under `cases` (or under the name of the kind), each with `expect`.
//! Every key of `expect` must be as it says; what is zero may be left out on either side. What a result says besides explains
//! it.
use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::ExitCode;
use sycee_core::buckets::Bucket;

mod royalty;

/// A rule that can be run on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// What a provider's usage object means.
    Usage,
    /// Who gets what of what a model earns.
    Royalty,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Usage, Self::Royalty];

    fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Royalty => "royalty",
        }
    }

    fn from_name(name: &str) -> Result<Self> {
        let names = Self::ALL.map(Self::name).join(", ");
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == name);
        kind.with_context(|| format!("there is no rule `{name}`; there are: {names}"))
    }

    fn calc(self, input: &Value) -> Result<Value> {
        match self {
            Self::Usage => Ok(sycee_gateway::usage::calc_usage(input)?),
            Self::Royalty => royalty::calc(input),
        }
    }
}

/// Runs the rule on the file and prints what comes out; fails if a case expects something else.
pub(crate) fn run(kind: &str, path: &Path) -> Result<ExitCode> {
    let kind = Kind::from_name(kind)?;
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let (answer, sound) = answer(kind, &text).with_context(|| format!("in {}", path.display()))?;
    say!("{answer:#}");
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What to print, and whether everything is as expected.
fn answer(kind: Kind, text: &str) -> Result<(Value, bool)> {
    let file: Value = serde_json::from_str(text).context("this is not JSON")?;
    let Value::Object(fields) = &file else {
        bail!("an input is an object, and so is a file of `cases`");
    };
    // An input may have a field of the kind's own name, as `usage` has; a list of cases is a list.
    let under_kind = fields.get(kind.name()).filter(|cases| cases.is_array());
    if let Some(cases) = fields.get("cases").or(under_kind) {
        return all(kind, cases);
    }
    let input = fields.get("input").unwrap_or(&file);
    let mut result = kind.calc(input)?;
    let differences = fields.get("expect").map_or_else(Vec::new, |expect| differences(expect, &result));
    let sound = differences.is_empty();
    if let (false, Value::Object(result)) = (sound, &mut result) {
        result.insert("differences".to_owned(), json!(differences));
    }
    Ok((result, sound))
}

/// Every case with its result; one that cannot be run is one that differs.
fn all(kind: Kind, cases: &Value) -> Result<(Value, bool)> {
    let cases = cases.as_array().context("`cases` is a list")?;
    let (mut results, mut passed) = (Vec::new(), 0_usize);
    for (index, case) in cases.iter().enumerate() {
        let name = case.get("name").cloned().unwrap_or_else(|| json!(index));
        let input = case.get("input").with_context(|| format!("case {name} has no `input`"))?;
        let mut result = Map::from_iter([("name".to_owned(), name)]);
        match kind.calc(input) {
            Ok(answer) => {
                let differences =
                    case.get("expect").map_or_else(Vec::new, |expect| differences(expect, &answer));
                passed += usize::from(differences.is_empty());
                result.insert("ok".to_owned(), json!(differences.is_empty()));
                if !differences.is_empty() {
                    result.insert("differences".to_owned(), json!(differences));
                }
                result.insert("result".to_owned(), answer);
            }
            Err(error) => {
                result.insert("ok".to_owned(), json!(false));
                result.insert("error".to_owned(), json!(format!("{error:#}")));
            }
        }
        results.push(Value::Object(result));
    }
    let failed = results.len() - passed;
    Ok((json!({"kind": kind.name(), "passed": passed, "failed": failed, "cases": results}), failed == 0))
}

/// Where `result` is not as `expect` says, one sentence each.
fn differences(expect: &Value, result: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let Value::Object(fields) = expect else {
        return vec!["`expect` is an object".to_owned()];
    };
    for (key, expected) in fields {
        compare(key, expected, &result[key.as_str()], &mut found);
    }
    // Buckets are listed if they are not zero, so those that a list of some leaves out are zero.
    if fields.keys().any(|key| Bucket::from_name(key).is_some()) {
        let unlisted = Bucket::ALL.iter().filter(|bucket| !fields.contains_key(bucket.name()));
        for bucket in unlisted {
            compare(bucket.name(), &Value::Null, &result[bucket.name()], &mut found);
        }
    }
    found
}

fn compare(key: &str, expected: &Value, found: &Value, differences: &mut Vec<String>) {
    match (expected, found) {
        // Every name on either side: who is paid and should not be is a difference too.
        (Value::Object(expected), Value::Object(found)) => {
            let more = found.keys().filter(|name| !expected.contains_key(*name));
            for name in expected.keys().chain(more) {
                let of = |side: &Map<String, Value>| side.get(name).cloned().unwrap_or_default();
                compare(&format!("{key}.{name}"), &of(expected), &of(found), differences);
            }
        }
        _ if expected == found || (nothing(expected) && nothing(found)) => {}
        _ => differences.push(format!("{key} is {found}, expected {expected}")),
    }
}

/// What is not there, and what is there and zero.
fn nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(yes) => !yes,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text == "0",
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(nothing),
    }
}

#[cfg(test)]
mod tests;
