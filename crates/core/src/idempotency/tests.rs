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

/// Two members never mean the same id; and the node's own parts need none.
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

/// What a member may not send is refused each time anew, leaves no entry, and may be permitted later under the same id.
#[test]
fn what_may_not_be_sent_is_not_remembered() {
    check(
        "
        market
        position?
        -> 19
        deposit ada 1 by=ada id=c1
        -> permission.not_permitted
        deposit ada 1 by=nobody id=c1
        -> permission.not_permitted
        deposit ada 1 id=c2 reason=none
        -> permission.reason_missing
        position?
        -> 19
        roles ada operator consumer
        deposit ada 1 by=ada id=c1
        deposit ada 1 id=c2
        ",
    );
}

/// One member's flood leaves the others room; of its own ids none is evicted.
#[test]
fn a_member_cannot_use_up_the_ids_of_another() {
    check(
        "
        market
        repeat 2000 deposit ada 1 by=ada id=x#
        -> permission.not_permitted
        revoke k by=ada
        repeat 100 revoke k by=ada id=a#
        -> membership.key_revoked
        repeat 2000 revoke k by=ada id=b#
        -> idempotency.full
        revoke k by=ada id=a7
        -> repeated: membership.key_revoked at 26
        key j member=ada by=ada
        key p1 member=pia by=pia id=p1
        deposit ada 1 id=op
        wait 26h
        due limit=1
        key l member=ada by=ada id=c1
        key m member=ada by=ada id=c2
        -> idempotency.full
        ",
    );
}

/// Memory has an end for all of them together.
#[test]
fn so_many_ids_are_remembered_in_all() {
    check(
        "
        market
        repeat 100 revoke nothing id=o#
        -> membership.key_not_found
        revoke k by=ada
        repeat 100 revoke k by=ada id=a#
        -> membership.key_revoked
        key kp member=pia by=pia
        revoke kp by=pia
        repeat 50 revoke kp by=pia id=p#
        -> membership.key_revoked
        revoke kp by=pia id=p51
        -> idempotency.full
        wait 26h
        due limit=1
        revoke kp by=pia id=p52
        -> membership.key_revoked
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

/// I2 as the audit reads it.
#[test]
fn the_audit_sees_a_count_that_is_wrong() {
    let world = stage("founded\nmember ada roles=consumer id=c1");
    let found = |count: Option<u64>| {
        let mut state = world.state().clone();
        let (member, _) = *state.idempotency.seen.iter().next().expect("c1 is remembered").0;
        match count {
            Some(count) => state.idempotency.by_member.insert(member, count),
            None => state.idempotency.by_member.remove(&member),
        }
        super::audit(&state).first().map(|breach| breach.invariant)
    };
    assert_eq!([found(Some(1)), found(Some(2)), found(None)], [None, Some("I2"), Some("I2")]);
}
