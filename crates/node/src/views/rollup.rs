//! Rollups: tokens, money and energy by hour and dimension.
use minicbor::{Decode, Encode};
use sycee_core::buckets::Buckets;
use sycee_core::ids::{Amount, MemberId, ModelId, SiteId, Time};
use sycee_core::limits::HOUR;
use sycee_core::settlement::Settled;
use sycee_core::table::Table;

/// What a rollup is of. The hour is that in which the requests started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct RollupKey {
    /// Hours since 1970.
    #[n(0)]
    pub hour: u64,
    #[n(1)]
    pub site: SiteId,
    #[n(2)]
    pub model: ModelId,
    /// The member who paid.
    #[n(3)]
    pub consumer: MemberId,
}

/// Sums over the receipts of one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Rollup {
    #[n(0)]
    pub requests: u64,
    #[n(1)]
    pub tokens: Buckets,
    #[n(2)]
    pub money: Amount,
    #[n(3)]
    pub microjoules: u64,
}

/// Sums over all receipts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Sold {
    #[n(0)]
    pub requests: u64,
    #[n(1)]
    pub microjoules: u64,
}

impl Sold {
    pub(crate) fn add(&mut self, sale: &Sale) {
        self.requests += 1;
        self.microjoules = self.microjoules.saturating_add(sale.microjoules);
    }
}

/// A receipt as the views see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sale {
    pub(crate) at: Time,
    pub(crate) key: RollupKey,
    pub(crate) tokens: Buckets,
    pub(crate) money: Amount,
    pub(crate) microjoules: u64,
}

impl Sale {
    pub(crate) fn new(at: Time, consumer: MemberId, receipt: &Settled) -> Self {
        let hour = receipt.delivery.started.0 / HOUR;
        Self {
            at,
            key: RollupKey { hour, site: receipt.site, model: receipt.model, consumer },
            tokens: receipt.delivery.usage,
            money: receipt.total,
            microjoules: receipt.energy.microjoules,
        }
    }

    pub(crate) fn add_to(&self, rollups: &mut Table<RollupKey, Rollup>) {
        rollups.update(self.key, |row| self.add(row));
    }

    fn add(&self, row: &mut Rollup) {
        row.requests += 1;
        for (sum, (_, tokens)) in row.tokens.0.iter_mut().zip(self.tokens.iter()) {
            *sum = sum.saturating_add(tokens);
        }
        row.money = row.money.saturating_add(self.money);
        row.microjoules = row.microjoules.saturating_add(self.microjoules);
    }

    pub(crate) fn token_count(&self) -> u64 {
        self.tokens.iter().fold(0, |sum, (_, tokens)| sum.saturating_add(tokens))
    }
}
