//! What the simulated disk holds: names, files and, of both, what is not durable yet.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::BLOCK_BYTES;

/// The number of a file, whatever its names.
pub(super) type Inode = u64;

/// `None` is a block of zeroes, so that a fresh segment costs nothing.
type Block = Option<Arc<[u8; BLOCK_BYTES]>>;

#[derive(Debug)]
pub(super) struct Image {
    random: Random,
    files: BTreeMap<Inode, File>,
    next: Inode,
    names: BTreeMap<PathBuf, Name>,
    durable_names: BTreeMap<PathBuf, Name>,
    /// Changes of names that no directory sync has covered, oldest first.
    changes: Vec<Change>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Directory,
    File(Inode),
}

#[derive(Debug, Clone)]
enum Change {
    Add(PathBuf, Name),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

#[derive(Debug, Default)]
struct File {
    len: Versions<u64>,
    blocks: BTreeMap<u64, Versions<Block>>,
}

/// What is seen, what is durable, and what was written since the last sync, the newest last.
#[derive(Debug, Default)]
struct Versions<T> {
    live: T,
    durable: T,
    unsynced: Vec<T>,
}

impl<T: Clone + PartialEq> Versions<T> {
    fn write(&mut self, value: T) {
        self.live = value.clone();
        self.unsynced.push(value);
    }

    fn sync(&mut self) {
        if let Some(newest) = self.unsynced.pop() {
            self.durable = newest;
            self.unsynced.clear();
        }
    }

    /// Some version or other is on the disk; nothing more will follow by itself.
    fn settle(&mut self, random: &mut Random) {
        let chosen = random.below(self.unsynced.len() + 1);
        if let Some(version) = chosen.checked_sub(1).map(|index| self.unsynced[index].clone()) {
            self.durable = version;
        }
        self.unsynced.clear();
    }
}

impl Image {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            files: BTreeMap::new(),
            next: 0,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
        }
    }

    pub(super) fn exists(&self, path: &Path) -> bool {
        is_root(path) || self.names.contains_key(path)
    }

    pub(super) fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        self.directory(directory)?;
        let inside = self.names.keys().filter(|path| path.parent() == Some(directory));
        Ok(inside.filter_map(|path| path.file_name()?.to_str().map(String::from)).collect())
    }

    pub(super) fn create_directory(&mut self, path: &Path) -> io::Result<()> {
        self.add(path, Name::Directory)
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<Inode> {
        let inode = self.next;
        self.add(path, Name::File(inode))?;
        self.next += 1;
        self.files.insert(inode, File::default());
        Ok(inode)
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<Inode> {
        match self.names.get(path) {
            Some(Name::File(inode)) => Ok(*inode),
            Some(Name::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        assert_eq!(from.parent(), to.parent(), "a rename across directories is not modelled");
        self.file(from)?;
        self.change(Change::Rename(from.to_path_buf(), to.to_path_buf()));
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.file(path)?;
        self.change(Change::Remove(path.to_path_buf()));
        Ok(())
    }

    pub(super) fn sync_directory(&mut self, directory: &Path) {
        let (durable, rest) = std::mem::take(&mut self.changes)
            .into_iter()
            .partition(|change| change.path().parent() == Some(directory));
        self.changes = rest;
        let durable: Vec<Change> = durable;
        for change in &durable {
            change.apply(&mut self.durable_names);
        }
    }

    pub(super) fn len(&self, inode: Inode) -> u64 {
        self.files[&inode].len.live
    }

    pub(super) fn read(&self, inode: Inode, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let file = &self.files[&inode];
        let end = offset + bytes.len() as u64;
        if end > file.len.live {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (number, range, within) in pieces(bytes.len(), offset) {
            match file.blocks.get(&number).and_then(|block| block.live.as_ref()) {
                Some(block) => {
                    let taken = &block[within..within + range.len()];
                    bytes[range].copy_from_slice(taken);
                }
                None => bytes[range].fill(0),
            }
        }
        Ok(())
    }

    pub(super) fn write(&mut self, inode: Inode, bytes: &[u8], offset: u64) {
        let file = self.files.get_mut(&inode).expect("a handle names a file");
        for (number, range, within) in pieces(bytes.len(), offset) {
            file.write_block(number, within, &bytes[range]);
        }
        let end = offset + bytes.len() as u64;
        if end > file.len.live {
            file.len.write(end);
        }
    }

    pub(super) fn set_len(&mut self, inode: Inode, len: u64) {
        let file = self.files.get_mut(&inode).expect("a handle names a file");
        file.len.write(len);
    }

    /// A write that failed on its way: some of its first blocks are there.
    pub(super) fn write_some(&mut self, inode: Inode, bytes: &[u8], offset: u64) {
        let blocks = self.random.below(bytes.len() / BLOCK_BYTES + 1);
        let written = (blocks * BLOCK_BYTES).min(bytes.len());
        if written > 0 {
            self.write(inode, &bytes[..written], offset);
        }
    }

    pub(super) fn sync(&mut self, inode: Inode) {
        let file = self.files.get_mut(&inode).expect("a handle names a file");
        file.len.sync();
        file.blocks.values_mut().for_each(Versions::sync);
    }

    /// Linux marks the pages clean: they stay visible, and no later sync writes them.
    pub(super) fn fail_sync(&mut self, inode: Inode) {
        let file = self.files.get_mut(&inode).expect("a handle names a file");
        file.len.settle(&mut self.random);
        for block in file.blocks.values_mut() {
            block.settle(&mut self.random);
        }
    }

    pub(super) fn lose_power(&mut self) {
        self.settle_names();
        // A directory that was forgotten takes what it held with it. Parents sort before children.
        let mut kept: BTreeMap<PathBuf, Name> = BTreeMap::new();
        for (path, name) in &self.durable_names {
            if path.parent().is_none_or(|parent| is_root(parent) || kept.contains_key(parent)) {
                kept.insert(path.clone(), *name);
            }
        }
        self.durable_names.clone_from(&kept);
        self.names = kept;
        for file in self.files.values_mut() {
            file.lose_power(&mut self.random);
        }
    }

    /// Of the changes of names that no sync has covered the oldest have arrived; or, as a directory promises no order, any that do
    /// not build on one that has not.
    fn settle_names(&mut self) {
        let changes = std::mem::take(&mut self.changes);
        let in_order = self.random.below(2) == 0;
        let arrived = if in_order { self.random.below(changes.len() + 1) } else { changes.len() };
        let mut lost: BTreeSet<&Path> = BTreeSet::new();
        for change in &changes[..arrived] {
            let kept = in_order || self.random.below(2) == 0;
            if kept && change.paths().all(|path| !lost.contains(path)) {
                change.apply(&mut self.durable_names);
            } else {
                lost.extend(change.paths());
            }
        }
    }

    pub(super) fn content(&self, inode: Inode) -> Vec<u8> {
        let len = usize::try_from(self.len(inode)).expect("a file in memory fits in memory");
        let mut bytes = vec![0; len];
        self.read(inode, &mut bytes, 0).expect("the length was just read");
        bytes
    }

    pub(super) fn replace(&mut self, inode: Inode, bytes: &[u8]) {
        self.files.insert(inode, File::default());
        self.write(inode, bytes, 0);
        self.sync(inode);
    }

    fn directory(&self, path: &Path) -> io::Result<()> {
        match self.names.get(path) {
            Some(Name::Directory) => Ok(()),
            Some(Name::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None if is_root(path) => Ok(()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn add(&mut self, path: &Path, name: Name) -> io::Result<()> {
        if self.exists(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.directory(path.parent().unwrap_or_else(|| Path::new("")))?;
        self.change(Change::Add(path.to_path_buf(), name));
        Ok(())
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }
}

impl File {
    fn write_block(&mut self, number: u64, within: usize, bytes: &[u8]) {
        let block = self.blocks.entry(number).or_default();
        let mut content = block.live.as_ref().map_or([0; BLOCK_BYTES], |block| **block);
        content[within..within + bytes.len()].copy_from_slice(bytes);
        let zero = content == [0; BLOCK_BYTES];
        block.write(if zero { None } else { Some(Arc::new(content)) });
    }

    fn lose_power(&mut self, random: &mut Random) {
        self.len.settle(random);
        self.len.live = self.len.durable;
        let len = self.len.live;
        self.blocks.retain(|number, block| {
            block.settle(random);
            block.live = block.durable.clone();
            number * (BLOCK_BYTES as u64) < len && block.live.is_some()
        });
    }
}

impl Change {
    fn path(&self) -> &Path {
        match self {
            Self::Add(path, _) | Self::Remove(path) | Self::Rename(path, _) => path,
        }
    }

    /// Every name that it changes.
    fn paths(&self) -> impl Iterator<Item = &Path> {
        let (first, second) = match self {
            Self::Add(path, _) | Self::Remove(path) => (path, None),
            Self::Rename(from, to) => (from, Some(to)),
        };
        [Some(first), second].into_iter().flatten().map(PathBuf::as_path)
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Name>) {
        match self {
            Self::Add(path, name) => {
                names.insert(path.clone(), *name);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to) => {
                if let Some(name) = names.remove(from) {
                    names.insert(to.clone(), name);
                }
            }
        }
    }
}

fn is_root(path: &Path) -> bool {
    path.parent().is_none() || path.as_os_str().is_empty()
}

/// Cuts `len` bytes at `offset` into (block number, range of the bytes, offset within the block).
fn pieces(len: usize, offset: u64) -> impl Iterator<Item = (u64, std::ops::Range<usize>, usize)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + done as u64;
        let within = usize::try_from(at % BLOCK_BYTES as u64).expect("below a block");
        let taken = (BLOCK_BYTES - within).min(len - done);
        let range = done..done + taken;
        done += taken;
        Some((at / BLOCK_BYTES as u64, range, within))
    })
}

/// `SplitMix64` (Steele, Lea and Flood 2014): small, and the same on every machine.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("below a usize")
    }
}
