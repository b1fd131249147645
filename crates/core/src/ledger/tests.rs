//! The scenarios of the ledger.
use super::{Account, Leg, Purpose, Refusal, hold, post, release};
use crate::ids::{AccountId, Amount, Asset, RequestId};
use crate::tests::names::Named;
use crate::tests::{World, check, stage};

const FOR_NOTHING: Purpose = Purpose::Receipt { request: RequestId(1) };

fn member(name: &str) -> Account {
    Account::Member(AccountId::named(name))
}

/// The example of the header.
#[test]
fn a_deposit_a_hold_and_a_payment() {
    let mut world = stage("founded\nmember ada roles=consumer\naccount ada member=ada\ndeposit ada 100");
    let [ada, outside, fees] = [member("ada"), Account::Outside(Asset(0)), Account::Fees(Asset(0))];
    let amounts = |world: &World| {
        [ada, outside, fees].map(|account| world.state().ledger.balance(account).expect("it is there").amount)
    };
    assert_eq!(amounts(&world), [100, -100, 0]);

    world.act(|tx| Ok(hold(tx, AccountId::named("ada"), 40)?)).expect("100 are there");
    assert_eq!(world.state().ledger.balance(ada).expect("opened").available(), 60);

    let paid = world.act(|tx| {
        release(tx, AccountId::named("ada"), 40);
        Ok(post(tx, ada, vec![Leg { to: fees, amount: 30 }], FOR_NOTHING, None)?)
    });
    assert_eq!(paid.expect("70 would be left").len(), 2);
    assert_eq!(amounts(&world), [70, -100, 30]);
    assert_eq!(super::audit(world.state()), []);
}

#[test]
fn what_is_held_can_neither_be_spent_nor_held_again() {
    let mut world = stage("founded\nmember ada roles=consumer\naccount ada member=ada\ndeposit ada 100");
    let ada = AccountId::named("ada");
    world.act(|tx| Ok(hold(tx, ada, 40)?)).expect("100 are there");
    let too_low = Err(Refusal::BalanceTooLow.into());
    assert_eq!(world.act(|tx| Ok(hold(tx, ada, 61)?)), too_low);
    let fees = Account::Fees(Asset(0));
    let pay = |amount| {
        move |tx: &mut crate::Tx<'_>| {
            Ok(post(tx, Account::Member(ada), vec![Leg { to: fees, amount }], FOR_NOTHING, None)?)
        }
    };
    assert_eq!(world.act(pay(61)), too_low);
    assert_eq!(world.act(pay(60)).map(|events| events.len()), Ok(1));
    assert_eq!(world.act(|tx| Ok(hold(tx, ada, -1)?)), Err(Refusal::AmountMustBePositive.into()));
    assert_eq!(
        world.act(|tx| Ok(hold(tx, AccountId::named("eve"), 1)?)),
        Err(Refusal::AccountNotFound.into())
    );
}

/// Nothing that can be sent moves value between assets; the door itself refuses it too.
#[test]
fn value_stays_in_its_asset() {
    let mut world = stage(
        "
        founded
        member ada roles=consumer
        account ada member=ada
        account dollars member=ada asset=1
        deposit ada 100
        ",
    );
    let refused = |to: Account| {
        move |tx: &mut crate::Tx<'_>| {
            Ok(post(tx, member("ada"), vec![Leg { to, amount: 1 }], FOR_NOTHING, None)?)
        }
    };
    assert_eq!(world.act(refused(member("dollars"))), Err(Refusal::AssetsDiffer.into()));
    assert_eq!(world.act(refused(Account::Fees(Asset(1)))), Err(Refusal::AssetsDiffer.into()));
    assert_eq!(world.act(refused(member("eve"))), Err(Refusal::AccountNotFound.into()));
    assert_eq!(world.act(refused(Account::Fees(Asset(0)))).map(|events| events.len()), Ok(1));
    assert_eq!(Refusal::AssetsDiffer.code(), "ledger.assets_differ");
}

#[test]
fn money_comes_in_goes_out_and_is_put_right() {
    check(
        "
        founded
        member ada roles=consumer
        account ada member=ada
        deposit ada 100 ref=bank~7
        payout ada 30
        balances?
        -> outside[0] -70, ada 70
        # The bank had sent 110.
        correct ada 10 corrects=3
        correct ada -5 against=fees corrects=4
        balances?
        -> outside[0] -80, fees[0] 5, ada 75
        ",
    );
}

#[test]
fn a_command_that_moves_money_says_how_much_and_whose() {
    check(
        "
        founded
        member ada roles=consumer
        account ada member=ada
        deposit eve 1
        -> ledger.account_not_found
        payout eve 1
        -> ledger.account_not_found
        correct eve 1
        -> ledger.account_not_found
        deposit ada 0
        -> ledger.amount_must_be_positive
        deposit ada -1
        -> ledger.amount_must_be_positive
        payout ada 0
        -> ledger.amount_must_be_positive
        correct ada 0
        -> ledger.amount_must_be_positive
        deposit ada 1_000_000_000_000_000_000_000_000_001
        -> ledger.amount_too_large
        correct ada least
        -> ledger.amount_too_large
        deposit ada 1 ref=x*513
        -> ledger.reference_too_long
        payout ada 1 ref=x*513
        -> ledger.reference_too_long
        correct ada 1 ref=x*513
        -> ledger.reference_too_long
        correct ada 1 corrects=3
        -> ledger.nothing_to_correct
        correct ada 1 corrects=2
        deposit ada 1 ref=x*512
        ",
    );
}

#[test]
fn nobody_falls_below_their_limit() {
    check(
        "
        founded
        member ada roles=consumer
        account ada member=ada
        payout ada 1
        -> ledger.balance_too_low
        correct ada -1
        -> ledger.balance_too_low
        limit ada 50
        payout ada 51
        -> ledger.balance_too_low
        payout ada 50
        balances?
        -> outside[0] 50, ada -50
        limit ada 49
        -> ledger.balance_too_low
        limit ada -1
        -> ledger.amount_must_be_positive
        limit ada 1_000_000_000_000_000_000_000_000_001
        -> ledger.amount_too_large
        limit eve 1
        -> ledger.account_not_found
        limit ada most
        payout ada most
        -> ledger.balance_too_low
        ",
    );
}

/// However much is piled up, there is an end to it, and it does not hinder what was delivered from being paid.
#[test]
fn there_is_a_most() {
    check(
        "
        market
        deposit pia most
        deposit ada 1
        -> ledger.amount_too_large
        correct pia 1 against=fees
        correct pia 1 against=fees
        -> ledger.amount_too_large
        ask r
        settle r
        receipt? r
        -> 410000 of 410000 held, stop: site pia 317750, author al 49713, data_owner dan 1537, fee fees[0] 41000
        payout pia most
        deposit ada 1
        ",
    );
}

#[test]
fn accounts_are_opened_once_in_an_asset_that_exists() {
    check(
        "
        founded
        member ada roles=consumer
        account ada member=ada
        account ada member=ada
        -> ledger.account_exists
        account second member=ada asset=2
        -> ledger.asset_not_found
        account second member=ada name=
        -> ledger.name_not_allowed
        account second member=ada name=x*97
        -> ledger.name_not_allowed
        account second member=ada name=~x
        -> ledger.name_not_allowed
        account second member=ada limit=-1
        -> ledger.amount_must_be_positive
        account second member=ada limit=1_000_000_000_000_000_000_000_000_001
        -> ledger.amount_too_large
        account second member=ada limit=10
        payout second 10
        # With its house account that makes three.
        repeat 297 account a# member=ada
        account last member=ada
        -> ledger.too_many_accounts
        ",
    );
}

/// L1, L2 and L3 as the audit reads them: broken books are seen.
#[test]
fn the_audit_sees_value_from_nowhere() {
    let world = stage("market");
    let found = |break_it: &dyn Fn(&mut super::State)| -> Vec<&str> {
        let mut state = world.state().clone();
        break_it(&mut state.ledger);
        super::audit(&state).into_iter().map(|breach| breach.invariant).collect()
    };
    let handle = |state: &super::State, name| *state.handles.get(&member(name)).expect("it is open");
    assert_eq!(found(&|_| {}), [""; 0]);
    assert_eq!(
        found(&|state| state
            .balances
            .update(handle(state, "ada"), |row| row.amount = row.amount.saturating_add(1))),
        ["L1"]
    );
    assert_eq!(
        found(&|state| state.balances.update(handle(state, "ada"), |row| row.held = 1_000_000_001)),
        ["L2"]
    );
    assert_eq!(found(&|state| state.balances.update(handle(state, "ada"), |row| row.held = -1)), ["L2"]);
    // Two that no sum holds, which is not zero either.
    let most = |state: &mut super::State, name| {
        state.balances.update(handle(state, name), |row| row.amount = Amount::MAX);
    };
    let both = |state: &mut super::State| {
        most(state, "ada");
        most(state, "dan");
    };
    assert_eq!(found(&both), ["L1"]);
    assert_eq!(found(&|state| state.handles.remove(&member("dan"))), ["L3"]);
    assert_eq!(found(&|state| state.handles.insert(member("dan"), handle(state, "al"))), ["L3"]);
}

/// Money is never quietly cut off: what limits make impossible is a bug, and stops the node.
#[test]
#[should_panic(expected = "L1: within a few times AMOUNT_MAX")]
fn an_amount_beyond_all_limits_is_a_bug() {
    let balance = super::Balance { amount: Amount::MAX, held: 0, limit: Some(1), asset: Asset(0) };
    balance.spendable();
}
