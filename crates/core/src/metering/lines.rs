//! Lines: what one source measured, as columns.
//!
//! A batch of lines is held, sent, written and folded in one form: a column for each fact, numbers of fixed width, least
//! significant byte first. Nothing is repeated and nothing is parsed, so that reading a line costs the bytes of its numbers.
use crate::buckets::Buckets;
use crate::ids::{Handle, Hash, SourceId, Time};
use crate::limits;
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use sha2::{Digest, Sha256};
use std::sync::{Arc, OnceLock};

const MILLISECOND: u64 = 1_000_000;
/// One bit a bucket, in wire order.
const PRESENT_MAX: u16 = 0x3ff;
/// Bytes of a column that are turned at a time.
const CHUNK: usize = 1024;

/// A metered request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The key that it was made with; it says who pays.
    pub key: Handle,
    pub offer: Handle,
    /// Milliseconds from the batch's base.
    pub start_milliseconds: u32,
    pub duration_milliseconds: u32,
    pub microjoules: u64,
    /// Each below 2^32.
    pub usage: Buckets,
}

/// Columns of lines. All but `tokens` have one number a line; `tokens` has one for each bit of `present`, none of them zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    keys: Vec<u32>,
    offers: Vec<u32>,
    starts: Vec<u32>,
    durations: Vec<u32>,
    energies: Vec<u64>,
    present: Vec<u16>,
    tokens: Vec<u32>,
}

impl Lines {
    /// Number of lines.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Tokens of all lines.
    pub fn tokens(&self) -> u64 {
        self.tokens.iter().map(|tokens| u64::from(*tokens)).sum()
    }

    /// The keys of all lines in order.
    pub fn keys(&self) -> &[u32] {
        &self.keys
    }

    /// Adds a line. `false`, and nothing is added, if a bucket counts 2^32 tokens or more.
    pub fn push(&mut self, line: &Line) -> bool {
        let kept = self.tokens.len();
        let mut present = 0;
        for (bit, (_, tokens)) in line.usage.iter().enumerate() {
            match u32::try_from(tokens) {
                Ok(0) => {}
                Ok(tokens) => {
                    present |= 1 << bit;
                    self.tokens.push(tokens);
                }
                Err(_) => {
                    self.tokens.truncate(kept);
                    return false;
                }
            }
        }
        self.keys.push(line.key.0);
        self.offers.push(line.offer.0);
        self.starts.push(line.start_milliseconds);
        self.durations.push(line.duration_milliseconds);
        self.energies.push(line.microjoules);
        self.present.push(present);
        true
    }

    /// The lines in order.
    pub fn iter(&self) -> impl Iterator<Item = Line> + '_ {
        let mut tokens = self.tokens.iter();
        let times = self.starts.iter().zip(&self.durations);
        let rest = self.energies.iter().zip(&self.present);
        self.keys.iter().zip(&self.offers).zip(times).zip(rest).map(
            move |(((key, offer), (start, duration)), (energy, present))| Line {
                key: Handle(*key),
                offer: Handle(*offer),
                start_milliseconds: *start,
                duration_milliseconds: *duration,
                microjoules: *energy,
                usage: usage(*present, &mut tokens),
            },
        )
    }

    /// Whether the columns fit together in the one way that they are written.
    fn is_sound(&self) -> bool {
        let lines = self.keys.len();
        let lengths = [
            self.offers.len(),
            self.starts.len(),
            self.durations.len(),
            self.energies.len(),
            self.present.len(),
        ];
        let counted = self.present.iter().map(|present| u64::from(present.count_ones())).sum::<u64>();
        lengths.iter().all(|length| *length == lines)
            && lines <= limits::BATCH_LINES_MAX
            && self.present.iter().all(|present| *present <= PRESENT_MAX)
            && usize::try_from(counted) == Ok(self.tokens.len())
            && self.tokens.iter().all(|tokens| *tokens > 0)
    }
}

#[inline]
fn usage<'a>(present: u16, tokens: &mut impl Iterator<Item = &'a u32>) -> Buckets {
    let mut usage = Buckets::default();
    for (bit, slot) in usage.0.iter_mut().enumerate() {
        if present & (1 << bit) != 0 {
            *slot = tokens.next().copied().map_or(0, u64::from);
        }
    }
    usage
}

/// Lines of one source, numbered without a gap. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Batch(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    content: Content,
    /// Asked for more than once, and dear.
    hash: OnceLock<Hash>,
}

impl PartialEq for Batch {
    fn eq(&self, other: &Self) -> bool {
        self.0.content == other.0.content
    }
}

impl Eq for Batch {}

/// What a [`Batch`] says.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Content {
    #[n(0)]
    pub source: SourceId,
    /// The number of the first line.
    #[n(1)]
    pub first: u64,
    /// What the starts of its lines are counted from.
    #[n(2)]
    pub base: Time,
    #[n(3)]
    pub lines: Lines,
}

impl Batch {
    /// A batch as it is sent.
    pub fn new(content: Content) -> Self {
        Self(Arc::new(Shared { content, hash: OnceLock::new() }))
    }

    /// The batch that `bytes` spell in the binary form, if they spell it exactly.
    pub fn decode_exact(bytes: &[u8]) -> Result<Self, crate::exact::Inexact> {
        crate::exact::decode(bytes)
    }

    /// When a line started.
    pub fn start_of(&self, line: &Line) -> Time {
        self.base.after(u64::from(line.start_milliseconds).saturating_mul(MILLISECOND))
    }

    /// Number of lines.
    pub fn len(&self) -> u64 {
        u64::try_from(self.lines.len()).unwrap_or(u64::MAX)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The number after its last line; `None` if it does not fit.
    pub fn end(&self) -> Option<u64> {
        self.first.checked_add(self.len())
    }

    /// SHA-256 of all it says.
    pub fn hash(&self) -> Hash {
        *self.0.hash.get_or_init(|| {
            let mut encoder = Encoder::new(Hashing(Sha256::new()));
            encoder.encode(&**self).expect("hashing does not fail");
            Hash(encoder.into_writer().0.finalize().into())
        })
    }
}

impl std::ops::Deref for Batch {
    type Target = Content;
    fn deref(&self) -> &Content {
        &self.0.content
    }
}

struct Hashing(Sha256);

impl Write for Hashing {
    type Error = core::convert::Infallible;
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0.update(bytes);
        Ok(())
    }
}

impl<C> Encode<C> for Batch {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), EncodeError<W::Error>> {
        self.0.content.encode(e, ctx)
    }
}

impl<'b, C> Decode<'b, C> for Batch {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, DecodeError> {
        Content::decode(d, ctx).map(Self::new)
    }
}

impl<C> Encode<C> for Lines {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.array(7)?;
        column(e, &self.keys, u32::to_le_bytes)?;
        column(e, &self.offers, u32::to_le_bytes)?;
        column(e, &self.starts, u32::to_le_bytes)?;
        column(e, &self.durations, u32::to_le_bytes)?;
        column(e, &self.energies, u64::to_le_bytes)?;
        column(e, &self.present, u16::to_le_bytes)?;
        column(e, &self.tokens, u32::to_le_bytes)
    }
}

fn column<W: Write, T: Copy, const N: usize>(
    e: &mut Encoder<W>,
    numbers: &[T],
    bytes: impl Fn(T) -> [u8; N],
) -> Result<(), EncodeError<W::Error>> {
    let length = numbers.len().checked_mul(N).and_then(|length| u64::try_from(length).ok());
    e.bytes_len(length.expect("a column fits the memory it is in"))?;
    let mut chunk = Vec::with_capacity(CHUNK.saturating_mul(N));
    for numbers in numbers.chunks(CHUNK) {
        chunk.clear();
        chunk.extend(numbers.iter().flat_map(|number| bytes(*number)));
        e.writer_mut().write_all(&chunk).map_err(EncodeError::write)?;
    }
    Ok(())
}

impl<'b, C> Decode<'b, C> for Lines {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        if d.array()? != Some(7) {
            return Err(DecodeError::message("lines are seven columns"));
        }
        let lines = Self {
            keys: numbers(d, u32::from_le_bytes)?,
            offers: numbers(d, u32::from_le_bytes)?,
            starts: numbers(d, u32::from_le_bytes)?,
            durations: numbers(d, u32::from_le_bytes)?,
            energies: numbers(d, u64::from_le_bytes)?,
            present: numbers(d, u16::from_le_bytes)?,
            tokens: numbers(d, u32::from_le_bytes)?,
        };
        if lines.is_sound() {
            Ok(lines)
        } else {
            Err(DecodeError::message("the columns do not fit together"))
        }
    }
}

fn numbers<T, const N: usize>(
    d: &mut Decoder<'_>,
    number: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, DecodeError> {
    let (numbers, rest) = d.bytes()?.as_chunks::<N>();
    if rest.is_empty() {
        Ok(numbers.iter().map(|bytes| number(*bytes)).collect())
    } else {
        Err(DecodeError::message("a column ends within a number"))
    }
}
