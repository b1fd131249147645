//! Ledger: who holds what.
//!
//! Value moves only from one account to others of the same asset, so every asset sums to zero over all accounts: what members
//! hold is what `Outside` owes. A hold sets part of an account aside without moving it.
//!
//! Invariants
//! - L1 The balances of an asset sum to zero.
//! - L2 No member's account is below its limit: balance + limit ≥ held ≥ 0.
//! - L3 Accounts and handles name each other one to one.
//!
//! Example: a deposit of 100 leaves the member with 100 and `Outside` with −100; a hold of 40 leaves 60 available; paying 30
//! of it to `Fees` leaves 70, 30 and −100.
use crate::ids::{AccountId, Amount, Asset, Handle, MemberId, RequestId};
use crate::limits;
use crate::table::{Dense, Rows, Table};
use crate::{Breach, Tx};
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;

mod payments;
mod row;
pub(crate) use payments::Payments;
pub use row::Row;

/// Where value can be. Commands name only members' accounts: the house accounts have no id to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Account {
    /// The world outside the log; what came in stands here as a negative balance.
    #[n(0)]
    Outside(#[n(0)] Asset),
    /// What the platform has earned.
    #[n(1)]
    Fees(#[n(0)] Asset),
    /// A member's account.
    #[n(2)]
    Member(#[n(0)] AccountId),
}

/// Which house account a correction stands against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Against {
    #[n(0)]
    Outside,
    #[n(1)]
    Fees,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Command {
    /// Money came in from outside.
    #[n(0)]
    Deposit {
        #[n(0)]
        account: AccountId,
        #[n(1)]
        amount: Amount,
        #[n(2)]
        reference: String,
    },
    /// Money goes out.
    #[n(1)]
    Payout {
        #[n(0)]
        account: AccountId,
        #[n(1)]
        amount: Amount,
        #[n(2)]
        reference: String,
    },
    /// Puts right an earlier entry by a new posting; a negative amount takes from the account.
    #[n(2)]
    Correct {
        #[n(0)]
        account: AccountId,
        #[n(1)]
        amount: Amount,
        #[n(2)]
        against: Against,
        /// Position of the entry that was wrong.
        #[n(3)]
        corrects: u64,
        #[n(4)]
        reference: String,
    },
    /// How far below zero an account may go; zero for prepaid accounts.
    #[n(3)]
    SetLimit {
        #[n(0)]
        account: AccountId,
        #[n(1)]
        limit: Amount,
    },
}

/// What a posting was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Purpose {
    #[n(0)]
    Deposit,
    #[n(1)]
    Payout,
    #[n(2)]
    Correction {
        #[n(0)]
        corrects: u64,
    },
    #[n(3)]
    Receipt {
        #[n(0)]
        request: RequestId,
    },
}

/// One receiving side of a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Leg {
    #[n(0)]
    pub to: Account,
    #[n(1)]
    pub amount: Amount,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    #[n(0)]
    Opened {
        #[n(0)]
        account: AccountId,
        #[n(1)]
        details: Details,
        #[n(2)]
        limit: Amount,
    },
    #[n(1)]
    Posted {
        #[n(0)]
        from: Account,
        #[n(1)]
        legs: Vec<Leg>,
        #[n(2)]
        purpose: Purpose,
        /// The caller's own words for it, such as a bank's reference.
        #[n(3)]
        reference: Option<String>,
    },
    #[n(2)]
    Held {
        #[n(0)]
        account: AccountId,
        #[n(1)]
        amount: Amount,
    },
    #[n(3)]
    Released {
        #[n(0)]
        account: AccountId,
        #[n(1)]
        amount: Amount,
    },
    #[n(4)]
    LimitSet {
        #[n(0)]
        account: AccountId,
        #[n(1)]
        limit: Amount,
    },
}

/// In order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Refusal {
    #[n(0)]
    AccountNotFound,
    #[n(1)]
    AccountExists,
    #[n(2)]
    AssetNotFound,
    #[n(3)]
    TooManyAccounts,
    #[n(4)]
    NameNotAllowed,
    #[n(5)]
    ReferenceTooLong,
    /// The posting to correct lies in the future.
    #[n(9)]
    NothingToCorrect,
    #[n(6)]
    AmountMustBePositive,
    #[n(7)]
    AmountTooLarge,
    #[n(8)]
    AssetsDiffer,
    #[n(10)]
    BalanceTooLow,
}

impl Refusal {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::AccountNotFound => "ledger.account_not_found",
            Self::AccountExists => "ledger.account_exists",
            Self::AssetNotFound => "ledger.asset_not_found",
            Self::TooManyAccounts => "ledger.too_many_accounts",
            Self::NameNotAllowed => "ledger.name_not_allowed",
            Self::ReferenceTooLong => "ledger.reference_too_long",
            Self::NothingToCorrect => "ledger.nothing_to_correct",
            Self::AmountMustBePositive => "ledger.amount_must_be_positive",
            Self::AmountTooLarge => "ledger.amount_too_large",
            Self::AssetsDiffer => "ledger.assets_differ",
            Self::BalanceTooLow => "ledger.balance_too_low",
        }
    }
}

/// What is known of a member's account besides its money.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Details {
    #[n(0)]
    pub member: MemberId,
    #[n(1)]
    pub asset: Asset,
    #[n(2)]
    pub name: String,
}

/// The money of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Balance {
    /// What it has; negative below zero.
    #[n(0)]
    pub amount: Amount,
    /// What is set aside of it by holds.
    #[n(1)]
    pub held: Amount,
    /// How far below zero it may go; `None` for house accounts, which have no floor.
    #[n(2)]
    pub limit: Option<Amount>,
    #[n(3)]
    pub asset: Asset,
}

impl Balance {
    /// What could be spent if nothing were held.
    pub fn spendable(&self) -> Amount {
        let limit = self.limit.unwrap_or(limits::AMOUNT_MAX);
        self.amount.checked_add(limit).expect("L1: within a few times AMOUNT_MAX")
    }

    /// What can be spent or held now.
    pub fn available(&self) -> Amount {
        self.spendable().checked_sub(self.held).expect("L2: held is at most what is spendable")
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct State {
    #[n(0)]
    accounts: Table<AccountId, Details>,
    #[n(1)]
    handles: Table<Account, Handle>,
    #[n(2)]
    balances: Dense<Row>,
}

impl State {
    /// What is known of a member's account.
    pub fn account(&self, account: AccountId) -> Option<&Details> {
        self.accounts.get(&account)
    }

    /// All members' accounts in order of id.
    pub fn accounts(&self) -> &Table<AccountId, Details> {
        &self.accounts
    }

    /// The money of an account; a house account that nothing has touched has none.
    pub fn balance(&self, account: Account) -> Option<Balance> {
        match (self.handles.get(&account), account) {
            (Some(handle), _) => self.balances.get(*handle).map(Row::balance),
            (None, Account::Outside(asset) | Account::Fees(asset)) => Some(Balance::house(asset)),
            (None, Account::Member(_)) => None,
        }
    }

    /// Every account with its money, house accounts first.
    pub fn balances(&self) -> impl Iterator<Item = (Account, Balance)> + '_ {
        self.handles
            .iter()
            .filter_map(|(account, handle)| Some((*account, self.balances.get(*handle)?.balance())))
    }

    pub(crate) fn tables(&mut self) -> [&mut dyn Rows; 3] {
        let Self { accounts, handles, balances } = self;
        [balances, accounts, handles]
    }

    /// The handle of an account that exists.
    pub fn handle(&self, account: Account) -> Option<Handle> {
        self.handles.get(&account).copied()
    }

    fn change(&mut self, account: Account, change: impl FnOnce(&mut Row)) {
        let handle = match (self.handles.get(&account), account) {
            (Some(handle), _) => *handle,
            (None, Account::Outside(asset) | Account::Fees(asset)) => {
                self.admit(account, Balance::house(asset))
            }
            (None, Account::Member(id)) => panic!("L3: {id} was opened before it is used"),
        };
        self.balances.update(handle, change);
    }

    fn admit(&mut self, account: Account, balance: Balance) -> Handle {
        let handle = self.balances.push(Row::new(balance));
        self.handles.insert(account, handle);
        handle
    }
}

impl Balance {
    fn house(asset: Asset) -> Self {
        Self { amount: 0, held: 0, limit: None, asset }
    }
}

pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<(), Refusal> {
    match command {
        Command::Deposit { account, amount, reference } => {
            let outside = Account::Outside(asset_of(tx, *account)?);
            move_money(tx, outside, Account::Member(*account), *amount, Purpose::Deposit, reference)
        }
        Command::Payout { account, amount, reference } => {
            let outside = Account::Outside(asset_of(tx, *account)?);
            move_money(tx, Account::Member(*account), outside, *amount, Purpose::Payout, reference)
        }
        Command::Correct { account, amount, against, corrects, reference } => {
            let asset = asset_of(tx, *account)?;
            check_reference(reference)?;
            if *corrects >= tx.position {
                return Err(Refusal::NothingToCorrect);
            }
            let size = amount.checked_abs().ok_or(Refusal::AmountTooLarge)?;
            let (house, member) = (house(*against, asset), Account::Member(*account));
            let (from, to) = if *amount < 0 { (member, house) } else { (house, member) };
            move_money(tx, from, to, size, Purpose::Correction { corrects: *corrects }, reference)
        }
        Command::SetLimit { account, limit } => {
            let balance =
                tx.state().ledger.balance(Account::Member(*account)).ok_or(Refusal::AccountNotFound)?;
            check_limit(*limit)?;
            let spendable = balance.amount.checked_add(*limit).expect("L1: within a few times AMOUNT_MAX");
            if spendable < balance.held {
                return Err(Refusal::BalanceTooLow);
            }
            tx.emit(Event::LimitSet { account: *account, limit: *limit });
            Ok(())
        }
    }
}

fn house(against: Against, asset: Asset) -> Account {
    match against {
        Against::Outside => Account::Outside(asset),
        Against::Fees => Account::Fees(asset),
    }
}

fn asset_of(tx: &Tx<'_>, account: AccountId) -> Result<Asset, Refusal> {
    tx.state().ledger.account(account).map(|details| details.asset).ok_or(Refusal::AccountNotFound)
}

fn move_money(
    tx: &mut Tx<'_>,
    from: Account,
    to: Account,
    amount: Amount,
    purpose: Purpose,
    reference: &str,
) -> Result<(), Refusal> {
    check_reference(reference)?;
    check_amount(amount)?;
    check_room(&tx.state().ledger, from, to)?;
    let reference = (!reference.is_empty()).then(|| reference.to_owned());
    post(tx, from, vec![Leg { to, amount }], purpose, reference)
}

fn check_reference(reference: &str) -> Result<(), Refusal> {
    if reference.len() > limits::REASON_BYTES_MAX { Err(Refusal::ReferenceTooLong) } else { Ok(()) }
}

fn check_amount(amount: Amount) -> Result<(), Refusal> {
    match amount {
        1..=limits::AMOUNT_MAX => Ok(()),
        Amount::MIN..=0 => Err(Refusal::AmountMustBePositive),
        _ => Err(Refusal::AmountTooLarge),
    }
}

/// A command takes no account further beyond the largest amount than it already is. Receipts are not asked: they are far
/// too small to get from there to where 128 bits end, and what was delivered has to be paid.
fn check_room(ledger: &State, from: Account, to: Account) -> Result<(), Refusal> {
    let amount = |account: Account| ledger.balance(account).map_or(0, |it| it.amount);
    let beyond = amount(from) < -limits::AMOUNT_MAX || amount(to) > limits::AMOUNT_MAX;
    if beyond { Err(Refusal::AmountTooLarge) } else { Ok(()) }
}

/// Opens an account; membership has checked whose it is.
pub(crate) fn open(
    tx: &mut Tx<'_>,
    account: AccountId,
    details: Details,
    limit: Amount,
) -> Result<(), Refusal> {
    let state = tx.state();
    if state.ledger.account(account).is_some() {
        return Err(Refusal::AccountExists);
    }
    if state.genesis.asset(details.asset).is_none() {
        return Err(Refusal::AssetNotFound);
    }
    if state.ledger.balances.len() >= limits::ACCOUNTS_MAX {
        return Err(Refusal::TooManyAccounts);
    }
    if !crate::name_allowed(&details.name) {
        return Err(Refusal::NameNotAllowed);
    }
    check_limit(limit)?;
    tx.emit(Event::Opened { account, details, limit });
    Ok(())
}

fn check_limit(limit: Amount) -> Result<(), Refusal> {
    match limit {
        0..=limits::AMOUNT_MAX => Ok(()),
        Amount::MIN..0 => Err(Refusal::AmountMustBePositive),
        _ => Err(Refusal::AmountTooLarge),
    }
}

/// The one door through which value moves.
pub(crate) fn post(
    tx: &mut Tx<'_>,
    from: Account,
    legs: Vec<Leg>,
    purpose: Purpose,
    reference: Option<String>,
) -> Result<(), Refusal> {
    let ledger = &tx.state().ledger;
    let giver = ledger.balance(from).ok_or(Refusal::AccountNotFound)?;
    let mut sum: Amount = 0;
    for leg in &legs {
        let taker = ledger.balance(leg.to).ok_or(Refusal::AccountNotFound)?;
        check_amount(leg.amount)?;
        if taker.asset != giver.asset {
            return Err(Refusal::AssetsDiffer);
        }
        sum = sum.checked_add(leg.amount).ok_or(Refusal::AmountTooLarge)?;
    }
    if giver.limit.is_some() && giver.available() < sum {
        return Err(Refusal::BalanceTooLow);
    }
    tx.emit(Event::Posted { from, legs, purpose, reference });
    Ok(())
}

/// Sets part of an account aside.
pub(crate) fn hold(tx: &mut Tx<'_>, account: AccountId, amount: Amount) -> Result<(), Refusal> {
    let balance = tx.state().ledger.balance(Account::Member(account)).ok_or(Refusal::AccountNotFound)?;
    if amount < 0 {
        return Err(Refusal::AmountMustBePositive);
    }
    if balance.available() < amount {
        return Err(Refusal::BalanceTooLow);
    }
    tx.emit(Event::Held { account, amount });
    Ok(())
}

/// Gives back what was set aside; the caller knows that this much is held.
pub(crate) fn release(tx: &mut Tx<'_>, account: AccountId, amount: Amount) {
    tx.emit(Event::Released { account, amount });
}

pub(crate) fn evolve(state: &mut State, event: &Event) {
    match event {
        Event::Opened { account, details, limit } => {
            let balance = Balance { amount: 0, held: 0, limit: Some(*limit), asset: details.asset };
            state.admit(Account::Member(*account), balance);
            state.accounts.insert(*account, details.clone());
        }
        Event::Posted { from, legs, purpose: _, reference: _ } => {
            for leg in legs {
                state.change(*from, |row| {
                    row.amount = row.amount.checked_sub(leg.amount).expect("L1: within AMOUNT_MAX");
                });
                state.change(leg.to, |row| {
                    row.amount = row.amount.checked_add(leg.amount).expect("L1: within AMOUNT_MAX");
                });
            }
        }
        Event::Held { account, amount } => state.change(Account::Member(*account), |row| {
            row.held = row.held.checked_add(*amount).expect("L2: held is at most what is spendable");
        }),
        Event::Released { account, amount } => state.change(Account::Member(*account), |row| {
            row.held =
                row.held.checked_sub(*amount).filter(|held| *held >= 0).expect("L2: released what was held");
        }),
        Event::LimitSet { account, limit } => {
            state.change(Account::Member(*account), |row| row.limit = *limit);
        }
    }
}

/// A sum that an audit has found.
pub(crate) fn in_words(sum: Option<Amount>) -> String {
    sum.map_or_else(|| "more than 128 bits hold".to_owned(), |sum| sum.to_string())
}

pub(crate) fn audit(state: &crate::State) -> Vec<Breach> {
    let ledger = &state.ledger;
    let mut breaches = Vec::new();
    let mut sums: BTreeMap<Asset, Option<Amount>> = BTreeMap::new();
    for (account, balance) in ledger.balances() {
        let sum = sums.entry(balance.asset).or_insert(Some(0));
        *sum = sum.and_then(|sum| sum.checked_add(balance.amount));
        let covers = |limit| balance.amount.checked_add(limit).is_some_and(|it| it >= balance.held);
        if balance.limit.is_some_and(|limit| balance.held < 0 || !covers(limit)) {
            breaches.push(Breach::new("L2", format!("{account:?} has {balance:?}")));
        }
    }
    for (asset, sum) in sums {
        if sum != Some(0) {
            breaches.push(Breach::new("L1", format!("asset {} sums to {}", asset.0, in_words(sum))));
        }
    }
    let mut named: Vec<u32> = ledger.handles.iter().map(|(_, handle)| handle.0).collect();
    named.sort_unstable();
    if !named.iter().copied().eq(0..ledger.balances.len()) {
        breaches
            .push(Breach::new("L3", format!("{} handles for {} rows", named.len(), ledger.balances.len())));
    }
    breaches
}

#[cfg(test)]
mod tests;
