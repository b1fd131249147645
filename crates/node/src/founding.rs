//! Founding: a new log with its charter, its signing key and its first operator.
//!
//! In an order that can be broken off anywhere: a log without a first entry is not founded, and founding it again goes on.
use crate::backup;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{random_seed, uuid};
use crate::key;
use crate::lines::Names;
use crate::seal::Sealer;
use ed25519_dalek::SigningKey;
use std::path::Path;
use std::sync::Arc;
use sycee_core::entry::Submission;
use sycee_core::genesis::{AssetDefinition, Charter, Command};
use sycee_core::ids::{Hash, KeyId, MemberId};
use sycee_core::permission::Actor;
use sycee_core::{Outcome, State};
use sycee_log::{Disk, Log, Options};

/// What a log is founded with.
#[derive(Clone, Debug)]
pub struct Founding {
    /// The name that checkpoints are signed under.
    pub origin: String,
    pub assets: Vec<AssetDefinition>,
    pub operator_name: String,
    /// SHA-256 of the operator's API key.
    pub operator_key_hash: Hash,
    /// Length of the log's segment files.
    pub segment_bytes: u64,
}

/// Makes a new log in `directory`. Returns the operator's id.
pub fn init(disk: &Arc<dyn Disk>, directory: &Path, clock: &Clock, founding: Founding) -> Result<MemberId> {
    found(disk, directory, clock, founding, &mut random_seed)
}

/// As [`init`], with all that is random drawn from `draw`.
pub(crate) fn found(
    disk: &Arc<dyn Disk>,
    directory: &Path,
    clock: &Clock,
    founding: Founding,
    draw: &mut dyn FnMut() -> Result<[u8; 32]>,
) -> Result<MemberId> {
    let options = Options { segment_bytes: founding.segment_bytes, ..Options::default() };
    let at = clock.now().wall;
    let mut id = || draw().map(|seed| uuid(at, u128::from_be_bytes(*seed.first_chunk().expect("32 bytes"))));
    let (operator, log_id, operator_key) = (MemberId(id()?), id()?, KeyId(id()?));
    let Founding { origin, assets, operator_name, operator_key_hash, segment_bytes: _ } = founding;
    let decide = |public_key| {
        let (origin, assets) = (origin.clone(), assets.clone());
        let charter = Charter { log_id, origin, assets, public_key };
        let operator_name = operator_name.clone();
        let command = Command::Found { charter, operator, operator_name, operator_key, operator_key_hash };
        State::default().submit(at, &Submission::internal(Actor::Founder, command))
    };
    // Before anything is written, with a key that nobody has.
    if let Outcome::Refused(refusal) = decide([0; 32]).outcome {
        return Err(Error::new(ErrorKind::Invalid, format!("found the log ({})", refusal.code())));
    }
    let mut log = unfounded(disk, directory, options)?;
    // A key that is there is from an attempt that went no further; nothing was signed with it.
    if !key::exists(&**disk, directory)? {
        key::write(&**disk, directory, &SigningKey::from_bytes(&draw()?))?;
    }
    let decided = decide(key::read(&**disk, directory)?.verifying_key().to_bytes());
    let mut sealer = Sealer::new(draw()?, options.payload_bytes_max(), Names::default());
    for sealed in sealer.seal(decided.entry.into_iter().collect()) {
        log.append(log.next_number(), &sealed.draft)?;
        log.sync()?;
    }
    Ok(operator)
}

/// A log without entries: a new one, or what an attempt has left that did not get to the first.
fn unfounded(disk: &Arc<dyn Disk>, directory: &Path, options: Options) -> Result<Log> {
    backup::check_finished(&**disk, directory)?;
    // Where there is a key there was a log. If it is gone, the key is not to be lost as well.
    let there = key::exists(&**disk, directory)?;
    let made = if there { None } else { Some(Log::create(Arc::clone(disk), directory, options)) };
    match made {
        Some(Ok(log)) => return Ok(log),
        Some(Err(error)) if error.kind != sycee_log::ErrorKind::AlreadyExists => return Err(error.into()),
        Some(Err(_)) | None => {}
    }
    let (log, _) = Log::open(Arc::clone(disk), directory, options)?;
    if log.durable().number == 0 {
        return Ok(log);
    }
    Err(Error::new(ErrorKind::Invalid, format!("found a log in {}, which has one", directory.display())))
}
