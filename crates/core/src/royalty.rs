//! Royalty: what a model earns goes to everybody who has a share in it.
//!
//! Each model has a pot. What a receipt pays into it goes out at once: to the model's author, to the holders of flat shares,
//! and to the base models by the shares agreed when they were linked, each net of its own bases. A pot's shares are flattened
//! once, at its first payment, and stay: terms never change under those who agreed to them.
//!
//! Invariants
//! - R1 The parts of a payment sum to it exactly, and a party's entitlement minus what it was paid never drifts: the carries of
//!   a pot sum to zero and each stays within as many units as the pot has parties.
//! - R2 A pot has at most 64 parties, and their shares sum to the whole.
//!
//! Example: D is built on B and C with 10 % each, and both on A with 10 %; of a payment of 1,000,000 to D, A gets 20,000, B and
//! C 90,000 each, and D keeps 800,000.
use crate::arithmetic::split::{self, WHOLE};
use crate::catalog::{self, Party, PartyRole};
use crate::ids::{AccountId, Amount, ModelId};
use crate::table::{Rows, Table};
use crate::{Breach, Tx, ledger, limits};
use minicbor::{Decode, Encode};

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    #[n(0)]
    PotOpened {
        #[n(0)]
        model: ModelId,
        #[n(1)]
        parties: Vec<Beneficiary>,
    },
    /// What each party is ahead (negative) or behind after a payment, in parts of [`WHOLE`].
    #[n(1)]
    Carried {
        #[n(0)]
        model: ModelId,
        #[n(1)]
        carries: Vec<i128>,
    },
}

/// A party of a pot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Beneficiary {
    #[n(0)]
    pub account: AccountId,
    #[n(1)]
    pub role: PartyRole,
    /// Parts of [`WHOLE`].
    #[n(2)]
    pub share: i128,
}

/// A model's earnings and who they go to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Pot {
    #[n(0)]
    pub parties: Vec<Beneficiary>,
    #[n(1)]
    pub carries: Vec<i128>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct State {
    #[n(0)]
    pots: Table<ModelId, Pot>,
}

impl State {
    /// The pot of a model; none until its first payment.
    pub fn pot(&self, model: ModelId) -> Option<&Pot> {
        self.pots.get(&model)
    }

    /// The pot of a model, or the one that its first payment will open.
    pub(crate) fn pot_or_new(&self, catalog: &catalog::State, model: ModelId) -> Pot {
        self.pots.get(&model).cloned().unwrap_or_else(|| {
            let parties = beneficiaries(catalog, model);
            Pot { carries: vec![0; parties.len()], parties }
        })
    }

    /// Sets down what the parties of a pot are owed after many payments.
    pub(crate) fn carry(&mut self, model: ModelId, parties: Vec<Beneficiary>, carries: Vec<i128>) {
        self.pots.insert(model, Pot { parties, carries });
    }

    pub(crate) fn tables(&mut self) -> [&mut dyn Rows; 1] {
        let Self { pots } = self;
        [pots]
    }
}

/// One part of a payment to a pot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) account: AccountId,
    pub(crate) role: PartyRole,
    pub(crate) amount: Amount,
}

/// Divides `amount` among the parties of a model's pot; the parts sum to it, those of zero are left out.
pub(crate) fn divide(tx: &mut Tx<'_>, model: ModelId, amount: Amount) -> Vec<Part> {
    if tx.state().royalty.pot(model).is_none() {
        let parties = beneficiaries(&tx.state().catalog, model);
        tx.emit(Event::PotOpened { model, parties });
    }
    let pot = tx.state().royalty.pot(model).expect("it was just opened");
    let shares: Vec<i128> = pot.parties.iter().map(|party| party.share).collect();
    let mut carries = pot.carries.clone();
    let parts = split::split(amount, &shares, &mut carries);
    let paid = pot.parties.iter().zip(parts).filter(|(_, amount)| *amount > 0);
    let paid =
        paid.map(|(party, amount)| Part { account: party.account, role: party.role, amount }).collect();
    if carries != pot.carries {
        tx.emit(Event::Carried { model, carries });
    }
    paid
}

/// The parties of a model by its lineage, one line for each account and role.
pub(crate) fn beneficiaries(catalog: &catalog::State, model: ModelId) -> Vec<Beneficiary> {
    let mut merged: Vec<Beneficiary> = Vec::new();
    for (party, share) in catalog.parties(model).expect("C1, C2: checked when the model was added") {
        let (account, role) = match party {
            Party::Model(id) => {
                (catalog.models().get(&id).expect("C1: bases exist").account, PartyRole::Author)
            }
            Party::Direct(account, role) => (account, role),
        };
        match merged.iter_mut().find(|it| it.account == account && it.role == role) {
            Some(known) => {
                known.share = known.share.checked_add(share).expect("R2: shares sum to the whole");
            }
            None => merged.push(Beneficiary { account, role, share }),
        }
    }
    merged
}

pub(crate) fn evolve(state: &mut State, event: &Event) {
    match event {
        Event::PotOpened { model, parties } => {
            let carries = vec![0; parties.len()];
            state.pots.insert(*model, Pot { parties: parties.clone(), carries });
        }
        Event::Carried { model, carries } => {
            let parties = state.pots.get(model).expect("R2: opened before it carries").parties.clone();
            state.pots.insert(*model, Pot { parties, carries: carries.clone() });
        }
    }
}

pub(crate) fn audit(state: &crate::State) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (model, pot) in &state.royalty.pots {
        if !carries_sound(&pot.carries) || pot.carries.len() != pot.parties.len() {
            breaches.push(Breach::new("R1", format!("the pot of {model} carries {:?}", pot.carries)));
        }
        let shares = sum(pot.parties.iter().map(|party| party.share));
        if shares != Some(WHOLE) || pot.parties.len() > limits::PARTIES_MAX {
            let (parties, shares) = (pot.parties.len(), ledger::in_words(shares));
            breaches.push(Breach::new("R2", format!("{parties} shares of {model} sum to {shares}")));
        }
    }
    breaches
}

/// Carries sum to zero, and none is further from it than a unit a party.
pub(crate) fn carries_sound(carries: &[i128]) -> bool {
    let most =
        u128::try_from(carries.len()).ok().and_then(|parties| parties.checked_mul(WHOLE.unsigned_abs()));
    sum(carries.iter().copied()) == Some(0)
        && most.is_some_and(|most| carries.iter().all(|carry| carry.unsigned_abs() <= most))
}

fn sum(mut parts: impl Iterator<Item = i128>) -> Option<i128> {
    parts.try_fold(0, i128::checked_add)
}

#[cfg(test)]
mod tests;
