//! Exact: reading back what this build wrote, and nothing else.
//!
//! A log is believed because its bytes are hashed, so two spellings of one value must not exist: bytes are taken only if they
//! are one whole value, with nothing after it, written the way this build writes it. A field that a later version added is
//! another spelling, so an older build refuses what it would otherwise silently drop.
use core::fmt;
use minicbor::encode::Write;
use minicbor::{Decode, Decoder, Encode, Encoder};

/// Bytes that are not exactly one value as this build writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inexact {
    /// They are no such value.
    Malformed { cause: String },
    /// They go on where the value ends.
    Trailing { at: usize },
    /// The value they hold is written otherwise from here on.
    NotCanonical { at: usize },
}

impl fmt::Display for Inexact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { cause } => write!(f, "malformed: {cause}"),
            Self::Trailing { at } => write!(f, "the value ends at byte {at}, its bytes go on"),
            Self::NotCanonical { at } => write!(f, "not as this build writes it from byte {at} on"),
        }
    }
}

impl core::error::Error for Inexact {}

/// The one value that `bytes` spell.
pub fn decode<'b, T: Decode<'b, ()> + Encode<()>>(bytes: &'b [u8]) -> Result<T, Inexact> {
    let mut decoder = Decoder::new(bytes);
    let value: T = decoder.decode().map_err(|error| Inexact::Malformed { cause: error.to_string() })?;
    if decoder.position() < bytes.len() {
        return Err(Inexact::Trailing { at: decoder.position() });
    }
    let mut same = Encoder::new(Same { rest: bytes });
    let written = same.encode(&value).is_ok();
    let rest = same.into_writer().rest.len();
    if written && rest == 0 {
        Ok(value)
    } else {
        Err(Inexact::NotCanonical { at: bytes.len().saturating_sub(rest) })
    }
}

/// Takes only the bytes that it expects, so nothing is allocated to compare a whole snapshot.
struct Same<'a> {
    rest: &'a [u8],
}

impl Write for Same<'_> {
    type Error = Differs;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Differs> {
        self.rest = self.rest.strip_prefix(bytes).ok_or(Differs)?;
        Ok(())
    }
}

#[derive(Debug)]
struct Differs;

#[cfg(test)]
mod tests;
