//! Every fault at every moment, against the real core. `play` asserts the promises F1 to F5 at each step.
use proptest::prelude::*;

mod play;
use play::Play;

/// Plays a script to its end and compares what came of it. The prompt has 5 tokens; ` word` is one token, and a `stop` adds one.
fn check(script: &str, expect: &str) {
    let play = Play::script(script);
    assert_eq!(play.summary(), expect, "{script}");
    play.check_books();
}

#[test]
fn a_stream_from_start_to_end() {
    check("head; say 3; finish stop; usage 5 4; done", "3 words done; settled stop 5+4; served");
    check("head; say 3; finish length; done", "3 words done; settled length 5+3; served");
    check(
        "ask usage; head; say 3; finish stop; usage 5 4; done",
        "3 words usage 5+4 done; settled stop 5+4; served",
    );
    check("ask stops; head; say 3; finish stop; done", "3 words done; settled stop 5+3; served");
    check("head; finish stop; done", "0 words done; settled stop 5+1; served");
    check("head; say 2; finish stop; end", "2 words done; settled stop 5+3; served");
    check(
        "head; say 2; finish tool_calls; done; end; broken",
        "2 words done; settled tool_calls 5+2; served",
    );
}

#[test]
fn a_provider_that_lies_changes_nothing_but_the_dispute() {
    check("head; say 3; finish stop; usage 15 12; done", "3 words done; settled stop 5+4 disputed; served");
    check("head; say 3; finish stop; usage 0 0; done", "3 words done; settled stop 5+4 disputed; served");
    check("head; say 3; finish stop; usage -1 4; done", "3 words done; settled stop 5+4 disputed; served");
    check(
        "ask usage; head; say 3; finish stop; usage 500 400; done",
        "3 words usage 5+4 done; settled stop 5+4 disputed; served",
    );
}

#[test]
fn what_cannot_be_counted_is_the_report_within_its_bounds() {
    check(
        "ask unverified; head; say 3; finish stop; usage 9 8; done",
        "3 words done; settled stop 9+8; served",
    );
    check(
        "ask unverified max 5; head; say 3; finish stop; usage 9 8; done",
        "3 words done; settled stop 9+5; served",
    );
    // More tokens than the text has bytes: the estimate is billed.
    check(
        "ask unverified; head; say 3; finish stop; usage 9 300; done",
        "3 words done; settled stop 9+3 disputed; served",
    );
    check(
        "ask unverified; head; say 3; finish stop; usage -9 3; done",
        "3 words done; settled stop 31+3 disputed; served",
    );
    let play = Play::script("ask unverified; head; say 3; finish stop; usage 9000 3; done");
    let billed = play.settled().unwrap().delivery.usage.input_total().unwrap();
    assert!((50..=200).contains(&billed), "capped by the bytes of the request, not {billed}");
}

#[test]
fn before_the_first_word_another_site_is_tried() {
    let then = "; head; say 1; finish stop; done";
    for (fault, outcome) in [
        ("unreachable", "unreachable"),
        ("full", "busy"),
        ("broken", "failed"),
        ("head; broken", "failed"),
        ("head; end", "failed"),
        ("head; done", "failed"),
        ("head; error", "failed"),
        ("head; garbage", "failed"),
        ("head; prelude 4097", "failed"),
        ("head json", "failed"),
        ("head 500; end", "failed"),
        ("head 401; body no; end", "failed"),
        ("head 429; end", "busy"),
        ("wait 60000", "timed_out"),
        ("head; wait 60000", "timed_out"),
    ] {
        check(&format!("{fault}{then}"), &format!("1 words done; settled stop 5+2; {outcome} served"));
    }
}

#[test]
fn when_every_site_fails_nothing_is_owed() {
    check("unreachable; head 500; end", "503 providers_failed; released upstream_error; unreachable failed");
    check("full; head 429; end", "503 no_provider_available; released upstream_error; busy busy");
    check("wait 60000; wait 60000", "504 timed_out; released upstream_error; timed_out timed_out");
    check(
        r#"head 400; body {"error": {"message": "no such tool", "param": "tools"}}; end"#,
        "400 invalid_request; released upstream_error; served",
    );
}

#[test]
fn after_the_first_word_a_fault_costs_what_was_delivered() {
    for fault in ["broken", "end", "error", "garbage"] {
        let expect = "2 words error provider_broke_off; settled upstream_error 5+2; broke_off";
        check(&format!("head; say 2; {fault}"), expect);
    }
    check(
        "head; say 2; wait 30000",
        "2 words error provider_broke_off; settled upstream_error 5+2; timed_out",
    );
    check("head; say 2; finish stop; wait 30000", "2 words done; settled stop 5+3; served");
    check(
        "head; say 2; usage 5 900; broken",
        "2 words error provider_broke_off; settled upstream_error 5+2; broke_off",
    );
}

#[test]
fn a_client_that_leaves_pays_for_what_it_got() {
    check("leave at once", "nothing; nothing; ");
    check("leave", "nothing; released cancelled; cancelled");
    check("head; leave", "nothing; released cancelled; cancelled");
    check("head; say 3; leave", "3 words; settled cancelled 5+3; cancelled");
    check("slow; head; say 3; leave", "0 words; released cancelled; cancelled");
    check("slow; head; say 3; got; say 4; leave", "3 words; settled cancelled 5+3; cancelled");
    check("slow; head; say 3; got; finish stop; done; leave", "3 words; settled cancelled 5+3; served");
    check("head; say 3; finish stop; done; leave", "3 words done; settled stop 5+4; served");
    check("slow; head; say 3; wait 60000", "0 words; released cancelled; timed_out");
    check("ask plain; head json; leave", "nothing; released cancelled; cancelled");
}

#[test]
fn a_client_that_takes_nothing_is_gone_after_a_while() {
    let silent = "head; say 3; slow; say 3; finish stop; done; wait 59000";
    let play = Play::script(silent);
    assert_eq!(play.summary(), "3 words and waits; held; served");
    check(&format!("{silent}; wait 1000"), "3 words; settled cancelled 5+3; served");
}

/// The play compares each mark with the bill, which here is an estimate on both sides.
#[test]
fn a_mark_claims_no_more_than_the_bill() {
    let play = Play::script("ask unverified; head; say 400; finish stop; done");
    assert!(play.is_marked(), "{}", play.summary());
    play.check_books();
    check("ask unverified; head; say 400; leave", "400 words; settled cancelled 31+400; cancelled");
}

#[test]
fn delivery_waits_for_marks() {
    let play = Play::script("marks late; head; say 400");
    assert_eq!(play.words(), 256, "one interval and no more");
    let play = Play::script("marks late; head; say 400; marks come");
    assert_eq!(play.words(), 400);
    let play = Play::script("marks late; head; say 1; wait 999; say 1");
    assert_eq!(play.words(), 2);
    let play = Play::script("marks late; head; say 1; wait 1000; say 1");
    assert_eq!(play.words(), 1, "a second is an interval too");
    check(
        "marks late; head; say 400; finish stop; done; marks come",
        "400 words done; settled stop 5+401; served",
    );
    let play = Play::script("marks late; head; blurt 900");
    assert!((200..=256).contains(&play.words()), "{} words of one large piece", play.words());
    check("head; blurt 900; finish stop; done", "900 words done; settled stop 5+901; served");
    check("marks late; head; say 400; leave", "256 words; settled cancelled 5+256; cancelled");
}

#[test]
fn a_site_that_goes_on_and_on_is_stopped() {
    check("ask max 100; head; say 500", "110 words done; settled length 5+100; served");
    let one_piece = Play::script("ask max 50; head; blurt 900");
    assert!((45..=59).contains(&one_piece.words()), "{} of one large piece", one_piece.words());
    let play = Play::script("ask usage max 100; head; say 500");
    let finishes =
        play.frames().iter().filter(|frame| frame.contains("\"finish_reason\":\"length\"")).count();
    assert_eq!(finishes, 1);
}

#[test]
fn money_is_asked_for_first() {
    check("ask credit 0", "402 insufficient_quota; nothing; ");
    check("ask max 100 credit 10000", "402 insufficient_quota; nothing; ");
    // Ten tokens of the dearer site, at 8,000 units each, and the prompt.
    check(
        "ask max 10 credit 120000; head; say 1; finish stop; done",
        "1 words done; settled stop 5+2; served",
    );
    // The bound of the prompt is refused; its count is not.
    check(
        "ask max 10 counted credit 120000; head; say 1; finish stop; done",
        "1 words done; settled stop 5+2; served",
    );
    check("busy", "503 overloaded; nothing; ");
}

#[test]
fn what_the_balance_allows_is_what_the_site_is_told() {
    let told = |script: &str| {
        let play = Play::script(script);
        let sent = play.sent.last().unwrap();
        assert_eq!(sent["kept"].to_string(), "0.1", "what is not understood is passed on");
        assert!(sent.get("n_predict").is_none(), "no limit goes by another name");
        sent["max_tokens"].as_u64()
    };
    assert_eq!(told("ask max 10"), Some(10));
    assert_eq!(told("ask max none"), None, "as much as the model can");
    assert_eq!(told("ask max none counted credit 120000"), Some(10), "15 tokens less 5 of the prompt");
    assert_eq!(told("ask max none counted credit 200000 n 4"), Some(5), "for each choice");
}

const ANSWER: &str = r#"body {"id": "x", "choices": [{"index": 0, "message": {"content": " word word"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5, "completion_tokens": 3}}"#;

#[test]
fn a_plain_answer_is_whole_or_nothing() {
    check(&format!("ask plain; head json; {ANSWER}; end"), "2 words usage 5+3; settled stop 5+3; served");
    check(
        &format!("ask plain; head json; {ANSWER}; broken; head json; {ANSWER}; end"),
        "2 words usage 5+3; settled stop 5+3; failed served",
    );
    check(
        "ask plain; head json; body {}; end; head json; body x; end",
        "503 providers_failed; released upstream_error; failed failed",
    );
    let lie = ANSWER.replace("\"completion_tokens\": 3", "\"completion_tokens\": 300");
    check(
        &format!("ask plain; head json; {lie}; end"),
        "2 words usage 5+3; settled stop 5+3 disputed; served",
    );
}

#[test]
fn a_ledger_that_is_busy_is_asked_again_and_one_that_stopped_ends_the_answer() {
    check(
        "head; say 2; busy; finish stop; done; wait 100; well; wait 100",
        "2 words done; settled stop 5+3; served",
    );
    let play = Play::script("head; say 2; stopped; finish stop; done");
    assert_eq!(play.summary(), "2 words error not_settled; held; served");
    play.check_books();
    let play = Play::script(&format!("ask plain; head json; stopped; {ANSWER}; end"));
    assert_eq!(play.summary(), "500 not_settled; held; served");
}

#[test]
fn a_gateway_that_stops_settles_what_was_delivered() {
    check("head; say 3; stop", "3 words error stopping; settled cancelled 5+3; cancelled");
    check("head; stop", "503 stopping; released cancelled; cancelled");
    check("head; say 3; finish stop; done; stop", "3 words done; settled stop 5+4; served");
}

#[test]
fn a_task_that_breaks_closes_the_books_at_its_last_mark() {
    check("panic", "500 internal_error; released recovered; ");
    check("head; panic", "500 internal_error; released recovered; ");
    check("ask plain; head json; panic", "500 internal_error; released recovered; ");
    check("head; say 3; panic", "3 words error internal_error; released recovered; ");
    check("head; say 3; wait 500; say 4; panic", "7 words error internal_error; settled recovered 5+3; ");
    check("head; say 200; panic", "200 words error internal_error; settled recovered 5+128; ");
    check(
        "marks late; head; say 200; panic; marks come",
        "200 words error internal_error; settled recovered 5+128; ",
    );
    check(
        "head; say 3; busy; finish stop; done; panic; well; wait 100",
        "3 words done; settled stop 5+4; served",
    );
    check("head; say 3; finish stop; done; panic", "3 words done; settled stop 5+4; served");
}

/// Any step at any time.
fn step() -> impl Strategy<Value = String> {
    let fixed = [
        "head",
        "head 500",
        "head json",
        "finish stop",
        "usage 5 4",
        "usage 500 4",
        "done",
        "end",
        "error",
        "garbage",
        "broken",
        "unreachable",
        "full",
        "slow",
        "got",
        "marks late",
        "marks come",
        "wait 10",
        "wait 300",
        "wait 1500",
        "wait 40000",
        "leave",
        "stop",
        "panic",
    ];
    prop_oneof![
        3 => proptest::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        3 => (1u32..90).prop_map(|words| format!("say {words}")),
        1 => (1u32..900).prop_map(|words| format!("blurt {words}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever happens in whatever order, the promises hold, the request ends, and nobody pays for more than was delivered,
    /// but for the end-of-sequence token.
    #[test]
    fn any_story_ends_well(asks in 0usize..4, steps in proptest::collection::vec(step(), 0..25)) {
        let asked = ["ask", "ask plain", "ask usage max 50", "ask max none credit 400000"][asks];
        let story = format!("{asked}; head; {}; marks come; got; leave; marks come; wait 200000", steps.join("; "));
        let play = Play::script(&story);
        play.check_books();
        if let Some(receipt) = play.settled() {
            let output = receipt.delivery.usage.output_total().unwrap();
            prop_assert!(output <= play.words() + 1, "{output} billed, {} delivered: {story}", play.words());
        }
    }
}
