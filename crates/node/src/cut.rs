//! Cut: giving up the end of a log at the operator's word, and a record of it that stays.
//!
//! Entries can be lost in two ways that a log's own frames do not explain: damage, and a log that is shorter than what was
//! signed of it. Either way opening it is refused and a position named. When the operator names that position back, what cannot
//! be kept is set aside in files called `cut-…`, and a line is added to the file `cuts`, which is never shortened. A line is also
//! written at the next start for anything that was set aside when power went before it could be.
use crate::checkpoint::{self, Signed};
use crate::error::{Error, ErrorKind, Result};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use sycee_core::ids::Time;
use sycee_log::{Cut, Disk, Log, Options, Recovery, SyncPoint, whole};

/// The record, a line for each cut.
pub(crate) const RECORD: &str = "cuts";
/// What is set aside begins with this.
const ASIDE: &str = "cut-";

/// Opens a log, cutting it if it is damaged where the operator says.
///
/// A log that is sound as far as it goes may still be shorter than its checkpoint. Only the caller can tell, so it is opened as
/// it is if it ends where the operator says; see [`is_allowed`].
pub(crate) fn open(disk: &Arc<dyn Disk>, directory: &Path, options: Options) -> Result<(Log, Recovery)> {
    let refused = match Log::open(Arc::clone(disk), directory, options) {
        Err(error) if error.kind == sycee_log::ErrorKind::Invalid && options.cut_tail.is_some() => error,
        opened => return Ok(opened?),
    };
    let sound = Log::open(Arc::clone(disk), directory, Options { cut_tail: None, ..options });
    match sound {
        Ok((log, recovery)) if options.cut_tail == Some(log.durable().position) => Ok((log, recovery)),
        Ok(_) | Err(_) => Err(refused.into()),
    }
}

/// Whether the operator gives up what `signed` says was there after `position`.
pub(crate) fn is_allowed(cut_tail: Option<u64>, position: u64, signed: &Signed) -> bool {
    cut_tail == Some(position) && signed.size > position
}

/// The refusal of a log that has less than was signed of it.
pub(crate) fn rolled_back(position: u64, signed: &Signed) -> Error {
    let context = format!(
        "trust the log: it ends at position {position}, its own checkpoint says that {} entries were there",
        signed.size
    );
    Error::new(ErrorKind::RolledBack, context)
}

/// Sets aside the checkpoint of what was given up.
pub(crate) fn set_checkpoint_aside(disk: &dyn Disk, directory: &Path, position: u64) -> Result<()> {
    let failed = |error| Error::because(ErrorKind::Io, "set the checkpoint aside", error);
    let mut attempt = 1_u64;
    loop {
        let aside = directory.join(format!("{ASIDE}{position}-{attempt}-{}", checkpoint::FILE));
        if !disk.exists(&aside).map_err(failed)? {
            // Made durable together with the record that names it.
            return disk.rename(&directory.join(checkpoint::FILE), &aside).map_err(failed);
        }
        attempt += 1;
    }
}

/// Adds what was set aside since the record was last written, with the cause if it was just now.
pub(crate) fn record(disk: &dyn Disk, directory: &Path, at: Time, cut: Option<&Cut>) -> Result<()> {
    let failed = |error| Error::because(ErrorKind::Io, "record what was cut", error);
    let mut text = read(disk, directory)?;
    let before = text.len();
    let known: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let names = disk.list(directory).map_err(failed)?;
    let fresh: Vec<String> =
        names.into_iter().filter(|name| name.starts_with(ASIDE) && !known.contains(name)).collect();
    if let Some(cut) = cut {
        writeln!(text, "at {} cut: {}; kept: {}", at.0, cut.damage, listed(&fresh)).expect("text grows");
    } else if !fresh.is_empty() {
        writeln!(text, "at {} found what was cut: {}", at.0, listed(&fresh)).expect("text grows");
    }
    if text.len() == before {
        return Ok(());
    }
    tracing::warn!("{}", text[before..].trim_end());
    write(disk, directory, &text)
}

/// Takes the record along to a copy of the log.
pub(crate) fn copy_record(disk: &dyn Disk, from: &Path, to: &Path) -> Result<()> {
    let text = read(disk, from)?;
    if text.is_empty() { Ok(()) } else { write(disk, to, &text) }
}

fn read(disk: &dyn Disk, directory: &Path) -> Result<String> {
    let path = directory.join(RECORD);
    let failed = |error| Error::because(ErrorKind::Io, format!("read {}", path.display()), error);
    if !disk.exists(&path).map_err(failed)? {
        return Ok(String::new());
    }
    Ok(String::from_utf8_lossy(&whole::read(disk, &path).map_err(failed)?).into_owned())
}

fn write(disk: &dyn Disk, directory: &Path, text: &str) -> Result<()> {
    let (file, name) = (SyncPoint::CutRecordFile, SyncPoint::CutRecordDirectory);
    whole::replace(disk, directory, RECORD, text.as_bytes(), file, name)
        .map_err(|error| Error::because(ErrorKind::Io, "write the record of cuts", error))
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(" ") }
}
