//! Ids: UUIDv7 by the node's clock.
use crate::error::{Error, ErrorKind, Result};
use sycee_core::ids::Time;

/// A UUIDv7 for `at`, from the system's randomness.
pub(crate) fn draw(at: Time) -> Result<u128> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::because(ErrorKind::Io, "draw a random id", error))?;
    Ok(uuid(at, u128::from_be_bytes(bytes)))
}

/// 48 bits of milliseconds, then version, variant and 74 random bits (RFC 9562, section 5.7).
pub(crate) fn uuid(at: Time, random: u128) -> u128 {
    let milliseconds = u128::from(at.0 / 1_000_000) & 0xffff_ffff_ffff;
    let version = 0x7u128 << 76;
    let variant = 0b10u128 << 62;
    let free = random & 0x0000_0000_0000_0fff_3fff_ffff_ffff_ffff;
    milliseconds << 80 | version | variant | free
}

/// Fresh randomness from the system.
pub(crate) fn random_seed() -> Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Error::because(ErrorKind::Io, "draw a random seed", error))?;
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::uuid;
    use sycee_core::ids::{RequestId, Time};

    #[test]
    fn an_id_has_the_form_of_a_uuid_7_and_says_when_it_was_drawn() {
        // The example of RFC 9562, appendix A.6: its time and its random bits.
        let example = 0x017f_22e2_79b0_7cc3_98c4_dc0c_0c07_398f;
        let at = Time(0x017f_22e2_79b0 * 1_000_000);
        assert_eq!(uuid(at, example), example);
        assert_eq!(RequestId(uuid(at, 0)).drawn_at(), at);
        assert_eq!(uuid(at, u128::MAX), 0x017f_22e2_79b0_7fff_bfff_ffff_ffff_ffff);
    }
}
