//! The scenarios of membership.
use super::Role;
use crate::ids::{AccountId, KeyId};
use crate::tests::names::Named;
use crate::tests::{check, stage};

/// The example of the header.
#[test]
fn a_provider_joins_is_paid_into_an_account_and_reads_with_a_key() {
    check(
        "
        founded
        member qingyang name=Qingyang~Computing roles=provider
        account qy member=qingyang
        key reader member=qingyang
        works? reader
        -> reader works
        standing qingyang suspended
        works? reader
        -> no
        standing qingyang active
        works? reader
        -> reader works
        members?
        -> op Active operator
        -> qingyang Active provider
        ",
    );
}

#[test]
fn members_are_registered_once_in_an_organisation_that_exists() {
    check(
        "
        founded
        organisation grid
        organisation grid
        -> membership.organisation_exists
        organisation other name=
        -> membership.name_not_allowed
        member ada roles=consumer of=nowhere
        -> membership.organisation_not_found
        member ada roles=consumer of=grid
        member ada roles=consumer
        -> membership.member_exists
        member bob roles=consumer name=~bob
        -> membership.name_not_allowed
        member bob
        -> membership.bad_roles
        member bob roles=consumer,operator
        -> membership.bad_roles
        member bob roles=consumer,consumer
        -> membership.bad_roles
        member bob roles=operator,consumer,provider,author,auditor,meter
        ",
    );
}

#[test]
fn accounts_belong_to_members() {
    check(
        "
        founded
        account a member=nobody
        -> membership.member_not_found
        ",
    );
}

#[test]
fn keys_spend_only_from_their_own_member() {
    check(
        "
        market
        key k1 member=nobody
        -> membership.member_not_found
        key k1 member=ada label=
        -> membership.name_not_allowed
        key k member=ada
        -> membership.key_exists
        key k1 member=ada hash=k
        -> membership.key_exists
        key k1 member=ada account=nowhere
        -> ledger.account_not_found
        key k1 member=ada account=pia
        -> membership.not_yours
        key k1 member=ada account=ada
        revoke k1
        revoke k1
        -> membership.key_revoked
        revoke nothing
        -> membership.key_not_found
        works? k1
        -> no
        # A revoked key keeps its id and its hash: neither comes back.
        key k1 member=ada
        -> membership.key_exists
        key k2 member=ada hash=k1
        -> membership.key_exists
        ",
    );
}

#[test]
fn a_member_has_so_many_keys_and_a_revoked_one_makes_room() {
    check(
        "
        founded
        member ada roles=consumer
        repeat 1000 key k# member=ada
        key more member=ada
        -> membership.too_many_keys
        revoke k1
        key more member=ada
        # Issued and revoked for ever, it comes to an end: neither id nor hash is used again.
        revoke k2
        key last member=ada
        revoke k3
        key beyond member=ada
        -> membership.too_many_keys
        member bob roles=consumer
        key b1 member=bob
        ",
    );
}

#[test]
fn somebody_runs_the_platform() {
    check(
        "
        founded
        member ada roles=consumer
        standing op suspended
        -> membership.last_operator
        roles op auditor
        -> membership.last_operator
        roles nobody
        -> membership.member_not_found
        roles ada
        -> membership.bad_roles
        standing nobody suspended
        -> membership.member_not_found
        roles ada operator consumer
        standing op suspended
        standing op active by=ada
        standing op suspended by=ada
        roles ada consumer by=ada
        -> membership.last_operator
        # A suspended operator does not count as one who is left.
        standing ada suspended by=ada
        -> membership.last_operator
        works? opkey
        -> no
        ",
    );
}

/// M1 to M4 as the audit reads them: broken books are seen.
#[test]
fn the_audit_sees_a_key_that_is_not_found_or_spends_elsewhere() {
    let world = stage("market");
    let found = |break_it: &dyn Fn(&mut super::State)| -> Vec<&str> {
        let mut state = world.state().clone();
        break_it(&mut state.membership);
        super::audit(&state).into_iter().map(|breach| breach.invariant).collect()
    };
    let key = |name: &str| -> (KeyId, super::Key) {
        let id = KeyId::named(name);
        (id, world.state().membership.keys.get(&id).expect("it was issued").clone())
    };
    assert_eq!(found(&|_| {}), [""; 0]);
    let (id, details) = key("k");
    let member = details.member;
    assert_eq!(found(&|state| state.by_hash.remove(&details.hash)), ["M1"]);
    assert_eq!(found(&|state| state.by_hash.insert(details.hash, KeyId::named("opkey"))), ["M1"]);
    assert_eq!(found(&|state| state.members.remove(&details.member)), ["M1", "M4"]);
    let elsewhere = super::Key { account: Some(AccountId::named("pia")), ..details };
    assert_eq!(found(&|state| state.keys.insert(id, elsewhere.clone())), ["M2", "M4"]);
    let handle = world.state().membership.key_handle(id).expect("it spends");
    assert_eq!(found(&|state| state.rows.update(handle, |row| row.works = false)), ["M4"]);
    assert_eq!(found(&|state| state.handles.remove(&id)), ["M4", "M4"]);
    assert_eq!(found(&|state| state.live_keys.insert(member, 2)), ["M3"]);
    assert_eq!(found(&|state| state.live_keys.remove(&member)), ["M3"]);
    assert_eq!(found(&|state| state.issued_keys.insert(member, 2)), ["M3"]);
}

#[test]
fn every_role_is_found_by_its_name() {
    for role in Role::ALL {
        assert_eq!(Role::from_name(role.name()), Some(role));
    }
    assert_eq!(Role::from_name("owner"), None);
}
