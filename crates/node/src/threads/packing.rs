//! The thread that seals full segments: one after the other, at the lowest priority, and for as long as somebody is there to wake it.
//!
//! Nobody waits for it. What cannot be sealed stays as it was written, which costs space and nothing else.
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};
use sycee_log::{ErrorKind, Sealing, Syncer};

/// After a failure, such as a full disk, it is tried again so much later.
const TRY_AGAIN_AFTER: Duration = Duration::from_mins(1);

/// Seals what is full now, then whatever is full when it is woken; ends when nobody can wake it any more, also in the middle.
pub(super) fn run(full: &Receiver<()>, syncer: &Syncer) {
    lower_priority();
    loop {
        // A wake-up that comes meanwhile is not lost: it is looked again until there is nothing.
        let mut stopping = || matches!(full.try_recv(), Err(TryRecvError::Disconnected));
        let goes_on = match syncer.seal(&mut stopping) {
            Ok(Sealing::Sealed { first, frames, bytes_before, bytes }) => {
                tracing::info!(
                    "sealed segment {first}: {frames} frames, {bytes} bytes instead of {bytes_before}"
                );
                true
            }
            Ok(Sealing::Left { first }) => {
                tracing::debug!("segment {first} is dense and stays as it is");
                true
            }
            Ok(Sealing::Nothing) => full.recv().is_ok(),
            Ok(Sealing::Stopped) => false,
            Err(error) => {
                tracing::warn!("{error}");
                let may_pass = !matches!(error.kind, ErrorKind::Corrupt(_) | ErrorKind::Poisoned);
                may_pass && pause(full)
            }
        };
        if !goes_on {
            return;
        }
    }
}

/// Waits until it is time to try again; false if nobody can wake this thread any more.
fn pause(full: &Receiver<()>) -> bool {
    let until = Instant::now() + TRY_AGAIN_AFTER;
    loop {
        match full.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// Frames that are being written come first. Where the priority of a thread cannot be set, sealing still keeps nobody waiting.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(19) {
        tracing::debug!("failed to lower the priority of sealing: {error}");
    }
}
