//! The scenarios of royalty.
#![expect(clippy::indexing_slicing, reason = "a test may panic")]
use super::{carries_sound, divide};
use crate::arithmetic::split::WHOLE;
use crate::catalog::PartyRole;
use crate::ids::{AccountId, ModelId};
use crate::tests::names::Named;
use crate::tests::{World, check, stage};

const DIAMOND: &str = "
    founded
    member a roles=author
    member b roles=author
    member c roles=author
    member d roles=author
    account a member=a
    account b member=b
    account c member=c
    account d member=d
    model A account=a
    model B account=b bases=A:100_000
    model C account=c bases=A:100_000
    model D account=d bases=B:100_000,C:100_000
";

fn paid(world: &mut World, amount: i128) -> Vec<(AccountId, i128)> {
    let mut parts = Vec::new();
    let act = |tx: &mut crate::Tx<'_>| {
        parts = divide(tx, ModelId::named("D"), amount);
        Ok(())
    };
    world.act(act).expect("nothing is refused here");
    assert_eq!(super::audit(world.state()), []);
    parts.into_iter().map(|part| (part.account, part.amount)).collect()
}

/// The example of the header.
#[test]
fn a_diamond_is_paid_along_both_paths() {
    let mut world = stage(DIAMOND);
    let named = |parts: [(&str, i128); 4]| parts.map(|(name, amount)| (AccountId::named(name), amount));
    let expected = named([("d", 800_000), ("b", 90_000), ("c", 90_000), ("a", 20_000)]);
    assert_eq!(paid(&mut world, 1_000_000), expected);
}

/// A thousand payments of a unit come to the same as one of a thousand.
#[test]
fn dust_adds_up() {
    let mut world = stage(DIAMOND);
    let mut sums = std::collections::BTreeMap::new();
    for _ in 0..1000 {
        for (account, amount) in paid(&mut world, 1) {
            *sums.entry(account).or_insert(0) += amount;
        }
    }
    let expected = [("a", 20), ("b", 90), ("c", 90), ("d", 800)];
    assert_eq!(sums, expected.map(|(name, amount)| (AccountId::named(name), amount)).into());
    let pot = world.state().royalty.pot(ModelId::named("D")).expect("it was paid");
    assert_eq!(pot.carries, [0; 4]);
}

/// Who holds several shares is one line of the receipt for each role.
#[test]
fn a_pot_has_one_line_for_each_account_and_role() {
    check(
        "
        founded
        member al roles=provider,author
        member ada roles=consumer
        account al member=al
        account ada member=ada
        key k member=ada account=ada
        model base account=al shares=al:data_owner:100_000
        model docs account=al bases=base:200_000 shares=al:data_owner:10_000,ada:author:5
        provider p member=al
        site east provider=p account=al
        offer o model=docs site=east in=1_000_000 out=1_000_000 model_fee=1_000_000 fee=0
        deposit ada 1_000_000
        pot? docs
        -> none
        ask r in=0 out=1_000_000
        settle r in=0 out=1_000_000
        receipt? r
        -> 1000000 of 1000000 held, stop: author al 969995, author ada 5, data_owner al 30000
        pot? docs
        -> author al 969995 ppm, owed 0
        -> author ada 5 ppm, owed 0
        -> data_owner al 30000 ppm, owed 0
        ",
    );
}

/// Terms never change under those who agreed to them, and a pot's shares are those of its first payment.
#[test]
fn a_new_cap_does_not_touch_what_was_agreed() {
    check(
        "
        market
        ask r1
        settle r1
        pot? docs
        -> author al 970000 ppm, owed -500000000000000000
        -> data_owner dan 30000 ppm, owed 500000000000000000
        set ancestors_cap_ppm 0
        ask r2
        settle r2
        receipt? r2
        -> 410000 of 410000 held, stop: site pia 317750, author al 49712, data_owner dan 1538, fee fees[0] 41000
        model late account=al bases=base:1
        -> catalog.ancestors_exceed_cap
        ",
    );
}

/// R1 and R2 as the audit reads them: broken books are seen.
#[test]
fn the_audit_sees_a_pot_that_does_not_add_up() {
    assert!(carries_sound(&[]) && carries_sound(&[5, -5]) && carries_sound(&[WHOLE, -WHOLE]));
    assert!(!carries_sound(&[1]) && !carries_sound(&[3 * WHOLE, -3 * WHOLE]));

    let mut world = stage(DIAMOND);
    paid(&mut world, 7);
    let mut state = world.state().clone();
    let model = ModelId::named("D");
    let pot = state.royalty.pot(model).expect("it was paid").clone();
    let found = |state: &crate::State| -> Vec<_> {
        super::audit(state).into_iter().map(|breach| breach.invariant).collect()
    };
    let mut drifting = pot.clone();
    drifting.carries[0] += 1;
    state.royalty.pots.insert(model, drifting);
    assert_eq!(found(&state), ["R1"]);
    let mut short = pot;
    short.parties[0].share -= 1;
    short.parties[0].role = PartyRole::Author;
    state.royalty.pots.insert(model, short);
    assert_eq!(found(&state), ["R2"]);
}
