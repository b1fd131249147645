//! Ids: UUIDv7 by the node's clock.
use crate::error::{Error, ErrorKind, Result};
use sycee_core::ids::Time;

/// Where new ids come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdSource;

impl IdSource {
    /// A UUIDv7 for `at`: 48 bits of milliseconds, then version, variant and 74 random bits (RFC 9562, section 5.7).
    pub fn draw(self, at: Time) -> Result<u128> {
        let mut bytes = [0u8; 16];
        getrandom::fill(&mut bytes)
            .map_err(|error| Error::because(ErrorKind::Io, "draw a random id", error))?;
        let random = u128::from_be_bytes(bytes);
        let milliseconds = u128::from(at.0 / 1_000_000) & 0xffff_ffff_ffff;
        let version = 0x7u128 << 76;
        let variant = 0b10u128 << 62;
        let free = random & 0x0000_0000_0000_0fff_3fff_ffff_ffff_ffff;
        Ok(milliseconds << 80 | version | variant | free)
    }
}
