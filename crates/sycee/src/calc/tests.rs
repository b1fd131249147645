//! Known answers, and what is said about input that makes no sense.
use super::{Kind, answer, differences};
use serde_json::{Value, json};

fn royalty(input: &Value) -> Value {
    Kind::Royalty.calc(input).expect("it can be read")
}

/// One edge `child>parent:ppm` a word.
fn edges(text: &str) -> Value {
    let edge = |edge: &str| {
        let (child, rest) = edge.split_once('>').expect("child>parent:ppm");
        let (parent, share) = rest.split_once(':').expect("child>parent:ppm");
        json!({"child": child, "parent": parent, "share_ppm": share.parse::<i64>().expect("a number")})
    };
    text.split_whitespace().map(edge).collect()
}

fn pay_d(mode: &str, lineage: &str) -> Value {
    json!({"mode": mode, "edges": edges(lineage), "pay": "D", "amount": "1000"})
}

#[test]
fn the_known_answers_are_given() {
    for (kind, text, count) in [
        (Kind::Royalty, include_str!("../../fixtures/royalty.json"), 9),
        (Kind::Usage, include_str!("../../../gateway/fixtures/usage.json"), 11),
    ] {
        let (result, sound) = answer(kind, text).expect("it can be read");
        assert!(sound, "{result:#}");
        assert_eq!(result["failed"], 0);
        assert!(result["passed"].as_u64() >= Some(count), "{} cases", result["passed"]);
    }
}

#[test]
fn a_wrong_expectation_is_a_failure_that_says_where() {
    let case = |expect: Value| {
        json!({"cases": [{"name": "c", "input": pay_d("relative", "D>A:100000"), "expect": expect}]})
            .to_string()
    };
    let (_, sound) = answer(Kind::Royalty, &case(json!({"net": {"A": "100", "D": "900"}}))).expect("read");
    assert!(sound);
    let (result, sound) = answer(Kind::Royalty, &case(json!({"net": {"A": "101"}}))).expect("read");
    assert!(!sound);
    let expected = json!([r#"net.A is "100", expected "101""#, r#"net.D is "900", expected null"#]);
    assert_eq!(result["cases"][0]["differences"], expected);
    assert_eq!((&result["passed"], &result["failed"]), (&json!(0), &json!(1)));
}

#[test]
fn one_input_stands_bare_or_with_its_expectation() {
    let bare = pay_d("relative", "D>A:100000");
    let (alone, sound) = answer(Kind::Royalty, &bare.to_string()).expect("read");
    assert!(sound);
    let with = json!({"input": bare, "expect": {"net": {"A": "1"}}}).to_string();
    let (result, sound) = answer(Kind::Royalty, &with).expect("read");
    assert!(!sound);
    assert_eq!(result["net"], alone["net"]);
}

#[test]
fn what_is_zero_may_be_left_out() {
    let result = json!({"input_uncached": 9, "source": "provider", "dispute": false});
    assert_eq!(differences(&json!({"input_uncached": 9, "cache_read": 0}), &result), [""; 0]);
    assert_eq!(differences(&json!({"source": "provider"}), &result), [""; 0]);
    assert_eq!(
        differences(&json!({"output_visible": 1}), &result).len(),
        2,
        "one is missing, one is too many"
    );
}

#[test]
fn a_split_is_explained() {
    let result = royalty(&pay_d("relative", "B>A:100000 C>A:100000 D>B:100000 D>C:100001"));
    assert_eq!(result["gross"], json!({"D": "1000", "B": "100", "C": "100.001", "A": "20.0001"}));
    assert_eq!(result["net"], json!({"D": "800", "B": "90", "C": "90", "A": "20"}));
    assert_eq!(result["owed"], json!({"D": "-0.001", "C": "0.0009", "A": "0.0001"}));
    assert_eq!(result["path"]["A"], json!(["D", "B", "A"]));
    assert_eq!(result["ancestors_ppm"], 200_001);
    assert_eq!(result["listing_refuses"], json!([]));
}

#[test]
fn what_the_platform_refuses_is_refused_by_its_code() {
    let refused = |input: Value| royalty(&input)["refused"].as_str().unwrap_or("nothing").to_owned();
    assert_eq!(refused(pay_d("relative", "D>A:600000 D>B:400001")), "catalog.shares_exceed_whole");
    assert_eq!(refused(pay_d("absolute", "D>A:600000 A>B:400001")), "catalog.shares_exceed_whole");
    assert_eq!(refused(pay_d("relative", "D>A:1 A>B:1 B>D:1")), "catalog.lineage_too_deep");
    assert_eq!(refused(pay_d("relative", "D>D:1")), "catalog.lineage_too_deep");
    assert_eq!(refused(pay_d("relative", "A>B:1")), "catalog.model_not_found");
    assert_eq!(refused(pay_d("relative", "D>A:1 D>A:2")), "catalog.terms_out_of_range");
    assert_eq!(refused(pay_d("relative", "D>A:1 D>A:1")), "nothing");
    let amount = |amount: &str| json!({"edges": [], "pay": "D", "amount": amount});
    assert_eq!(refused(amount("-1")), "ledger.amount_must_be_positive");
    assert_eq!(refused(amount("100000000000000000001")), "ledger.amount_too_large");
    assert_eq!(refused(amount("100000000000000000000")), "nothing");
}

/// A model whose ancestors take more than the cap could not have been built on.
#[test]
fn a_cap_holds_for_every_link() {
    let capped = |mode: &str, cap: u32, lineage: &str| {
        let mut input = pay_d(mode, lineage);
        input["cap_ppm"] = json!(cap);
        royalty(&input)["because"].as_str().unwrap_or("nothing").to_owned()
    };
    assert_eq!(capped("relative", 400_000, "B>A:400000 D>B:100000"), "nothing");
    let broken = "the ancestors of B would take 400000 ppm, the cap is 399999";
    assert_eq!(capped("relative", 399_999, "B>A:400000 D>B:100000"), broken);
    assert_eq!(capped("absolute", 500_000, "B>A:400000 D>B:100000"), "nothing");
    let broken = "the ancestors of D would take 500000 ppm, the cap is 499999";
    assert_eq!(capped("absolute", 499_999, "B>A:400000 D>B:100000"), broken);
}

/// Five diamonds in absolute mode: 20 edges of one percent, though there are 32 paths to the bottom.
#[test]
fn a_ladder_of_diamonds_is_reckoned_without_a_limit_to_its_depth() {
    let rung = |rung: u32| {
        let below = if rung == 0 { "bottom".to_owned() } else { format!("n{rung}") };
        let above = if rung == 4 { "D".to_owned() } else { format!("n{}", rung + 1) };
        ["left", "right"]
            .map(|side| format!("{side}{rung}>{below}:10000 {above}>{side}{rung}:10000 "))
            .concat()
    };
    let lineage: String = (0..5).map(rung).collect();
    let result = royalty(&pay_d("absolute", &lineage));
    assert_eq!((&result["net"]["D"], &result["ancestors_ppm"]), (&json!("800"), &json!(200_000)));
    assert_eq!(result["listing_refuses"], json!(["catalog.lineage_too_deep"]));
    let mut deep = pay_d("absolute", &lineage);
    deep["depth_max"] = json!(9);
    assert_eq!(royalty(&deep)["refused"], "catalog.lineage_too_deep");
}

#[test]
fn flat_shares_pass_nothing_on() {
    let flat = royalty(&pay_d("flat", "D>B:100000 B>A:100000"));
    assert_eq!(flat["net"], json!({"D": "900", "B": "100"}));
}

/// Ten million payments of a unit along two steps repeat only after a trillion.
#[test]
fn many_payments_come_to_the_same_as_their_sum() {
    let mut input = pay_d("relative", "B>A:333333 D>B:333333");
    input["amount"] = json!("1");
    input["times"] = json!(10_000_000);
    let result = royalty(&input);
    assert_eq!(result["net"], json!({"D": "6666670", "B": "2222221", "A": "1111109"}));
    input["times"] = json!(1_000_000_000_000_u64);
    input["edges"] = edges("D>B:333333");
    assert_eq!(royalty(&input)["net"], json!({"D": "666667000000", "B": "333333000000"}));
}

#[test]
fn mistakes_are_named() {
    let said = |text: &str| match answer(Kind::Royalty, text) {
        Ok((result, _)) => format!("{result}"),
        Err(error) => format!("{error:#}"),
    };
    let with = |key: &str, value: Value| {
        let mut input = pay_d("relative", "D>A:1");
        input[key] = value;
        said(&input.to_string())
    };
    assert!(said("{\n  \"pay\": \"D\",\n}").contains("line 3 column 1"));
    assert!(said("[]").contains("an input is an object"));
    assert!(said("{}").contains("missing field `pay`"));
    assert!(with("amount", json!("1.5")).contains("`amount` is a whole number, not \"1.5\""));
    assert!(with("times", json!(-1)).contains("`times` counts payments"));
    assert!(with("mode", json!("sideways")).contains("unknown variant `sideways`"));
    assert!(with("edges", json!([{"child": "D", "parent": "A"}])).contains("`edges[0]` is {"));
    assert!(with("caps", json!(1)).contains("\"unread\":[\"caps\"]"));
    let unknown = Kind::from_name("karma").expect_err("there is no such rule yet");
    assert_eq!(unknown.to_string(), "there is no rule `karma`; there are: usage, royalty");
}

#[test]
fn an_input_may_be_bare_whatever_its_fields_are_called() {
    let bare = [
        (
            Kind::Usage,
            json!({"protocol": "openai", "usage": {"prompt_tokens": 7, "completion_tokens": 2}}),
            "input_uncached",
            json!(7),
        ),
        (
            Kind::Usage,
            json!({"protocol": "gemini", "usage": {"promptTokenCount": 7, "candidatesTokenCount": 2}}),
            "output_visible",
            json!(2),
        ),
        (Kind::Usage, json!({"protocol": "openai", "usage": null}), "source", json!("own_count")),
        (
            Kind::Royalty,
            json!({"mode": "relative", "edges": [], "pay": "A", "amount": "5"}),
            "total",
            json!("5"),
        ),
    ];
    for (kind, input, key, expected) in bare {
        for file in [input.clone(), json!({"input": input})] {
            let (answer, sound) = answer(kind, &file.to_string()).unwrap();
            assert!(sound && answer[key] == expected, "{file}: {answer}");
        }
    }
}
