//! What is billed: the gateway's own count where it could count, the provider's report where it could not.
//!
//! On a verified side the bill is always the own count. The report then only divides that count into cached, reasoning and
//! the rest: its parts are taken as they are while they fit, and in proportion when the report claims more than was
//! counted. A report outside `[own − 2, own × 1.02 + 8]` is a dispute: recorded and shown, without effect on the bill. On a
//! side that cannot be counted the report is capped by the hold. One that claims more visible tokens than the delivered text has
//! bytes is impossible: a dispute, and like a missing one replaced by an estimate with the default tokenizer. Reasoning that a report
//! states may stay out of sight, so only the hold caps it.
use sycee_core::buckets::{Bucket, Buckets};

use super::{Flaw, Report, Side};

/// Tokens a report may fall short of the own count: end-of-sequence markers that one side counts and the other does not.
pub const DISPUTE_BELOW: u64 = 2;
/// Percent by which a report may exceed the own count: sampling may split text less tightly than the tokenizer would.
pub const DISPUTE_ABOVE_PERCENT: u64 = 2;
/// Tokens by which a report may exceed the own count on top of the percentage, for short texts.
pub const DISPUTE_ABOVE: u64 = 8;

/// Whether the report of a side that was not counted is taken at its word, or shown as unverified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    Unverified,
    Trusted,
}

/// What the gateway knows by itself about one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// Every token was counted; `reasoning` of them stood in text that was delivered as reasoning.
    Verified { tokens: u64, reasoning: u64 },
    /// It could not be counted: an estimate in case the report is missing or impossible, the most it can have been, and, where
    /// only text was delivered, the most tokens that this text can be.
    Estimated { tokens: u64, cap: u64, text_max: Option<u64>, trust: Trust },
}

/// On whose word a side is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    OwnCount,
    Provider,
    Unverified,
}

impl Basis {
    /// The name in receipts.
    pub fn name(self) -> &'static str {
        match self {
            Self::OwnCount => "own_count",
            Self::Provider => "provider",
            Self::Unverified => "unverified",
        }
    }
}

/// A report that does not fit the own count. `reported` is `None` where the number itself was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dispute {
    pub own: u64,
    pub reported: Option<u64>,
}

/// One billed side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BilledSide {
    pub basis: Basis,
    pub dispute: Option<Dispute>,
    pub flaw: Option<Flaw>,
}

/// What a request is billed, before prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bill {
    pub buckets: Buckets,
    pub input: BilledSide,
    pub output: BilledSide,
}

impl Bill {
    /// Whether either side's report contradicts the own count.
    pub fn is_disputed(&self) -> bool {
        self.input.dispute.is_some() || self.output.dispute.is_some()
    }

    /// Whether the provider sent a number that cannot be.
    pub fn is_provider_marked(&self) -> bool {
        self.input.flaw.is_some() || self.output.flaw.is_some()
    }
}

/// Decides the billed buckets of a request.
pub fn resolve(report: &Report, input: Own, output: Own) -> Bill {
    let mut buckets = Buckets::default();
    let input = bill_side(report, report.input, input, Bucket::InputUncached, &mut buckets);
    let output = bill_side(report, report.output, output, Bucket::OutputVisible, &mut buckets);
    Bill { buckets, input, output }
}

fn bill_side(report: &Report, side: Side, own: Own, rest: Bucket, billed: &mut Buckets) -> BilledSide {
    let of_side = || report.buckets.iter().filter(|(bucket, _)| bucket.is_input() == rest.is_input());
    let reported = of_side().map(|(_, tokens)| u128::from(tokens)).sum::<u128>();
    let flaw = match side {
        Side::Absent | Side::Stated => None,
        Side::Refused(flaw) => Some(flaw),
    };
    let (total, basis, dispute) = match (own, side) {
        (Own::Verified { tokens, .. }, _) => (tokens, Basis::OwnCount, dispute(tokens, reported, side)),
        (Own::Estimated { tokens, cap, text_max: Some(most), trust }, Side::Stated)
            if report.buckets.get(rest) > most =>
        {
            (tokens.min(cap), basis_of(trust, Basis::OwnCount), dispute(tokens, reported, side))
        }
        (Own::Estimated { cap, trust, .. }, Side::Stated) => (
            u64::try_from(reported).map_or(cap, |reported| reported.min(cap)),
            basis_of(trust, Basis::Provider),
            None,
        ),
        (Own::Estimated { tokens, cap, trust, text_max: _ }, Side::Absent | Side::Refused(_)) => {
            (tokens.min(cap), basis_of(trust, Basis::OwnCount), None)
        }
    };
    let mut left = total;
    for (bucket, part) in of_side().filter(|(bucket, _)| *bucket != rest) {
        let tokens = own_reasoning(own, bucket).unwrap_or_else(|| share(part, total, reported)).min(left);
        left -= tokens;
        billed.set(bucket, tokens);
    }
    billed.set(rest, left);
    BilledSide { basis, dispute, flaw }
}

/// The basis of an uncounted side: what it would be if trusted, else unverified.
fn basis_of(trust: Trust, trusted: Basis) -> Basis {
    match trust {
        Trust::Trusted => trusted,
        Trust::Unverified => Basis::Unverified,
    }
}

/// Reasoning that was delivered as such was counted as such; the report need not divide it.
fn own_reasoning(own: Own, bucket: Bucket) -> Option<u64> {
    match own {
        Own::Verified { reasoning, .. } if bucket == Bucket::OutputReasoning && reasoning > 0 => {
            Some(reasoning)
        }
        Own::Verified { .. } | Own::Estimated { .. } => None,
    }
}

/// A part of the report as a part of the bill: as it is while the report fits, in proportion when it claims more.
fn share(part: u64, total: u64, reported: u128) -> u64 {
    if reported <= u128::from(total) {
        return part;
    }
    let scaled = u128::from(part) * u128::from(total) / reported;
    u64::try_from(scaled).expect("a part of a total that fits in 64 bits")
}

/// Whether a report contradicts an own count.
fn dispute(own: u64, reported: u128, side: Side) -> Option<Dispute> {
    match side {
        Side::Absent => None,
        Side::Refused(_) => Some(Dispute { own, reported: None }),
        Side::Stated => {
            let counted = u128::from(own);
            let short = reported + u128::from(DISPUTE_BELOW) < counted;
            let most = counted * u128::from(100 + DISPUTE_ABOVE_PERCENT) + u128::from(DISPUTE_ABOVE) * 100;
            let long = reported * 100 > most;
            (short || long).then(|| Dispute { own, reported: u64::try_from(reported).ok() })
        }
    }
}
