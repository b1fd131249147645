//! Secrets: keys are drawn here, shown once, and kept by their hash.
use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use sycee_core::ids::Hash;

/// A new API key: `sk-sycee-` and 256 random bits.
pub(crate) fn api_key() -> Result<String> {
    Ok(format!("sk-sycee-{}", random_text()?))
}

/// 256 random bits as text.
pub(crate) fn random_text() -> Result<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).context("failed to draw random bits")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What the log knows of a key.
pub(crate) fn hash(key: &str) -> Hash {
    Hash(Sha256::digest(key).into())
}
