//! Lanes: what the lines of one offer and one schedule have in common.
//!
//! A batch has many lines and few offers. What is said once for an offer (its prices, who is paid and what they are owed from
//! before) is looked up once a batch; a line then finds its lane by an index, and what it pays is added up there.
use super::LineRefusal;
use crate::arithmetic::{price, splitter::Splitter};
use crate::buckets::Buckets;
use crate::ids::{AccountId, Amount, Asset, Handle, ModelId, OfferId, ProviderId, ScheduleId, Time};
use crate::{catalog, royalty, settlement};
use std::collections::BTreeMap;

/// Where in [`Lanes`] a lane lies.
pub(super) type Place = usize;

/// No lane yet.
const NONE: u32 = u32::MAX;

/// The lanes of a batch and the pots they pay into.
pub(super) struct Lanes<'a> {
    catalog: &'a catalog::State,
    royalty: &'a royalty::State,
    settlement: &'a settlement::State,
    /// The source reports for this provider's sites only.
    provider: Option<ProviderId>,
    /// By offer, its lane found last.
    heads: Vec<u32>,
    opened: Vec<Lane>,
    pots: Vec<Pot>,
    by_model: BTreeMap<ModelId, Place>,
}

/// One offer under one schedule.
pub(super) struct Lane {
    /// The schedule is in force from here to there.
    from: Time,
    until: Time,
    pub(super) asset: Asset,
    prices: Buckets,
    /// Among the site, the pot and the platform.
    splitter: Splitter,
    pot: Place,
    /// The offer's next lane.
    next: u32,
    pub(super) schedule: ScheduleId,
    pub(super) site: AccountId,
}

/// What a model earns in a batch.
pub(super) struct Pot {
    pub(super) asset: Asset,
    pub(super) model: ModelId,
    pub(super) parties: Vec<royalty::Beneficiary>,
    pub(super) splitter: Splitter,
}

impl<'a> Lanes<'a> {
    pub(super) fn new(
        catalog: &'a catalog::State,
        royalty: &'a royalty::State,
        settlement: &'a settlement::State,
        provider: Option<ProviderId>,
    ) -> Self {
        let offers = usize::try_from(catalog.offer_handles()).expect("usize holds 32 bits");
        Self {
            catalog,
            royalty,
            settlement,
            provider,
            heads: vec![NONE; offers],
            opened: Vec::new(),
            pots: Vec::new(),
            by_model: BTreeMap::new(),
        }
    }

    /// The lane of what started at `start`.
    #[inline]
    pub(super) fn find(&mut self, offer: Handle, start: Time, judging: bool) -> Result<Place, LineRefusal> {
        let index = usize::try_from(offer.0).expect("usize holds 32 bits");
        let mut place = *self.heads.get(index).ok_or(LineRefusal::OfferNotFound)?;
        while let Some(lane) = self.opened.get(usize::try_from(place).expect("usize holds 32 bits")) {
            if lane.from <= start && start < lane.until {
                return Ok(usize::try_from(place).expect("usize holds 32 bits"));
            }
            place = lane.next;
        }
        self.open(index, offer, start, judging)
    }

    #[cold]
    fn open(
        &mut self,
        index: usize,
        offer: Handle,
        start: Time,
        judging: bool,
    ) -> Result<Place, LineRefusal> {
        let id = self.catalog.offer_by_handle(offer).ok_or(LineRefusal::OfferNotFound)?;
        if judging {
            self.check(id)?;
        }
        let (schedule, prices) = self.catalog.schedule_at(id, start).ok_or(LineRefusal::StartTooEarly)?;
        let offer = self.catalog.offers().get(&id).expect("C4: a handle names an offer");
        let site = self.catalog.sites().get(&offer.site).expect("C3: sites are never removed").account;
        let until = self.catalog.schedules_of(id).map(|(from, _)| from).find(|from| *from > prices.from);
        let pot = self.pot(offer.model, prices.asset);
        let lane = Lane {
            from: prices.from,
            until: until.unwrap_or(Time(u64::MAX)),
            asset: prices.asset,
            prices: prices.prices,
            splitter: self.settlement.splitter(schedule, prices),
            pot,
            next: self.heads.get(index).copied().unwrap_or(NONE),
            schedule,
            site,
        };
        let place = self.opened.len();
        self.opened.push(lane);
        if let Some(head) = self.heads.get_mut(index) {
            *head = u32::try_from(place).expect("a batch has fewer lines");
        }
        Ok(place)
    }

    fn check(&self, offer: OfferId) -> Result<(), LineRefusal> {
        if self.provider.is_some() && self.catalog.provider_of(offer) != self.provider {
            return Err(LineRefusal::OfferNotYours);
        }
        if self.catalog.is_open(offer) { Ok(()) } else { Err(LineRefusal::OfferNotOpen) }
    }

    fn pot(&mut self, model: ModelId, asset: Asset) -> Place {
        let (pots, royalty, catalog) = (&mut self.pots, self.royalty, self.catalog);
        *self.by_model.entry(model).or_insert_with(|| {
            let royalty::Pot { parties, carries } = royalty.pot_or_new(catalog, model);
            let shares: Vec<i128> = parties.iter().map(|party| party.share).collect();
            pots.push(Pot { asset, model, parties, splitter: Splitter::new(&shares, &carries) });
            pots.len().saturating_sub(1)
        })
    }

    #[inline]
    pub(super) fn asset(&self, place: Place) -> Asset {
        self.opened.get(place).expect("found before").asset
    }

    /// What a line costs.
    #[inline]
    pub(super) fn cost(&self, place: Place, usage: &Buckets) -> Amount {
        let lane = self.opened.get(place).expect("found before");
        price::total(usage, &lane.prices).expect("ten buckets of 2^32 tokens at PRICE_MAX fit 128 bits")
    }

    /// Splits what a line has paid.
    #[inline]
    pub(super) fn pay(&mut self, place: Place, total: Amount) {
        let lane = self.opened.get_mut(place).expect("found before");
        lane.splitter.pay(total);
        let &[_, to_pot, _] = lane.splitter.last() else { unreachable!("three shares make three parts") };
        if to_pot > 0 {
            self.pots.get_mut(lane.pot).expect("found before").splitter.pay(to_pot);
        }
    }

    pub(super) fn into_parts(self) -> (Vec<Lane>, Vec<Pot>) {
        (self.opened, self.pots)
    }
}

impl Lane {
    /// What went to the site, the pot and the platform.
    pub(super) fn paid(&self) -> [Amount; 3] {
        let &[site, pot, fee] = self.splitter.sums() else { unreachable!("three shares make three parts") };
        [site, pot, fee]
    }

    pub(super) fn carries(&self) -> Vec<i128> {
        self.splitter.carries()
    }

    pub(super) fn has_changed(&self) -> bool {
        self.paid() != [0; 3]
    }
}

impl Pot {
    pub(super) fn has_changed(&self) -> bool {
        self.splitter.sums().iter().any(|sum| *sum != 0)
    }
}
