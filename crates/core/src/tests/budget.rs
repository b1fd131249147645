//! A balance for fifty: however many ask at once, what is promised never exceeds what is there.
use super::scenario::Stage;
use std::collections::BTreeMap;

/// How often each answer was given to `ask` by the requests of that name.
fn ask_500(stage: &mut Stage, name: &str) -> BTreeMap<String, u32> {
    let mut answers = BTreeMap::new();
    for index in 0..500 {
        let said = stage.run(&format!("ask {name}{index} in=0 out=100"));
        let answer = said.first().map_or("applied", String::as_str).to_owned();
        *answers.entry(answer).or_insert(0) += 1;
    }
    answers
}

fn answers(applied: u32, in_flight: u32) -> BTreeMap<String, u32> {
    [("applied", applied), ("settlement.in_flight_budget", in_flight)]
        .map(|(answer, times)| (answer.to_owned(), times))
        .into()
}

#[test]
fn fifty_holds_of_five_hundred_requests() {
    let mut stage = Stage::default();
    stage.run("market");
    // 100 output tokens at 4 000 units each are 400 000; 50 of them are 20 000 000.
    stage.run("payout ada 980_000_000");
    assert_eq!(ask_500(&mut stage, "a"), answers(50, 450));
    assert_eq!(stage.run("balances?"), ["outside[0] -20000000, ada 20000000 (held 20000000)"]);

    let admitted: Vec<String> = stage.run("holds?");
    assert_eq!(admitted.len(), 50);
    for hold in admitted {
        let (name, _) = hold.split_once(' ').expect("a hold begins with its name");
        assert_eq!(stage.run(&format!("settle {name} in=0 out=50")), [""; 0]);
    }
    assert_eq!(stage.run("holds?"), ["none"]);

    // Half was spent, so half as many fit.
    assert_eq!(ask_500(&mut stage, "b"), answers(25, 475));
    for index in 0..25 {
        assert_eq!(stage.run(&format!("release b{index}")), [""; 0]);
    }
    let left = stage.run("balances?");
    assert_eq!(
        left,
        ["outside[0] -20000000, fees[0] 1000000, al 1212500, ada 10000000, dan 37500, pia 7750000"]
    );
}
