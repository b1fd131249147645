//! Usage: the published cases and our own, and what must hold for any numbers.
use proptest::prelude::*;
use serde_json::{Value, json};
use sycee_core::buckets::{Bucket, Buckets};

use super::*;

const CASES: &str = include_str!("../../fixtures/usage.json");

/// Every bucket must be as expected, where one that is not listed is zero; of the other keys those that are listed.
fn check(case: &Value) {
    let answer =
        calc_usage(&case["input"]).unwrap_or_else(|error| panic!("{}: failed to {error}", case["name"]));
    let expect = case["expect"].as_object().unwrap();
    for bucket in Bucket::ALL {
        let wanted = expect.get(bucket.name()).map_or(0, |value| value.as_u64().unwrap());
        let got = answer.get(bucket.name()).map_or(0, |value| value.as_u64().unwrap());
        assert_eq!(got, wanted, "{} of {}: {answer}", bucket.name(), case["name"]);
    }
    for (key, wanted) in expect.iter().filter(|(key, _)| Bucket::from_name(key).is_none()) {
        assert_eq!(&answer[key], wanted, "{key} of {}: {answer}", case["name"]);
    }
}

#[test]
fn usage_shapes() {
    let file: Value = serde_json::from_str(CASES).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() > 90, "{} cases", cases.len());
    for protocol in Protocol::ALL {
        let of_protocol = cases.iter().filter(|case| case["input"]["protocol"] == protocol.name()).count();
        assert!(of_protocol >= 4, "{} has {of_protocol} cases", protocol.name());
    }
    cases.iter().for_each(check);
}

#[test]
fn malformed_cases_are_refused() {
    for (input, hint) in [
        (json!({"usage": {}}), "find \"protocol\""),
        (json!({"protocol": "telex", "usage": {}}), "openai responses"),
        (json!({"protocol": 5}), "as text"),
        (json!({"protocol": "openai", "tokenizer": "gpt2"}), "o200k_base"),
        (json!({"protocol": "openai", "context_window": -1}), "whole number"),
    ] {
        let error = calc_usage(&input).unwrap_err();
        assert!(error.to_string().contains(hint), "{input}: {error}");
    }
}

#[test]
fn reasons_are_explained() {
    let answer = calc_usage(&json!({
        "protocol": "openai", "delivered_text": "Hi!",
        "usage": {"prompt_tokens": -5, "completion_tokens": 100_000},
    }))
    .unwrap();
    assert_eq!(
        answer["reasons"],
        json!(["input: /prompt_tokens is refused as negative", "output: reported 100000, counted 2"])
    );
}

#[test]
fn an_unverified_side_is_capped_and_divided_in_proportion() {
    let report = normalise(
        Protocol::OpenAi,
        &json!({"prompt_tokens": 1000, "completion_tokens": 400,
            "prompt_tokens_details": {"cached_tokens": 500},
            "completion_tokens_details": {"reasoning_tokens": 300}}),
        Ceiling::window(CONTEXT_WINDOW_DEFAULT),
    );
    let input = Own::Estimated { tokens: 7, cap: 100, text_max: None, trust: Trust::Unverified };
    let output = Own::Estimated { tokens: 7, cap: 1000, text_max: None, trust: Trust::Unverified };
    let bill = resolve(&report, input, output);
    assert_eq!(
        bill.buckets,
        buckets(&[
            ("input_uncached", 50),
            ("cache_read", 50),
            ("output_visible", 100),
            ("output_reasoning", 300)
        ])
    );
    assert_eq!((bill.input.basis, bill.output.basis), (Basis::Unverified, Basis::Unverified));
    assert!(!bill.is_disputed());
}

#[test]
fn a_report_of_more_tokens_than_the_text_has_bytes_is_impossible() {
    let output = Own::Estimated { tokens: 2, cap: 4_096, text_max: Some(4), trust: Trust::Unverified };
    let input = Own::Verified { tokens: 9, reasoning: 0 };
    let bill = |completion: u64, reasoning: u64| {
        let usage = json!({"prompt_tokens": 9, "completion_tokens": completion,
            "completion_tokens_details": {"reasoning_tokens": reasoning}});
        resolve(&normalise(Protocol::OpenAi, &usage, Ceiling::window(CONTEXT_WINDOW_DEFAULT)), input, output)
    };
    let lie = bill(4_000, 0);
    assert_eq!((lie.buckets.output_total(), lie.is_disputed()), (Some(2), true));
    let possible = bill(4, 0);
    assert_eq!((possible.buckets.output_total(), possible.is_disputed()), (Some(4), false));
    let thought_out_of_sight = bill(1_003, 1_000);
    assert_eq!(
        (thought_out_of_sight.buckets.output_total(), thought_out_of_sight.is_disputed()),
        (Some(1_003), false)
    );
}

#[test]
fn an_unverified_side_without_a_report_is_estimated_within_its_cap() {
    let own = Own::Estimated { tokens: 7, cap: 5, text_max: None, trust: Trust::Unverified };
    let bill = resolve(&Report::ABSENT, own, own);
    assert_eq!(bill.buckets, buckets(&[("input_uncached", 5), ("output_visible", 5)]));
    assert_eq!(bill.input.basis, Basis::Unverified);
}

#[test]
fn delivered_reasoning_is_divided_by_the_own_count() {
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 100, "completion_tokens_details": {"reasoning_tokens": 1}});
    let report = normalise(Protocol::OpenAi, &usage, Ceiling::window(CONTEXT_WINDOW_DEFAULT));
    let input = Own::Verified { tokens: 1, reasoning: 0 };
    let bill = resolve(&report, input, Own::Verified { tokens: 100, reasoning: 60 });
    assert_eq!(
        bill.buckets,
        buckets(&[("input_uncached", 1), ("output_visible", 40), ("output_reasoning", 60)])
    );
}

#[test]
fn stripped_tripled_and_zeroed_usage_leave_the_bill_alone() {
    let own = Own::Verified { tokens: 31, reasoning: 0 };
    for (usage, disputed) in [
        (json!({"prompt_tokens": 31, "completion_tokens": 31}), false),
        (Value::Null, false),
        (json!({"prompt_tokens": 93, "completion_tokens": 93}), true),
        (json!({"prompt_tokens": 0, "completion_tokens": 0}), true),
    ] {
        let report = normalise(Protocol::OpenAi, &usage, Ceiling::window(4096));
        let bill = resolve(&report, own, own);
        assert_eq!(bill.buckets, buckets(&[("input_uncached", 31), ("output_visible", 31)]), "{usage}");
        assert_eq!(bill.is_disputed(), disputed, "{usage}");
    }
}

fn buckets(listed: &[(&str, u64)]) -> Buckets {
    listed.iter().fold(Buckets::default(), |buckets, (name, tokens)| {
        buckets.with(Bucket::from_name(name).unwrap(), *tokens)
    })
}

/// Numbers as providers send them, and as only liars and bugs do.
fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => (0u64..5_000).prop_map(|n| json!(n)),
        1 => any::<u64>().prop_map(|n| json!(n)),
        1 => any::<i64>().prop_map(|n| json!(n)),
        1 => any::<f64>().prop_map(|n| json!(n)),
        1 => Just(Value::Null),
        1 => Just(json!("12")),
        1 => Just(json!([])),
    ]
}

/// A usage object with any of the fields that any protocol reads.
fn usage() -> impl Strategy<Value = Value> {
    const FIELDS: [&str; 24] = [
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "prompt_tokens_details.cached_tokens",
        "prompt_tokens_details.cache_write_tokens",
        "prompt_tokens_details.audio_tokens",
        "prompt_tokens_details.image_tokens",
        "completion_tokens_details.reasoning_tokens",
        "completion_tokens_details.audio_tokens",
        "input_tokens_details.cached_tokens",
        "output_tokens_details.reasoning_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation.ephemeral_5m_input_tokens",
        "cache_creation.ephemeral_1h_input_tokens",
        "promptTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
        "cachedContentTokenCount",
        "toolUsePromptTokenCount",
        "totalTokenCount",
    ];
    proptest::collection::vec((0..FIELDS.len(), number()), 0..10).prop_map(|fields| {
        let mut usage = json!({});
        for (field, value) in fields {
            match FIELDS[field].split_once('.') {
                Some((outer, inner)) => usage[outer][inner] = value,
                None => usage[FIELDS[field]] = value,
            }
        }
        usage
    })
}

fn own() -> impl Strategy<Value = Own> {
    prop_oneof![
        (0u64..2_000, 0u64..2_000)
            .prop_map(|(tokens, part)| Own::Verified { tokens, reasoning: part.min(tokens) }),
        (0u64..2_000, 0u64..2_000).prop_map(|(tokens, cap)| Own::Estimated {
            tokens,
            cap,
            text_max: None,
            trust: Trust::Unverified
        }),
    ]
}

proptest! {
    /// Whatever a provider sends: no side exceeds the ceiling, and a side that is not stated has no tokens.
    #[test]
    fn no_report_escapes_its_ceiling(usage in usage(), protocol in 0..Protocol::ALL.len(), window in 1u64..10_000) {
        let report = normalise(Protocol::ALL[protocol], &usage, Ceiling::window(window));
        for (side, total) in [(report.input, report.buckets.input_total()), (report.output, report.buckets.output_total())] {
            let total = total.expect("bounded");
            prop_assert!(total <= window);
            prop_assert!(side == Side::Stated || total == 0);
        }
    }

    /// Buckets are disjoint: for OpenAI's wording they sum to exactly what was stated.
    #[test]
    fn openai_buckets_sum_to_the_stated_totals(
        prompt in 0u64..9_000, completion in 0u64..9_000, cached in 0u64..9_000, written in 0u64..9_000,
        audio in 0u64..9_000, reasoning in 0u64..9_000,
    ) {
        let usage = json!({
            "prompt_tokens": prompt, "completion_tokens": completion,
            "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written, "audio_tokens": audio},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        });
        let report = normalise(Protocol::OpenAi, &usage, Ceiling::window(10_000));
        prop_assert_eq!(report.buckets.input_total(), Some(prompt));
        prop_assert_eq!(report.buckets.output_total(), Some(completion));
    }

    /// A verified side bills the own count and an estimated one at most its cap, whatever the report.
    #[test]
    fn no_report_moves_a_verified_bill(usage in usage(), input in own(), output in own()) {
        let report = normalise(Protocol::OpenAi, &usage, Ceiling::window(1_000_000));
        let bill = resolve(&report, input, output);
        let totals = [bill.buckets.input_total().unwrap(), bill.buckets.output_total().unwrap()];
        for (own, total) in [input, output].into_iter().zip(totals) {
            match own {
                Own::Verified { tokens, .. } => prop_assert_eq!(total, tokens),
                Own::Estimated { cap, .. } => prop_assert!(total <= cap),
            }
        }
    }

    /// The dispute interval is exactly [own − 2, own × 1.02 + 8], checked against fractions.
    #[test]
    fn disputes_start_where_the_interval_ends(own in 0u64..100_000, reported in 0u64..110_000) {
        let usage = json!({"prompt_tokens": reported, "completion_tokens": 0});
        let report = normalise(Protocol::OpenAi, &usage, Ceiling::window(1_000_000));
        let bill = resolve(&report, Own::Verified { tokens: own, reasoning: 0 }, Own::Verified { tokens: 0, reasoning: 0 });
        let low = own.saturating_sub(2);
        let high = own + own / 50 + 8;
        prop_assert_eq!(bill.input.dispute.is_some(), reported < low || reported > high);
    }

    /// A stream never adds: repeating every object changes nothing.
    #[test]
    fn repeats_change_nothing(usages in proptest::collection::vec(usage(), 0..4), protocol in 0..Protocol::ALL.len()) {
        let protocol = Protocol::ALL[protocol];
        let ceiling = Ceiling::window(100_000);
        let repeated: Vec<Value> = usages.iter().flat_map(|usage| [usage.clone(), usage.clone()]).collect();
        prop_assert_eq!(
            normalise_sequence(protocol, &usages, ceiling),
            normalise_sequence(protocol, &repeated, ceiling)
        );
    }

    /// Raw objects, like everything that is passed on, keep their numbers to the last bit.
    #[test]
    fn numbers_pass_through_as_they_were(number in proptest::num::f64::NORMAL, whole in any::<i64>()) {
        let raw: Value = serde_json::from_str(&format!(r#"{{"cost":{number:e},"tokens":{whole}}}"#)).unwrap();
        let passed: Value = serde_json::from_str(&raw.to_string()).unwrap();
        prop_assert_eq!(passed["cost"].as_f64().map(f64::to_bits), Some(number.to_bits()));
        prop_assert_eq!(passed["tokens"].as_i64(), Some(whole));
    }
}
