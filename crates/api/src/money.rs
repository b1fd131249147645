//! Money in answers: integers of an asset's smallest unit, written with all its decimals.
use crate::decimal;
use sycee_core::State;
use sycee_core::ids::{AccountId, Amount, Asset};
use sycee_core::ledger::Account;

/// An asset's code and how its amounts are written.
#[derive(Clone, Debug)]
pub(crate) struct Currency {
    pub(crate) code: String,
    decimals: u8,
}

impl Currency {
    pub(crate) fn of(state: &State, asset: Asset) -> Self {
        let definition =
            state.genesis.asset(asset).expect("accounts and schedules name assets of the charter");
        Self { code: definition.code.clone(), decimals: definition.decimals }
    }

    /// That of a member's account.
    pub(crate) fn of_account(state: &State, account: AccountId) -> Self {
        let details = state.ledger.account(account).expect("accounts that others name are open");
        Self::of(state, details.asset)
    }

    pub(crate) fn write(&self, amount: Amount) -> String {
        decimal::format(amount, self.decimals)
    }

    pub(crate) fn read(&self, text: &str) -> Result<Amount, crate::error::Problem> {
        decimal::parse(text, self.decimals).map_err(|error| {
            crate::error::Problem::bad_request("api.bad_amount", error.to_string())
                .hint("money is a string, such as \"12.50\"")
        })
    }
}

/// How an account is named outside: by its id, or for a house account by what it is and its asset.
pub(crate) fn account_name(state: &State, account: Account) -> String {
    match account {
        Account::Member(id) => id.to_string(),
        Account::Fees(asset) => format!("house_fees_{}", Currency::of(state, asset).code),
        Account::Outside(asset) => format!("house_outside_{}", Currency::of(state, asset).code),
    }
}

/// The account of that name, if it is one.
pub(crate) fn account_named(state: &State, name: &str) -> Option<Account> {
    if let Some(code) = name.strip_prefix("house_fees_") {
        return state.genesis.asset_by_code(code).map(Account::Fees);
    }
    if let Some(code) = name.strip_prefix("house_outside_") {
        return state.genesis.asset_by_code(code).map(Account::Outside);
    }
    name.parse().ok().map(Account::Member)
}

/// Whose account it is, by name.
pub(crate) fn party_name(state: &State, account: Account) -> String {
    match account {
        Account::Member(id) => {
            let member = state.ledger.account(id).and_then(|details| state.membership.member(details.member));
            member.map_or_else(|| id.to_string(), |member| member.name.clone())
        }
        Account::Fees(_) => "platform".to_owned(),
        Account::Outside(_) => "outside".to_owned(),
    }
}
