//! The disk of the machine, through `std::fs`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use super::{Access, Disk, DiskFile, DiskLock, Locking, SyncPoint};

/// Says which process holds the lock on its directory. Nothing rests on it: it may be deleted.
const HOLDER: &str = "lock";

#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile(File);

/// The kernel drops the lock with the file, also when the process is killed.
#[derive(Debug)]
struct RealLock {
    #[expect(dead_code, reason = "held for its drop, which releases the lock")]
    directory: File,
}

impl DiskLock for RealLock {}

impl Disk for RealDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            // A name that is not text is nobody's file of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn create_private(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    #[expect(clippy::verbose_bit_mask, reason = "permissions are read in octal")]
    fn is_private(&self, path: &Path) -> io::Result<bool> {
        Ok(fs::metadata(path)?.permissions().mode() & 0o077 == 0)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(access == Access::Write).open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_directory(&self, directory: &Path, _point: SyncPoint) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Locking> {
        let (directory, holder) = (File::open(path)?, path.join(HOLDER));
        match directory.try_lock() {
            Ok(()) => {
                let note = OpenOptions::new().write(true).create(true).truncate(true).open(holder)?;
                // A full disk has no room for it, and the log can be opened all the same.
                drop(note.write_all_at(std::process::id().to_string().as_bytes(), 0));
                Ok(Locking::Taken(Box::new(RealLock { directory })))
            }
            Err(TryLockError::WouldBlock) => {
                let note = fs::read_to_string(holder).ok();
                Ok(Locking::Held(note.and_then(|text| text.parse().ok())))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self, _point: SyncPoint) -> io::Result<()> {
        self.0.sync_data()
    }
}
