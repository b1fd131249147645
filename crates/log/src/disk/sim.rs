//! A disk in memory that forgets what was not synced.
//!
//! It is as unkind as a disk is allowed to be. After a power cut each unsynced 4 KiB block holds, drawn from
//! the seed, any version it had since its last sync; the length of a file and the newest changes of names may
//! or may not have arrived, the names in any order. After a failed sync the kernel marks pages clean although they never reached the
//! disk, so a second sync that succeeds proves nothing: this disk does the same. After a kill the page cache
//! stays, and so does everything the process had written without syncing.
//!
//! The handle is cheap to clone: a test keeps one, the log gets another.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Access, Disk, DiskFile, DiskLock, Locking, SyncPoint};

mod image;

use image::{Image, Inode};

/// What a scheduled failure does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The machine loses power: unsynced bytes are forgotten, at the whim of the seed.
    Power,
    /// The process dies: the page cache stays.
    Kill,
    /// This one operation fails; a write may have left its first blocks.
    Fault(Fault),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    NoSpace,
    Io,
    ReadOnly,
}

/// When a scheduled failure strikes. Both count from 0, from the moment of planning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    BeforeSync(u64),
    AfterSync(u64),
    /// Any operation that reads, changes or syncs.
    Operation(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub when: When,
    pub effect: Effect,
}

/// A handle on one simulated disk. See the module's text.
#[derive(Debug, Clone)]
pub struct SimDisk {
    world: Arc<Mutex<World>>,
}

#[derive(Debug)]
struct World {
    image: Image,
    /// Handles of an earlier life are refused.
    life: u64,
    dead: bool,
    locks: BTreeSet<PathBuf>,
    plan: Option<Plan>,
    ignored: Option<SyncPoint>,
    operations: u64,
    syncs: u64,
    synced: BTreeMap<SyncPoint, u64>,
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    life: u64,
    inode: Inode,
    access: Access,
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    life: u64,
    path: PathBuf,
}

impl SimDisk {
    pub fn new(seed: u64) -> Self {
        let world = World {
            image: Image::new(seed),
            life: 0,
            dead: false,
            locks: BTreeSet::new(),
            plan: None,
            ignored: None,
            operations: 0,
            syncs: 0,
            synced: BTreeMap::new(),
        };
        Self { world: Arc::new(Mutex::new(world)) }
    }

    /// Schedules one failure and starts counting anew.
    pub fn plan(&self, plan: Plan) {
        let mut world = self.world();
        world.plan = Some(plan);
        world.operations = 0;
        world.syncs = 0;
    }

    /// From now on syncs at this point are answered and not done.
    pub fn ignore(&self, point: SyncPoint) {
        self.world().ignored = Some(point);
    }

    /// The power goes now.
    pub fn crash(&self) {
        self.world().die(Effect::Power);
    }

    /// The process dies now.
    pub fn kill(&self) {
        self.world().die(Effect::Kill);
    }

    /// The machine or process starts again; whatever was planned is off.
    pub fn restart(&self) {
        let mut world = self.world();
        world.life += 1;
        world.dead = false;
        world.plan = None;
        world.operations = 0;
        world.syncs = 0;
        world.locks.clear();
    }

    /// Whether a planned power cut or kill has struck.
    pub fn is_dead(&self) -> bool {
        self.world().dead
    }

    /// Operations since the last plan or restart.
    pub fn operations(&self) -> u64 {
        self.world().operations
    }

    /// Syncs since the last plan or restart.
    pub fn syncs(&self) -> u64 {
        self.world().syncs
    }

    /// How often each point was synced since the disk was made.
    pub fn synced(&self) -> BTreeMap<SyncPoint, u64> {
        self.world().synced.clone()
    }

    /// Changes the bytes of a file behind everybody's back, as bad hardware or an intruder would.
    pub fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut world = self.world();
        let inode = world.image.file(path)?;
        let mut bytes = world.image.content(inode);
        change(&mut bytes);
        world.image.replace(inode, &bytes);
        Ok(())
    }

    /// The bytes of a file, as the process would see them.
    pub fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        let world = self.world();
        Ok(world.image.content(world.image.file(path)?))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, life: u64, inode: Inode, access: Access) -> Arc<dyn DiskFile> {
        Arc::new(SimFile { disk: self.clone(), life, inode, access })
    }
}

impl World {
    fn die(&mut self, effect: Effect) {
        self.dead = true;
        if effect == Effect::Power {
            self.image.lose_power();
        }
    }

    /// Counts one operation; `Some(fault)` if this one has to fail.
    fn begin(&mut self) -> io::Result<Option<Fault>> {
        if self.dead {
            return Err(gone());
        }
        let number = self.operations;
        self.operations += 1;
        match self.plan {
            Some(Plan { when: When::Operation(at), effect }) if at == number => self.strike(effect),
            Some(_) | None => Ok(None),
        }
    }

    fn strike(&mut self, effect: Effect) -> io::Result<Option<Fault>> {
        self.plan = None;
        match effect {
            Effect::Power | Effect::Kill => {
                self.die(effect);
                Err(gone())
            }
            Effect::Fault(fault) => Ok(Some(fault)),
        }
    }

    fn simple(&mut self) -> io::Result<()> {
        match self.begin()? {
            Some(fault) => Err(fault.error()),
            None => Ok(()),
        }
    }

    /// Runs one sync with everything that may happen around it.
    fn sync(
        &mut self,
        point: SyncPoint,
        done: impl FnOnce(&mut Image),
        failed: impl FnOnce(&mut Image),
    ) -> io::Result<()> {
        let mut fault = self.begin()?;
        let number = self.syncs;
        self.syncs += 1;
        *self.synced.entry(point).or_insert(0) += 1;
        if let Some(Plan { when: When::BeforeSync(at), effect }) = self.plan
            && at == number
        {
            fault = self.strike(effect)?;
        }
        if let Some(fault) = fault {
            failed(&mut self.image);
            return Err(fault.error());
        }
        if self.ignored != Some(point) {
            done(&mut self.image);
        }
        if let Some(Plan { when: When::AfterSync(at), effect }) = self.plan
            && at == number
            && let Some(fault) = self.strike(effect)?
        {
            return Err(fault.error());
        }
        Ok(())
    }

    fn alive(&self, life: u64) -> io::Result<()> {
        if self.life == life { Ok(()) } else { Err(gone()) }
    }
}

impl Fault {
    fn error(self) -> io::Error {
        // Numbers of Linux, so that the kind is the one that a real disk gives.
        io::Error::from_raw_os_error(match self {
            Self::Io => 5,
            Self::NoSpace => 28,
            Self::ReadOnly => 30,
        })
    }
}

fn gone() -> io::Error {
    io::Error::other("the simulated machine is down")
}

impl Disk for SimDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.simple()?;
        world.image.create_directory(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let world = self.world();
        if world.dead { Err(gone()) } else { Ok(world.image.exists(path)) }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let world = self.world();
        if world.dead { Err(gone()) } else { world.image.list(directory) }
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.world();
        world.simple()?;
        let inode = world.image.create(path)?;
        Ok(self.handle(world.life, inode, Access::Write))
    }

    /// This disk has one owner and nobody else.
    fn create_private(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.create(path)
    }

    fn is_private(&self, path: &Path) -> io::Result<bool> {
        let world = self.world();
        if world.dead { Err(gone()) } else { world.image.file(path).map(|_| true) }
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.world();
        world.simple()?;
        let inode = world.image.file(path)?;
        Ok(self.handle(world.life, inode, access))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.simple()?;
        world.image.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.simple()?;
        world.image.remove(path)
    }

    fn sync_directory(&self, directory: &Path, point: SyncPoint) -> io::Result<()> {
        // A failed sync of a directory leaves its names as unsure as they were.
        self.world().sync(point, |image| image.sync_directory(directory), |_| ())
    }

    fn lock(&self, directory: &Path) -> io::Result<Locking> {
        let mut world = self.world();
        world.simple()?;
        world.image.list(directory)?;
        let path = directory.to_path_buf();
        if !world.locks.insert(path.clone()) {
            return Ok(Locking::Held(None));
        }
        Ok(Locking::Taken(Box::new(SimLock { disk: self.clone(), life: world.life, path })))
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        let world = self.disk.world();
        world.alive(self.life)?;
        if world.dead { Err(gone()) } else { Ok(world.image.len(self.inode)) }
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        world.alive(self.life)?;
        world.simple()?;
        world.image.read(self.inode, bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        world.alive(self.life)?;
        if self.access == Access::Read {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        match world.begin()? {
            None => {
                world.image.write(self.inode, bytes, offset);
                Ok(())
            }
            Some(fault) => {
                world.image.write_some(self.inode, bytes, offset);
                Err(fault.error())
            }
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        world.alive(self.life)?;
        world.simple()?;
        world.image.set_len(self.inode, len);
        Ok(())
    }

    fn sync(&self, point: SyncPoint) -> io::Result<()> {
        let mut world = self.disk.world();
        world.alive(self.life)?;
        let inode = self.inode;
        world.sync(point, |image| image.sync(inode), |image| image.fail_sync(inode))
    }
}

impl DiskLock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut world = self.disk.world();
        if world.life == self.life {
            world.locks.remove(&self.path);
        }
    }
}
