//! Work whose time has come: holds that a gateway left behind, and ids that may be forgotten.
use super::market::{
    CONSUMER, CREDIT, OFFERS, START, authorise, by, by_gateway, deposit, mark, market, request,
};
use super::rig::{Rig, SEGMENT_BYTES, init, options};
use crate::clock::{Clock, Hands};
use crate::ids::uuid;
use crate::open::Options;
use std::time::Duration;
use sycee_core::entry::{Command, Submission};
use sycee_core::ids::{CommandId, MemberId};
use sycee_core::ledger::Account;
use sycee_core::limits::DUE_STEPS_MAX;
use sycee_core::settlement::{self, Finish};
use sycee_core::{Outcome, idempotency};
use sycee_log::SimDisk;

fn founded() -> (Rig, Hands, MemberId) {
    let disk = SimDisk::new(1);
    let (clock, hands) = Clock::manual(START);
    let operator = init(&disk, &clock, 1).unwrap();
    let options = Options { segment_bytes: 64 * SEGMENT_BYTES, ..options(&disk, &clock) };
    let mut rig = Rig::open(options).unwrap();
    hands.pass(Duration::from_millis(5));
    for (_, outcome) in rig.submit(market(operator)).unwrap() {
        assert!(matches!(outcome, Outcome::Applied { .. }), "{outcome:?}");
    }
    (rig, hands, operator)
}

/// How many requests the entries decided without anybody asking have closed: settled, released.
fn idle(rig: &mut Rig) -> Vec<(usize, usize)> {
    let mut closed = Vec::new();
    while rig.stages.order.is_due(rig.clock.now()) {
        let batch = rig.decide(Vec::new());
        assert_eq!(batch.entries.len(), 1);
        assert_eq!(batch.entries[0].command, Command::Due { limit: DUE_STEPS_MAX });
        let events = batch.entries[0].events.clone();
        let count = |wanted: fn(&settlement::Event) -> bool| {
            let events = events.iter().filter_map(|event| match event {
                sycee_core::Event::Settlement(event) => Some(event),
                _ => None,
            });
            events.filter(|event| wanted(event)).count()
        };
        closed.push((
            count(|event| {
                matches!(event, settlement::Event::Settled { receipt, .. }
                    if receipt.delivery.finish == Finish::Recovered)
            }),
            count(|event| {
                matches!(event, settlement::Event::Released { release, .. } if release.finish == Finish::Recovered)
            }),
        ));
        for part in rig.stages.append.seal(batch) {
            let written = rig.stages.append.append(part).unwrap();
            rig.stages.commit.commit(written).unwrap();
        }
    }
    closed
}

const REQUESTS: u64 = 1_200;

#[test]
fn holds_of_an_earlier_epoch_close_in_bounded_steps() {
    let (mut rig, hands, _) = founded();
    let now = rig.clock.now().wall;
    let asked: Vec<_> = (0..REQUESTS).map(|index| request(now, index)).collect();
    let sent = asked.iter().map(|request| authorise(*request, 100)).collect();
    assert!(rig.submit(sent).unwrap().iter().all(|(_, it)| matches!(it, Outcome::Applied { .. })));
    // Every third has delivered something.
    let marks = asked.iter().step_by(3).map(|request| mark(*request, OFFERS[0], 60)).collect();
    rig.submit(vec![by_gateway(settlement::Command::Advance { marks })]).unwrap();
    assert_eq!(idle(&mut rig), [], "the gateway that asked for them runs on");

    rig.submit(vec![by_gateway(settlement::Command::BeginEpoch)]).unwrap();
    hands.pass(Duration::from_secs(1));
    let closed = idle(&mut rig);
    let totals: Vec<usize> = closed.iter().map(|(settled, released)| settled + released).collect();
    let limit = usize::try_from(DUE_STEPS_MAX).unwrap();
    assert_eq!(totals, [limit, limit, 1_200 - 2 * limit]);
    assert_eq!(closed.iter().map(|(settled, _)| settled).sum::<usize>(), 400);
    let state = &rig.stages.shared.views().state;
    assert!(state.settlement.holds().is_empty());
    let balance = state.ledger.balance(Account::Member(CONSUMER)).unwrap();
    assert_eq!(balance.held, 0);
    // 41 tokens in and 60 out, at the schedule's prices, rounded down; the site is another's.
    let price = (41 * 700_000_013 + 60 * 3_100_000_021) / 1_000_000;
    assert_eq!(balance.amount, 1_000 * CREDIT - 400 * price);
    assert_eq!(state.audit(), []);
}

#[test]
fn what_arrives_waits_for_at_most_one_step_of_it() {
    let (mut rig, _, operator) = founded();
    let now = rig.clock.now().wall;
    rig.submit((0..600).map(|index| authorise(request(now, index), 5)).collect()).unwrap();
    rig.submit(vec![by_gateway(settlement::Command::BeginEpoch)]).unwrap();
    let batch = rig.decide(vec![by(operator, deposit(CONSUMER, 1))]);
    let kinds: Vec<bool> =
        batch.entries.iter().map(|entry| matches!(entry.command, Command::Due { .. })).collect();
    assert_eq!(kinds, [true, false]);
    assert_eq!(rig.stages.shared.views().state.settlement.holds().len(), 600 - 512);
}

#[test]
fn ids_are_forgotten_after_a_day_and_an_hour() {
    let (mut rig, hands, operator) = founded();
    let id = Some(CommandId(uuid(rig.clock.now().wall, 1)));
    let sent = Submission { id, ..by(operator, deposit(CONSUMER, 7)) };
    let first = rig.submit(vec![sent.clone()]).unwrap().remove(0).1;
    let Outcome::Applied { position, .. } = first else { panic!("{first:?}") };
    hands.pass(Duration::from_secs(24 * 3_600 + 1));
    assert_eq!(idle(&mut rig), []);
    let again = rig.submit(vec![sent.clone()]).unwrap().remove(0).1;
    assert_eq!(again, Outcome::Repeated { position, refusal: None }, "too old to be new, and still known");
    hands.pass(Duration::from_hours(1));
    assert_eq!(idle(&mut rig), [(0, 0)]);
    let late = rig.submit(vec![sent]).unwrap().remove(0).1;
    assert_eq!(late, Outcome::Refused(idempotency::Refusal::Expired.into()));
    assert_eq!(rig.stages.shared.views().state.audit(), []);
}
