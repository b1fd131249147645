//! Payments: many at once, for those who meter in bulk.
use super::{Account, Amount, Asset, Handle, Refusal, State};

/// The wide side of the door: many payments in one go. Each leaves its account at once, if that can spend it, and what has left
/// reaches others before the end.
pub(crate) struct Payments<'a> {
    ledger: &'a mut State,
    /// By asset, what was taken, and what of it was not given yet.
    taken: Vec<(Asset, Amount, Amount)>,
}

impl<'a> Payments<'a> {
    pub(crate) fn new(ledger: &'a mut State) -> Self {
        Self { ledger, taken: Vec::new() }
    }

    /// Looks at accounts that will be asked next. They come from memory together here, and one after another if they are first
    /// seen where the answer is waited for.
    #[inline]
    pub(crate) fn expect(&self, payers: impl Iterator<Item = Handle>) {
        let amounts = payers.map(|payer| self.ledger.balances.get(payer).map_or(0, |row| row.amount));
        core::hint::black_box(amounts.fold(0, |all, amount| all ^ amount));
    }

    /// Takes an amount of an asset from an account.
    #[inline]
    pub(crate) fn take(&mut self, payer: Handle, asset: Asset, amount: Amount) -> Result<(), Refusal> {
        let mut taken = Ok(());
        self.ledger.balances.update(payer, |row| {
            if row.asset != asset {
                taken = Err(Refusal::AssetsDiffer);
            } else if row.amount.saturating_add(row.limit).saturating_sub(row.held) < amount {
                taken = Err(Refusal::BalanceTooLow);
            } else {
                row.amount = row.amount.saturating_sub(amount);
            }
        });
        if taken.is_ok() {
            let sums = self.sums(asset);
            sums.1 = sums.1.saturating_add(amount);
            sums.2 = sums.2.saturating_add(amount);
        }
        taken
    }

    /// Gives to an account of that asset.
    pub(crate) fn give(&mut self, to: Account, asset: Asset, amount: Amount) {
        if amount > 0 {
            self.ledger.change(to, |row| {
                row.amount = row.amount.checked_add(amount).expect("L1: within AMOUNT_MAX");
            });
            let sums = self.sums(asset);
            sums.2 = sums.2.checked_sub(amount).expect("L1: within AMOUNT_MAX");
        }
    }

    /// What was taken of an asset in all.
    pub(crate) fn taken(&mut self, asset: Asset) -> Amount {
        self.sums(asset).1
    }

    /// # Panics
    /// When something was taken and not given, or the other way round.
    pub(crate) fn close(self) {
        let even = self.taken.iter().all(|(_, _, left)| *left == 0);
        assert!(even, "L1: not all was given that was taken: {:?}", self.taken);
    }

    #[inline]
    fn sums(&mut self, asset: Asset) -> &mut (Asset, Amount, Amount) {
        let known = self.taken.iter().position(|(other, _, _)| *other == asset);
        let place = known.unwrap_or_else(|| {
            self.taken.push((asset, 0, 0));
            self.taken.len().saturating_sub(1)
        });
        self.taken.get_mut(place).expect("it was just found or made")
    }
}
