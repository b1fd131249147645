//! The disk of the machine, through `std::fs`.
//!
//! Whole blocks are written past the page cache where the file system can: a log is written much and read seldom, and copying
//! its pages through a cache cost more processor time than all else that a write does.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use super::{Access, BLOCK_BYTES, Disk, DiskFile, DiskLock, Locking, SyncPoint};

/// Says which process holds the lock on its directory. Nothing rests on it: it may be deleted.
const HOLDER: &str = "lock";

#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

/// Bytes that a direct write takes at a time.
const PIECE_BYTES: usize = 1 << 20;

thread_local! {
    /// Where a piece is copied to, as a direct write wants its bytes at a multiple of the block's length.
    static PIECE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug)]
struct RealFile {
    file: File,
    /// The same file, written past the page cache.
    direct: Option<File>,
}

impl RealFile {
    fn writable(file: File, path: &Path) -> Self {
        // Not every file system can, and then nothing is lost but time.
        let direct = OpenOptions::new().write(true).custom_flags(libc::O_DIRECT).open(path).ok();
        Self { file, direct }
    }
}

/// Writes whole blocks past the page cache.
fn write_direct(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    PIECE.with_borrow_mut(|piece| {
        piece.resize(PIECE_BYTES + BLOCK_BYTES, 0);
        let skipped = piece.as_ptr().align_offset(BLOCK_BYTES);
        let mut at = offset;
        for bytes in bytes.chunks(PIECE_BYTES) {
            let aligned = &mut piece[skipped..skipped + bytes.len()];
            aligned.copy_from_slice(bytes);
            file.write_all_at(aligned, at)?;
            at += bytes.len() as u64;
        }
        Ok(())
    })
}

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
        Ok(Arc::new(RealFile::writable(file, path)))
    }

    fn create_private(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Arc::new(RealFile { file, direct: None }))
    }

    #[expect(clippy::verbose_bit_mask, reason = "permissions are read in octal")]
    fn is_private(&self, path: &Path) -> io::Result<bool> {
        Ok(fs::metadata(path)?.permissions().mode() & 0o077 == 0)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(access == Access::Write).open(path)?;
        Ok(Arc::new(match access {
            Access::Read => RealFile { file, direct: None },
            Access::Write => RealFile::writable(file, path),
        }))
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
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let whole_blocks =
            offset.is_multiple_of(BLOCK_BYTES as u64) && bytes.len().is_multiple_of(BLOCK_BYTES);
        match self.direct.as_ref().filter(|_| whole_blocks) {
            Some(direct) => match write_direct(direct, bytes, offset) {
                // It wants larger blocks than ours.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    self.file.write_all_at(bytes, offset)
                }
                written => written,
            },
            None => self.file.write_all_at(bytes, offset),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self, _point: SyncPoint) -> io::Result<()> {
        self.file.sync_data()
    }
}
