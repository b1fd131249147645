//! Backup and restore: the durable frames, written again somewhere else.
//!
//! A backup is itself a log: it can be verified, and started. It is taken from a running node without stopping it, and has
//! everything that was durable when it reached the end.
use crate::cut;
use crate::error::{Error, ErrorKind, Result};
use crate::key;
use crate::verify::{Report, verify};
use std::path::Path;
use std::sync::Arc;
use sycee_log::{Disk, Draft, Log, Options, Reader, UNSYNCED_FRAMES_MAX};

/// Copies the log in `from` to the new directory `to`, and checks the copy. One that was not finished has no signing key, so
/// nobody takes it for a whole one.
pub fn backup(disk: &Arc<dyn Disk>, from: &Path, to: &Path, segment_bytes: u64) -> Result<Report> {
    let mut reader = Reader::open(Arc::clone(disk), from)?;
    let mut log = Log::create(Arc::clone(disk), to, Options { segment_bytes, ..Options::default() })?;
    while let Some(frame) = reader.next_frame()? {
        let draft = Draft { rules: frame.rules, at: frame.at, count: frame.count, payload: frame.payload };
        let head = log.append(frame.number, &draft)?;
        if head.hash != frame.hash {
            return Err(Error::new(ErrorKind::Unsound, format!("copy frame {} as it is", frame.number)));
        }
        if head.number - log.durable().number == UNSYNCED_FRAMES_MAX {
            log.sync()?;
        }
    }
    log.sync()?;
    drop(log);
    cut::copy_record(&**disk, from, to)?;
    key::copy(&**disk, from, to)?;
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
