//! A disk whose syncs of frames can be held up, or made to fail, for as long as a test likes.
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use sycee_log::disk::{Access, DiskFile, Locking};
use sycee_log::{Disk, RealDisk, SyncPoint};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Open,
    Closed,
    /// Whoever wants through fails.
    Broken,
}

#[derive(Debug)]
struct Lintel {
    door: Mutex<Door>,
    turned: Condvar,
}

#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<Lintel>);

#[derive(Debug)]
struct GatedFile {
    file: Arc<dyn DiskFile>,
    gate: Gate,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self(Arc::new(Lintel { door: Mutex::new(Door::Open), turned: Condvar::new() }))
    }

    pub(super) fn turn(&self, door: Door) {
        *self.door() = door;
        self.0.turned.notify_all();
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        self.0.door.lock().unwrap()
    }

    fn pass(&self) -> io::Result<()> {
        let door = self.0.turned.wait_while(self.door(), |door| *door == Door::Closed).unwrap();
        if *door == Door::Broken { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }

    fn gated(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(GatedFile { file, gate: self.clone() })
    }
}

impl Disk for Gate {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_directory(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        RealDisk.exists(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(directory)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        RealDisk.create(path).map(|file| self.gated(file))
    }

    fn create_private(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        RealDisk.create_private(path)
    }

    fn is_private(&self, path: &Path) -> io::Result<bool> {
        RealDisk.is_private(path)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        RealDisk.open(path, access).map(|file| self.gated(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync_directory(&self, directory: &Path, point: SyncPoint) -> io::Result<()> {
        RealDisk.sync_directory(directory, point)
    }

    fn lock(&self, path: &Path) -> io::Result<Locking> {
        RealDisk.lock(path)
    }
}

impl DiskFile for GatedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self, point: SyncPoint) -> io::Result<()> {
        if point == SyncPoint::FrameData {
            self.gate.pass()?;
        }
        self.file.sync(point)
    }
}
