//! A row of the hot table: a balance in one cache line.
use super::{Amount, Asset, Balance};
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

/// A [`Balance`] as it lies in memory: 64 bytes that no two lines share. It is written down as the balance it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct Row {
    /// What it has; negative below zero.
    pub amount: Amount,
    /// What is set aside of it by holds.
    pub held: Amount,
    /// How far below zero it may go; [`NO_FLOOR`] for house accounts.
    pub(super) limit: Amount,
    pub(super) asset: Asset,
}

/// No account has a negative limit.
const NO_FLOOR: Amount = -1;

const _: () = assert!(size_of::<Row>() == 64, "a row is a cache line");

impl Row {
    /// The row of a balance.
    pub fn new(balance: Balance) -> Self {
        let Balance { amount, held, limit, asset } = balance;
        Self { amount, held, limit: limit.unwrap_or(NO_FLOOR), asset }
    }

    /// The balance of a row.
    pub fn balance(&self) -> Balance {
        let Self { amount, held, limit, asset } = *self;
        Balance { amount, held, limit: (limit != NO_FLOOR).then_some(limit), asset }
    }
}

impl<C> Encode<C> for Row {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), EncodeError<W::Error>> {
        self.balance().encode(e, ctx)
    }
}

impl<'b, C> Decode<'b, C> for Row {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, DecodeError> {
        Balance::decode(d, ctx).map(Self::new)
    }
}
