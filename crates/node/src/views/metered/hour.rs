//! Hour: the sums of one hour, and how they go into snapshots.
use minicbor::decode::Error as DecodeError;
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;
use sycee_core::buckets::Buckets;
use sycee_core::ids::{Amount, Handle};

/// Accounts in a page.
const PAGE: usize = 512;

/// What was metered in one hour.
#[derive(Clone, Debug, Default)]
pub(super) struct Hour {
    /// By the offer's handle.
    offers: Vec<OfferHour>,
    /// By the paying account's handle, in pages; a page that nobody has used is empty.
    payers: Vec<Vec<PayerHour>>,
    frozen: Option<Frozen>,
}

/// A snapshot under way.
#[derive(Clone, Debug)]
struct Frozen {
    /// Those of then, until they are written.
    offers: Option<Vec<OfferHour>>,
    /// The next page to be written, and how many there were then.
    next: usize,
    pages: usize,
    /// What pages from there on were then, if they have changed since.
    former: BTreeMap<usize, Vec<PayerHour>>,
}

/// A part of an hour as snapshots have it.
#[derive(Encode, Decode)]
pub(super) enum Piece {
    #[n(0)]
    Offers(#[n(0)] Vec<OfferHour>),
    #[n(1)]
    Payers(#[n(0)] Vec<PayerHour>),
}

/// What an offer delivered in an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct OfferHour {
    #[n(0)]
    pub lines: u64,
    /// Of these, lines that nobody could pay.
    #[n(1)]
    pub unbilled: u64,
    #[n(2)]
    pub tokens: Buckets,
    #[n(3)]
    pub money: Amount,
    #[n(4)]
    pub microjoules: u64,
}

/// What an account used in an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct PayerHour {
    #[n(0)]
    pub lines: u32,
    #[n(1)]
    pub tokens: u64,
    #[n(2)]
    pub money: Amount,
}

impl PartialEq for Hour {
    fn eq(&self, other: &Self) -> bool {
        (&self.offers, &self.payers) == (&other.offers, &other.payers)
    }
}

impl Eq for Hour {}

impl Hour {
    pub(super) fn offer_row(&self, offer: Handle) -> Option<&OfferHour> {
        self.offers.get(offer.0 as usize)
    }

    pub(super) fn offer(&mut self, offer: Handle) -> &mut OfferHour {
        let index = offer.0 as usize;
        if self.offers.len() <= index {
            self.offers.resize(index + 1, OfferHour::default());
        }
        &mut self.offers[index]
    }

    pub(super) fn payer_row(&self, payer: Handle) -> Option<&PayerHour> {
        let index = payer.0 as usize;
        self.payers.get(index / PAGE)?.get(index % PAGE)
    }

    pub(super) fn payer(&mut self, payer: Handle) -> &mut PayerHour {
        let (page, slot) = (payer.0 as usize / PAGE, payer.0 as usize % PAGE);
        if self.payers.len() <= page {
            self.payers.resize_with(page + 1, Vec::new);
        }
        let rows = &mut self.payers[page];
        if let Some(frozen) = &mut self.frozen {
            frozen.remember(page, rows);
        }
        if rows.is_empty() {
            rows.resize(PAGE, PayerHour::default());
        }
        &mut rows[slot]
    }

    pub(super) fn freeze(&mut self) {
        let (offers, pages) = (Some(self.offers.clone()), self.payers.len());
        self.frozen = Some(Frozen { offers, next: 0, pages, former: BTreeMap::new() });
    }

    pub(super) fn thaw(&mut self) {
        self.frozen = None;
    }

    /// The next piece of a snapshot that is under way.
    pub(super) fn next_piece(&mut self) -> Option<Piece> {
        let frozen = self.frozen.as_mut()?;
        if let Some(offers) = frozen.offers.take() {
            return Some(Piece::Offers(offers));
        }
        if frozen.next == frozen.pages {
            self.frozen = None;
            return None;
        }
        let former = frozen.former.remove(&frozen.next);
        let rows = former.unwrap_or_else(|| self.payers[frozen.next].clone());
        frozen.next += 1;
        Some(Piece::Payers(rows))
    }

    /// Takes what [`Hour::next_piece`] gave, in the same order.
    pub(super) fn add_piece(&mut self, piece: Piece) -> Result<(), DecodeError> {
        match piece {
            Piece::Offers(offers) => self.offers = offers,
            Piece::Payers(rows) if rows.is_empty() || rows.len() == PAGE => self.payers.push(rows),
            Piece::Payers(_) => return Err(DecodeError::message("this is no page")),
        }
        Ok(())
    }
}

impl Frozen {
    #[cold]
    fn remember(&mut self, page: usize, rows: &[PayerHour]) {
        if (self.next..self.pages).contains(&page) {
            self.former.entry(page).or_insert_with(|| rows.to_vec());
        }
    }
}

impl OfferHour {
    pub(super) fn add(&mut self, usage: &Buckets, paid: Amount, microjoules: u64, is_unbilled: bool) {
        self.lines += 1;
        self.unbilled += u64::from(is_unbilled);
        for (sum, tokens) in self.tokens.0.iter_mut().zip(usage.0) {
            *sum = sum.saturating_add(tokens);
        }
        self.money = self.money.saturating_add(paid);
        self.microjoules = self.microjoules.saturating_add(microjoules);
    }
}

impl PayerHour {
    pub(super) fn add(&mut self, usage: &Buckets, paid: Amount) {
        self.lines = self.lines.saturating_add(1);
        self.tokens = usage.0.iter().fold(self.tokens, |sum, tokens| sum.saturating_add(*tokens));
        self.money = self.money.saturating_add(paid);
    }
}
