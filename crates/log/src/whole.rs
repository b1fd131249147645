//! Files that are there whole or not at all: written under another name, synced, renamed, and the name synced.

use std::io;
use std::path::Path;

use crate::disk::{Access, Disk, SyncPoint};

/// Puts `bytes` in place of whatever `directory` has under `name`.
pub fn replace(
    disk: &dyn Disk,
    directory: &Path,
    name: &str,
    bytes: &[u8],
    file_point: SyncPoint,
    directory_point: SyncPoint,
) -> io::Result<()> {
    let new = directory.join(format!("{name}.new"));
    // What an attempt that did not finish has left.
    if disk.exists(&new)? {
        disk.remove(&new)?;
    }
    let file = disk.create(&new)?;
    file.write_at(bytes, 0)?;
    file.sync(file_point)?;
    disk.rename(&new, &directory.join(name))?;
    disk.sync_directory(directory, directory_point)
}

/// All bytes of a file.
pub fn read(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Access::Read)?;
    let length = usize::try_from(file.len()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; length];
    file.read_at(&mut bytes, 0)?;
    Ok(bytes)
}
