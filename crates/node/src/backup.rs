//! Backup and restore: the durable frames, written again somewhere else.
//!
//! A backup is itself a log: it can be verified, and started. Its segments are sealed as they fill up, so that it takes no more room
//! than what it was taken from. It is taken from a running node without stopping it, and has
//! everything that was durable when it reached the end. As long as it is being made its directory has a file that says so,
//! since half a log looks like a whole one that is shorter; nobody opens or verifies what has that file.
use crate::cut;
use crate::error::{Error, ErrorKind, Result};
use crate::key;
use crate::verify::{self, Report, verify};
use ed25519_dalek::SigningKey;
use std::path::Path;
use std::sync::Arc;
use sycee_log::{Disk, Draft, Frame, Log, Options, Reader, Sealing, SyncPoint, Syncer, UNSYNCED_FRAMES_MAX};

/// Is in a directory until the copy into it is whole and durable.
pub(crate) const UNFINISHED: &str = "unfinished-copy";

/// Copies the log in `from` to the directory `to`, which is new or empty, and checks the copy.
pub fn backup(disk: &Arc<dyn Disk>, from: &Path, to: &Path, segment_bytes: u64) -> Result<Report> {
    verify::find(&**disk, from)?;
    let key = key::read(&**disk, from)?;
    let mut reader = Reader::open(Arc::clone(disk), from)?;
    let broken_off = |error: Error| {
        Error::because(ErrorKind::Unfinished, format!("copy the log to {}", to.display()), error)
    };
    claim(&**disk, to)?;
    let options = Options { segment_bytes, ..Options::default() };
    let mut log = Log::create(Arc::clone(disk), to, options).map_err(|error| broken_off(error.into()))?;
    let syncer = log.syncer();
    while let Some(frame) = reader.next_frame()? {
        append(&mut log, frame).map_err(broken_off)?;
        seal(&syncer).map_err(broken_off)?;
    }
    drop(syncer);
    finish(&**disk, log, from, to, &key).map_err(broken_off)?;
    verify(disk, to, None)
}

/// Makes a data directory of a backup, once it has been found sound. Nothing is written otherwise.
pub fn restore(disk: &Arc<dyn Disk>, from: &Path, to: &Path, segment_bytes: u64) -> Result<Report> {
    let found = verify(disk, from, None)?;
    if let Some(cause) = found.cause {
        return Err(Error::new(ErrorKind::Unsound, format!("restore a backup that is not sound ({cause})")));
    }
    backup(disk, from, to, segment_bytes)
}

/// Refuses a directory whose log may lack its end, because a copy into it was broken off or still runs.
pub(crate) fn check_finished(disk: &dyn Disk, directory: &Path) -> Result<()> {
    let failed = |error| Error::because(ErrorKind::Io, format!("read {}", directory.display()), error);
    if !disk.exists(&directory.join(UNFINISHED)).map_err(failed)? {
        return Ok(());
    }
    let context = format!("take {} for a log: a copy into it was not finished", directory.display());
    Err(Error::new(ErrorKind::Unfinished, context))
}

/// Makes the directory of a copy and marks it, before there is anything that could be taken for a log.
fn claim(disk: &dyn Disk, to: &Path) -> Result<()> {
    let failed = |error| Error::because(ErrorKind::Io, format!("copy a log to {}", to.display()), error);
    if disk.exists(to).map_err(failed)? {
        let names = disk.list(to).map_err(failed)?;
        check_finished(disk, to)?;
        if let Some(name) = names.first() {
            let context = format!("copy a log to {}, which is not empty: it has {name}", to.display());
            return Err(Error::new(ErrorKind::Occupied, context));
        }
    }
    let mut missing = Vec::new();
    for path in to.ancestors().take_while(|path| path.file_name().is_some()) {
        if disk.exists(path).map_err(failed)? {
            break;
        }
        missing.push(path);
    }
    // All these names become durable when the log is created, which is before it has any frame.
    for path in missing.into_iter().rev() {
        disk.create_directory(path).map_err(failed)?;
    }
    disk.create(&to.join(UNFINISHED)).map(drop).map_err(failed)
}

fn append(log: &mut Log, frame: Frame) -> Result<()> {
    let draft = Draft { rules: frame.rules, at: frame.at, count: frame.count, payload: frame.payload };
    let head = log.append(frame.number, &draft)?;
    if head.hash != frame.hash {
        return Err(Error::new(ErrorKind::Unsound, format!("copy frame {} as it is", frame.number)));
    }
    if head.number - log.durable().number == UNSYNCED_FRAMES_MAX {
        log.sync()?;
    }
    Ok(())
}

/// Seals what has become full.
fn seal(syncer: &Syncer) -> Result<()> {
    loop {
        match syncer.seal(&mut || false)? {
            Sealing::Sealed { .. } | Sealing::Left { .. } => {}
            Sealing::Nothing | Sealing::Stopped => return Ok(()),
        }
    }
}

/// Brings what lies beside the frames, and says last that all of it is there.
fn finish(disk: &dyn Disk, mut log: Log, from: &Path, to: &Path, key: &SigningKey) -> Result<()> {
    log.sync()?;
    drop(log);
    cut::copy_record(disk, from, to)?;
    key::write(disk, to, key)?;
    let mark = to.join(UNFINISHED);
    disk.remove(&mark)
        .and_then(|()| disk.sync_directory(to, SyncPoint::CopyFinished))
        .map_err(|error| Error::because(ErrorKind::Io, format!("remove {}", mark.display()), error))
}
