//! Founding: a new log with its charter, its signing key and its first operator.
use crate::checkpoint;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::IdSource;
use crate::seal::Sealer;
use std::path::Path;
use std::sync::Arc;
use sycee_core::entry::Submission;
use sycee_core::genesis::{AssetDefinition, Charter, Command};
use sycee_core::ids::{Hash, KeyId, MemberId};
use sycee_core::permission::Actor;
use sycee_core::{Core, Outcome};
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
    let mut log = Log::create(
        Arc::clone(disk),
        directory,
        Options { segment_bytes: founding.segment_bytes, ..Options::default() },
    )?;
    let public_key = checkpoint::create_key(directory)?;
    let at = clock.now().wall;
    let draw = || IdSource.draw(at);
    let operator = MemberId(draw()?);
    let charter = Charter { log_id: draw()?, origin: founding.origin, assets: founding.assets, public_key };
    let command = Command::Found {
        charter,
        operator,
        operator_name: founding.operator_name,
        operator_key: KeyId(draw()?),
        operator_key_hash: founding.operator_key_hash,
    };
    let decided = Core::default().submit(at, &Submission::internal(Actor::Founder, command));
    if let Outcome::Refused(refusal) = decided.outcome {
        return Err(Error::new(ErrorKind::Invalid, format!("found the log ({})", refusal.code())));
    }
    let entries: Vec<_> = decided.entry.into_iter().collect();
    let mut sealer = Sealer::new(crate::open::random_seed()?);
    for sealed in sealer.seal(&entries) {
        log.append(log.next_number(), &sealed.draft)?;
        log.sync()?;
    }
    Ok(operator)
}
