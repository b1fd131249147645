//! The scenarios of idempotency.
use crate::tests::{check, stage};

/// The example of the header.
#[test]
fn what_is_sent_twice_happens_once() {
    check(
        "
        founded
        member ada roles=consumer
        account ada member=ada
        deposit ada 100 id=c1
        position?
        -> 4
        deposit ada 100 id=c1
        -> repeated: applied at 3
        wait 24h
        deposit ada 100 id=c1
        -> repeated: applied at 3
        position?
        -> 4
        balances?
        -> outside[0] -100, ada 100
        ",
    );
}

#[test]
fn an_id_stands_for_its_content() {
    check(
        "
        founded
        member ada roles=consumer
        account ada member=ada
        deposit ada 100 id=c1
        deposit ada 101 id=c1
        -> idempotency.reused
        deposit ada 100 id=c1 reason=other
        -> idempotency.reused
        deposit ada 100 id=c2
        balances?
        -> outside[0] -200, ada 200
        ",
    );
}

/// A refusal is remembered too: what was refused stays refused under that id, though it would be fine by now.
#[test]
fn a_refusal_is_remembered_under_its_id() {
    check(
        "
        founded
        member ada roles=consumer
        account ada member=ada
        payout ada 100 id=c1
        -> ledger.balance_too_low
        deposit ada 100
        payout ada 100 id=c1
        -> repeated: ledger.balance_too_low at 3
        payout ada 100 id=c2
        ",
    );
}

/// One member cannot use up another's ids; and the node's own parts need none.
#[test]
fn ids_belong_to_their_sender() {
    check(
        "
        market
        key a member=ada by=ada id=c1
        key b member=pia by=pia id=c1
        key a member=ada by=ada id=c1
        -> repeated: applied at 19
        epoch id=c1
        epoch id=c1
        ",
    );
}

#[test]
fn an_id_is_accepted_for_a_day() {
    check(
        "
        founded
        member ada roles=consumer
        account ada member=ada
        deposit ada 1 id=c1 drawn=-24h
        -> idempotency.expired
        deposit ada 1 id=c2 drawn=-23h
        deposit ada 1 id=c3 drawn=+6m
        -> idempotency.expired
        deposit ada 1 id=c4 drawn=+5m
        ",
    );
}

/// I1: an id is forgotten an hour after it would no longer be accepted, and then refused as too old.
#[test]
fn ids_are_forgotten_when_they_can_do_no_harm() {
    check(
        "
        founded
        member ada roles=consumer
        account ada member=ada
        deposit ada 1 id=c1
        deposit ada 1 id=c2
        wait 24h
        due?
        -> no
        wait 1h
        due?
        -> yes
        due limit=1
        due?
        -> yes
        deposit ada 1 id=c1
        -> idempotency.expired
        deposit ada 1 id=c2
        -> repeated: applied at 4
        due
        due?
        -> no
        deposit ada 1 id=c2
        -> idempotency.expired
        ",
    );
}

#[test]
fn none_is_evicted() {
    check(
        "
        founded
        member ada roles=consumer
        account ada member=ada
        repeat 250 deposit ada 1 id=c#
        deposit ada 1 id=last
        -> idempotency.full
        deposit ada 1 id=c7
        -> repeated: applied at 9
        deposit ada 1
        wait 26h
        due limit=1
        deposit ada 1 id=other
        ",
    );
}

/// I1 as the audit reads it: an id that would never be forgotten is seen, and so is one that is forgotten twice.
#[test]
fn the_audit_sees_an_id_without_its_time() {
    let world = stage("founded\nmember ada roles=consumer id=c1");
    let found = |state: &crate::State| super::audit(state).len();
    assert_eq!(found(world.state()), 0);
    let seen = world.state().idempotency.seen.iter().next().map(|(key, seen)| (*key, seen.at));
    let (key, at) = seen.expect("c1 is remembered");

    let mut state = world.state().clone();
    state.idempotency.by_time.remove(&(at, key));
    assert_eq!(found(&state), 1);
    state.idempotency.by_time.insert((at.after(1), key), ());
    assert_eq!(found(&state), 1);
    state.idempotency.by_time.insert((at, key), ());
    assert_eq!(found(&state), 1);
}
