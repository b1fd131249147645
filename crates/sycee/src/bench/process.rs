//! What this process has used, as Linux tells it.
use anyhow::{Context as _, Result};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Processor time of all threads.
pub(super) fn processor_time() -> Result<Duration> {
    let mut total = 0;
    for task in fs::read_dir("/proc/self/task")? {
        // Nanoseconds, where `stat` counts in hundredths of a second. A thread that just ended has no file.
        let told = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        total += told.split_whitespace().next().and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(total))
}

/// Most memory that was resident so far, in bytes.
pub(super) fn resident_bytes_max() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024)
}

/// The file system that a directory is on.
pub(super) fn file_system(directory: &Path) -> Result<String> {
    let directory = directory.canonicalize()?;
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let found = mounts.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (place, kind) = (fields.next()?, fields.next()?);
        directory.starts_with(place).then(|| (place.len(), kind.to_owned()))
    });
    Ok(found.max_by_key(|(length, _)| *length).context("no file system")?.1)
}
