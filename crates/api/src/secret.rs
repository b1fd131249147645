//! Secrets: drawn here for everybody, shown once, and kept by their hash.
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use sycee_core::ids::Hash;

/// The system has no randomness to give.
pub use getrandom::Error as NoRandomness;

/// A new API key: `sk-sycee-` and 256 random bits.
pub fn api_key() -> Result<String, NoRandomness> {
    Ok(format!("sk-sycee-{}", random_text()?))
}

/// 256 random bits as text.
pub fn random_text() -> Result<String, NoRandomness> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What the log knows of a key.
pub fn hash(key: &str) -> Hash {
    Hash(Sha256::digest(key).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_drawn_anew_each_time_and_known_by_its_hash() {
        let (one, other) = (api_key().unwrap(), api_key().unwrap());
        assert_eq!(one.strip_prefix("sk-sycee-").unwrap().len(), 43, "256 bits in 6 each");
        assert_ne!(one, other);
        assert_eq!(hash(&one), hash(&one));
        assert_ne!(hash(&one), hash(&other));
    }
}
