//! Properties, over workloads drawn from seeds.
//!
//! What holds after every single command is checked by the world itself; here are those that hold of a whole log, and the
//! proof that the workload goes everywhere.
use super::scenario::Stage;
use super::workload::{Step, line};
use super::{runner, stage, times};
use crate::table::Rows;
use crate::{Event, State, permission};
use proptest::collection::vec;
use proptest::prelude::any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

const SEEDS: u32 = 400;

/// What the workloads have come across.
#[derive(Default)]
struct Seen {
    runs: u32,
    applied: u32,
    repeated: u32,
    refused: BTreeMap<String, u32>,
    events: BTreeSet<String>,
}

impl Seen {
    fn note(&mut self, said: &[String]) {
        match said.first() {
            None => self.applied += 1,
            Some(said) if said.starts_with("repeated") => self.repeated += 1,
            Some(said) => {
                let code = said.split(':').next().expect("there is always a first part").to_owned();
                *self.refused.entry(code).or_insert(0) += 1;
            }
        }
    }
}

#[test]
#[expect(clippy::print_stdout, clippy::disallowed_macros, reason = "a long run says how far it went")]
fn every_seed_keeps_every_promise_and_goes_everywhere() {
    let seen = RefCell::new(Seen::default());
    let last = SEEDS * times() - 1;
    for seed in 0..=last {
        let run = |steps: Vec<Step>| {
            let mut stage = Stage::default();
            stage.run("metered");
            // Prices and shares that leave something over at every rounding.
            stage.run("schedule odd offer=o in=1_000_003 out=4_000_007_777 model_fee=123_457 fee=98_765");
            for step in steps {
                let open = stage.open_requests();
                let said = stage.run(&line(step, &open));
                seen.borrow_mut().note(&said);
            }
            let events = stage.world.log.iter().flat_map(|entry| &entry.events).map(name_of);
            seen.borrow_mut().events.extend(events);
            check_log(&stage);
            seen.borrow_mut().runs += 1;
            Ok(())
        };
        let outcome = runner(seed, 1).run(&vec(any::<Step>(), 150..250), run);
        outcome.unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
    }
    let seen = seen.into_inner();
    let refused: u32 = seen.refused.values().sum();
    let (runs, applied, repeated, reasons) = (seen.runs, seen.applied, seen.repeated, seen.refused.len());
    println!(
        "{runs} seeds, 0 to {last}: {applied} applied, {repeated} repeated, {refused} refused for {reasons} reasons"
    );
    assert_eq!(runs, last + 1, "each seed is one run");
    assert!(seen.applied > 15_000, "only {} of the commands were applied", seen.applied);
    assert!(refused > 10_000, "only {refused} of the commands were refused");
    assert!(seen.repeated > 300, "only {} of the commands were repeated", seen.repeated);
    assert!(seen.refused.len() >= 40, "only {} refusals: {:?}", seen.refused.len(), seen.refused);
    assert_eq!(
        seen.events.len(),
        34,
        "a kind of event never happened, or there is a new one: {:?}",
        seen.events
    );
}

/// `Ledger(Posted` of an event's debug text.
fn name_of(event: &Event) -> String {
    let text = format!("{event:?}");
    text.split([' ', '{']).next().expect("there is always a first part").to_owned()
}

/// A core that starts from a snapshot taken half way goes on as if it had been there from the beginning, whether it folds
/// what follows or decides it again; and if all of what follows were one command that is refused in the end, nothing of it
/// would be left.
fn check_log(stage: &Stage) {
    let log = &stage.world.log;
    let (before, after) = log.split_at(log.len() / 2);
    let mut half = State::default();
    for entry in before {
        half.fold(entry);
    }
    let snapshot = minicbor::to_vec(&half).expect("encoding into memory does not fail");
    let restored = State::decode_exact(&snapshot).expect("it was just written");
    assert_eq!(restored.hash(), half.hash());

    let (mut folding, mut deciding) = (restored.clone(), restored);
    folding.tables().for_each(Rows::freeze);
    for entry in after {
        folding.fold(entry);
        assert_eq!(deciding.submit(entry.at, &entry.submission()).entry.as_ref(), Some(entry));
    }
    assert_eq!(folding.hash(), stage.world.state().hash());
    assert_eq!(deciding.hash(), stage.world.state().hash());
    let mut frozen = State { position: half.position, at: half.at, ..State::default() };
    for (from, to) in folding.tables().zip(frozen.tables()) {
        let mut rows = Vec::new();
        while from.slice(100, &mut rows) {}
        to.load(&rows).expect("it was just written");
        to.loaded();
    }
    assert_eq!(frozen, half, "what comes after a snapshot changes nothing in it");

    let mut refusing = half.clone();
    let (_, refusal) = refusing.attempt(stage.world.now, |tx| {
        for event in after.iter().flat_map(|entry| &entry.events) {
            tx.emit(event.clone());
        }
        Err(permission::Refusal::NotPermitted.into())
    });
    assert!(refusal.is_some());
    assert_eq!(refusing, half, "whatever was done before a refusal is undone, in every table");
}

/// An entry that is not the next one is not folded.
#[test]
#[should_panic(expected = "entries are folded in order")]
fn entries_are_folded_in_order() {
    let world = stage("market");
    let mut state = State::default();
    state.fold(&world.log[0]);
    state.fold(&world.log[2]);
}

#[test]
#[should_panic(expected = "time moves forward")]
fn time_moves_forward() {
    let world = stage("market");
    let entry = world.log.last().expect("the market has entries");
    let mut core = world.state().clone();
    core.submit(entry.at, &entry.submission());
}

/// The audit of a log that was tampered with names what is broken.
#[test]
fn the_audit_sees_broken_books() {
    let found =
        |state: &State| -> Vec<&str> { state.audit().into_iter().map(|breach| breach.invariant).collect() };
    assert_eq!(found(&State::default()), ["G1"]);

    // Half of each entry's events, as if a crash had kept only those.
    let world = stage("market\nask r\nsettle r");
    let mut state = State::default();
    let (last, before) = world.log.split_last().expect("the market has entries");
    for entry in before {
        state.fold(entry);
    }
    let mut torn = last.clone();
    torn.events.truncate(1);
    state.fold(&torn);
    assert_eq!(found(&state), ["S1"], "the hold was released, the request is still open");
}
