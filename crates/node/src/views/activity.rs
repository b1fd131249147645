//! Activity: what was sold in the last minute, second by second. For people to watch; not kept in snapshots.
use super::rollup::Sale;
use std::collections::BTreeMap;
use sycee_core::ids::{Amount, MemberId, ModelId, SiteId, Time};
use sycee_core::limits::SECOND;

/// Seconds that are kept.
pub(super) const SECONDS: usize = 60;

/// Where tokens flow from and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Direction {
    pub site: SiteId,
    pub model: ModelId,
    pub consumer: MemberId,
}

/// What flowed in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    pub tokens: u64,
    pub money: Amount,
    pub microjoules: u64,
}

impl Rate {
    fn add(&mut self, other: Self) {
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.money = self.money.saturating_add(other.money);
        self.microjoules = self.microjoules.saturating_add(other.microjoules);
    }
}

/// The last minute.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    /// By second since 1970, oldest first.
    seconds: BTreeMap<u64, BTreeMap<Direction, Rate>>,
}

impl Activity {
    pub(crate) fn add(&mut self, sale: &Sale) {
        let second = sale.at.0 / SECOND;
        let direction = Direction { site: sale.key.site, model: sale.key.model, consumer: sale.key.consumer };
        let rate = Rate { tokens: sale.token_count(), money: sale.money, microjoules: sale.microjoules };
        self.seconds.entry(second).or_default().entry(direction).or_default().add(rate);
        self.seconds = self.seconds.split_off(&second.saturating_sub(SECONDS as u64));
    }

    /// Sums over the minute before `now`, by direction.
    pub fn flows(&self, now: Time) -> BTreeMap<Direction, Rate> {
        let mut flows = BTreeMap::new();
        for (direction, rate) in self.window(now).flat_map(|(_, rates)| rates) {
            let sum: &mut Rate = flows.entry(*direction).or_default();
            sum.add(*rate);
        }
        flows
    }

    /// Tokens of a site in each of the last sixty whole seconds before `now`, oldest first.
    pub fn load(&self, site: SiteId, now: Time) -> [u64; SECONDS] {
        let mut load = [0; SECONDS];
        let first = Self::first(now);
        for (second, rates) in self.window(now) {
            let tokens = rates.iter().filter(|(it, _)| it.site == site).map(|(_, rate)| rate.tokens).sum();
            let index = usize::try_from(second - first).ok();
            if let Some(slot) = index.and_then(|index| load.get_mut(index)) {
                *slot = tokens;
            }
        }
        load
    }

    fn first(now: Time) -> u64 {
        (now.0 / SECOND).saturating_sub(SECONDS as u64)
    }

    fn window(&self, now: Time) -> impl Iterator<Item = (&u64, &BTreeMap<Direction, Rate>)> {
        let first = Self::first(now);
        self.seconds.range(first..first + SECONDS as u64)
    }
}
