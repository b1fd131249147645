//! Genesis: what a log is, said once in its first entry.
//!
//! Invariants
//! - G1 A log is founded exactly once, by its first entry, and never again.
//!
//! Example: founding a log with the asset `CNY` of nine decimals makes asset 0, its house accounts, and the first operator.
use crate::ids::{Asset, Hash, KeyId, MemberId};
use crate::table::{Rows, Table};
use crate::{Breach, Tx, limits};
use minicbor::{Decode, Encode};

/// Founds the log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Command {
    /// The first command of every log.
    #[n(0)]
    Found {
        #[n(0)]
        charter: Charter,
        /// The first member, an operator.
        #[n(1)]
        operator: MemberId,
        #[n(2)]
        operator_name: String,
        #[n(3)]
        operator_key: KeyId,
        /// SHA-256 of the operator's API key.
        #[n(4)]
        operator_key_hash: Hash,
    },
}

/// What never changes about a log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Charter {
    /// Random; tells this log from every other.
    #[n(0)]
    pub log_id: u128,
    /// The name that checkpoints are signed under, such as `hub.example/sycee`.
    #[n(1)]
    pub origin: String,
    /// Assets in index order.
    #[n(2)]
    pub assets: Vec<AssetDefinition>,
    /// Ed25519 public key that signs checkpoints.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub public_key: [u8; 32],
}

/// An asset the log may count.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AssetDefinition {
    /// Short code, such as `CNY`.
    #[n(0)]
    pub code: String,
    /// Decimals of the amount as people write it; credits have nine.
    #[n(1)]
    pub decimals: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Event {
    #[n(0)]
    Founded {
        #[n(0)]
        charter: Charter,
    },
}

/// In order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Refusal {
    /// The log already has a charter.
    #[n(0)]
    AlreadyFounded,
    /// No assets, too many, or a code that is bad or there twice.
    #[n(1)]
    BadAssets,
    /// The origin is empty, too long, or not printable.
    #[n(2)]
    BadOrigin,
}

impl Refusal {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::AlreadyFounded => "genesis.already_founded",
            Self::BadAssets => "genesis.bad_assets",
            Self::BadOrigin => "genesis.bad_origin",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct State {
    #[n(0)]
    charter: Table<u8, Charter>,
}

impl State {
    /// The charter; `None` only before the first entry.
    pub fn charter(&self) -> Option<&Charter> {
        self.charter.get(&0)
    }

    /// What is known of an asset.
    pub fn asset(&self, asset: Asset) -> Option<&AssetDefinition> {
        self.charter()?.assets.get(usize::from(asset.0))
    }

    /// The asset of that code.
    pub fn asset_by_code(&self, code: &str) -> Option<Asset> {
        let index = self.charter()?.assets.iter().position(|asset| asset.code == code)?;
        u16::try_from(index).ok().map(Asset)
    }

    pub(crate) fn tables(&mut self) -> [&mut dyn Rows; 1] {
        let Self { charter } = self;
        [charter]
    }
}

pub(crate) fn decide(tx: &mut Tx<'_>, command: &Command) -> Result<(), Refusal> {
    let Command::Found { charter, operator: _, operator_name: _, operator_key: _, operator_key_hash: _ } =
        command;
    if tx.state().genesis.charter().is_some() {
        return Err(Refusal::AlreadyFounded);
    }
    let codes_sound = charter.assets.iter().all(|asset| {
        (1..=limits::ASSET_CODE_BYTES_MAX).contains(&asset.code.len())
            && asset.code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            && asset.decimals <= limits::ASSET_DECIMALS_MAX
            && charter.assets.iter().filter(|it| it.code == asset.code).count() == 1
    });
    if charter.assets.is_empty() || charter.assets.len() > limits::ASSETS_MAX || !codes_sound {
        return Err(Refusal::BadAssets);
    }
    let origin_sound = charter.origin.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+');
    if charter.origin.is_empty() || charter.origin.len() > limits::NAME_BYTES_MAX || !origin_sound {
        return Err(Refusal::BadOrigin);
    }
    tx.emit(Event::Founded { charter: charter.clone() });
    Ok(())
}

pub(crate) fn evolve(state: &mut State, event: &Event) {
    match event {
        Event::Founded { charter } => state.charter.insert(0, charter.clone()),
    }
}

pub(crate) fn audit(state: &crate::State) -> Vec<Breach> {
    let founded = state.genesis.charter.len();
    if founded == 1 { Vec::new() } else { vec![Breach::new("G1", format!("the log has {founded} charters"))] }
}

#[cfg(test)]
mod tests;
