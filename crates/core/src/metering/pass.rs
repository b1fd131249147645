//! The pass: one walk over the lines of a batch that prices, books and splits them.
//!
//! The same walk decides a batch and folds it again: when it judges, it finds out which lines bring no money; when it folds, it
//! is told. Lines are taken in groups, and each group in three steps, so that the rows of many accounts are on their way from
//! memory at once instead of one after another.
//!
//! What lines take from consumers leaves at once, so a later line of the same account finds less; what they give arrives when the
//! last line has been taken, so that it matters to nobody in which order they came.
use super::lane::{Lane, Lanes, Place, Pot};
use super::{Batch, Counted, Line, LineRefusal, Paid};
use crate::ids::{Amount, Asset, Handle, Time};
use crate::ledger::{Account, Payments};
use crate::membership::KeyRow;
use crate::{State, limits};
use std::collections::BTreeMap;

/// Lines that are taken together: what is kept of them fits the first cache.
const GROUP: usize = 128;

/// What is known of a line before its account is asked.
#[derive(Clone, Copy)]
struct Priced {
    index: u32,
    payer: Handle,
    lane: Place,
    total: Amount,
}

/// Decides a batch, of whose lines the first `duplicates` are passed over, and books it.
pub(super) fn judge(state: &mut State, at: Time, batch: &Batch, duplicates: u32) -> Counted {
    let mut judge = Judge { at, refused: Vec::new() };
    let paid = walk(state, batch, duplicates, &mut judge);
    let mut refused = judge.refused;
    refused.sort_unstable_by_key(|(index, _)| *index);
    Counted { duplicates, refused, paid }
}

/// Books a batch that was decided before.
///
/// # Panics
/// When what is paid is not what was written down.
pub(super) fn fold(state: &mut State, batch: &Batch, counted: &Counted) {
    let mut told = Told { refused: &counted.refused };
    let paid = walk(state, batch, counted.duplicates, &mut told);
    assert_eq!(paid, counted.paid, "U2: folding a batch pays what deciding it paid");
}

/// Which lines bring no money: found out, or known.
trait Verdict {
    const JUDGES: bool;
    /// Whether the line is to be left out without looking at it.
    fn is_left_out(&mut self, index: u32) -> bool;
    fn check_start(&self, start: Time) -> Result<(), LineRefusal>;
    fn refuse(&mut self, index: u32, why: LineRefusal);
}

struct Judge {
    at: Time,
    refused: Vec<(u32, LineRefusal)>,
}

impl Verdict for Judge {
    const JUDGES: bool = true;

    #[inline]
    fn is_left_out(&mut self, _: u32) -> bool {
        false
    }

    #[inline]
    fn check_start(&self, start: Time) -> Result<(), LineRefusal> {
        if start < self.at.before(limits::LINE_AGE_MAX) {
            Err(LineRefusal::StartTooEarly)
        } else if start > self.at.after(limits::LINE_AHEAD_MAX) {
            Err(LineRefusal::StartAhead)
        } else {
            Ok(())
        }
    }

    #[cold]
    fn refuse(&mut self, index: u32, why: LineRefusal) {
        self.refused.push((index, why));
    }
}

struct Told<'a> {
    /// Those that are still to come.
    refused: &'a [(u32, LineRefusal)],
}

impl Verdict for Told<'_> {
    const JUDGES: bool = false;

    #[inline]
    fn is_left_out(&mut self, index: u32) -> bool {
        match self.refused.split_first() {
            Some(((next, _), rest)) if *next == index => {
                self.refused = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    #[inline]
    fn check_start(&self, _: Time) -> Result<(), LineRefusal> {
        Ok(())
    }

    #[cold]
    fn refuse(&mut self, index: u32, why: LineRefusal) {
        panic!("U2: line {index} was paid when it was decided and now it is {}", why.code());
    }
}

fn walk<V: Verdict>(
    state: &mut State,
    batch: &Batch,
    duplicates: u32,
    verdict: &mut V,
) -> Vec<(Asset, Paid)> {
    let provider = state.metering.sources().get(&batch.source).and_then(|source| source.provider);
    let (royalty, settlement) = (&mut state.royalty, &mut state.settlement);
    let mut lanes = Lanes::new(&state.catalog, royalty, settlement, provider);
    let mut payments = Payments::new(&mut state.ledger);
    let mut keys: Vec<Option<KeyRow>> = Vec::with_capacity(GROUP);
    let mut group: Vec<Priced> = Vec::with_capacity(GROUP);

    let passed_over = usize::try_from(duplicates).expect("usize holds 32 bits");
    let mut lines = (0u32..).zip(batch.lines.iter()).skip(passed_over);
    for handles in batch.lines.keys().get(passed_over..).unwrap_or_default().chunks(GROUP) {
        keys.clear();
        keys.extend(handles.iter().map(|key| state.membership.key_row(Handle(*key)).copied()));
        group.clear();
        for (key, (index, line)) in keys.iter().zip(lines.by_ref()) {
            if verdict.is_left_out(index) {
                continue;
            }
            match price(&mut lanes, verdict, batch, &line, *key) {
                Ok((payer, lane, total)) => group.push(Priced { index, payer, lane, total }),
                Err(why) => verdict.refuse(index, why),
            }
        }
        payments.expect(group.iter().map(|line| line.payer));
        group.retain(|line| {
            let taken = payments.take(line.payer, lanes.asset(line.lane), line.total);
            taken.map_err(|why| verdict.refuse(line.index, why.into())).is_ok()
        });
        for line in &group {
            lanes.pay(line.lane, line.total);
        }
    }
    let (lanes, pots) = lanes.into_parts();
    let paid = give(&mut payments, &lanes, &pots);
    payments.close();
    for lane in lanes.iter().filter(|lane| lane.has_changed()) {
        settlement.carry(lane.schedule, lane.carries());
    }
    for pot in pots.into_iter().filter(Pot::has_changed) {
        royalty.carry(pot.model, pot.parties, pot.splitter.carries());
    }
    paid
}

/// Who pays a line, in which lane, and how much.
#[inline]
fn price<V: Verdict>(
    lanes: &mut Lanes<'_>,
    verdict: &V,
    batch: &Batch,
    line: &Line,
    key: Option<KeyRow>,
) -> Result<(Handle, Place, Amount), LineRefusal> {
    let key = key.ok_or(LineRefusal::KeyNotFound)?;
    if V::JUDGES && !key.works {
        return Err(LineRefusal::KeyNotFitting);
    }
    let start = batch.start_of(line);
    verdict.check_start(start)?;
    let lane = lanes.find(line.offer, start, V::JUDGES)?;
    let total = lanes.cost(lane, &line.usage);
    Ok((key.payer, lane, total))
}

/// Gives to everybody what the lines brought them.
fn give(payments: &mut Payments<'_>, lanes: &[Lane], pots: &[Pot]) -> Vec<(Asset, Paid)> {
    let mut paid: BTreeMap<Asset, Paid> = BTreeMap::new();
    for lane in lanes {
        let [site, pot, fee] = lane.paid();
        let sums = paid.entry(lane.asset).or_default();
        sums.sites = sums.sites.saturating_add(site);
        sums.pots = sums.pots.saturating_add(pot);
        sums.fees = sums.fees.saturating_add(fee);
        payments.give(Account::Member(lane.site), lane.asset, site);
        payments.give(Account::Fees(lane.asset), lane.asset, fee);
    }
    for pot in pots {
        for (party, amount) in pot.parties.iter().zip(pot.splitter.sums()) {
            payments.give(Account::Member(party.account), pot.asset, *amount);
        }
    }
    for (asset, sums) in &mut paid {
        sums.total = payments.taken(*asset);
    }
    paid.into_iter().filter(|(_, sums)| sums.total != 0).collect()
}
