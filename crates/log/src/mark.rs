//! The durable mark: one block that says how far the log was durable when it was last written.
//!
//! It is written after a sync has succeeded and before anybody is told, and is never synced itself. So it may
//! lag behind or be absent, and it can never be ahead. That gives two things that the segments alone cannot:
//! a reader in another process learns where the durable part of a running log ends, and a log whose last
//! frames have vanished is refused instead of passing for a shorter one.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::block::{self, Block, Kind, STAMP_BYTES, Stamp, array};
use crate::disk::{Access, BLOCK_BYTES, Disk, DiskFile};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Head;

const NAME: &str = "durable";

#[derive(Debug)]
pub(crate) struct Mark {
    file: Arc<dyn DiskFile>,
}

impl Mark {
    pub(crate) fn open(disk: &dyn Disk, directory: &Path) -> Result<Self> {
        let path = directory.join(NAME);
        let file = match disk.exists(&path) {
            Ok(true) => disk.open(&path, Access::Write),
            Ok(false) => disk.create(&path),
            Err(error) => Err(error),
        };
        let file = file.map_err(|error| Error::io(format!("open {}", path.display()), error))?;
        Ok(Self { file })
    }

    pub(crate) fn write(&self, head: &Head) -> Result<()> {
        let mut block = [0; BLOCK_BYTES];
        block[STAMP_BYTES..STAMP_BYTES + 8].copy_from_slice(&head.position.to_le_bytes());
        block[STAMP_BYTES + 8..STAMP_BYTES + 40].copy_from_slice(&head.hash);
        block::seal(&mut block, Kind::Mark, Stamp { number: head.number, index: 0, blocks: 1 });
        self.file.write_at(&block, 0).map_err(|error| Error::io("write the durable mark", error))
    }
}

/// Takes the promise back, for a cut. Durable with the next sync of the directory.
pub(crate) fn withdraw(disk: &dyn Disk, directory: &Path) -> std::io::Result<()> {
    let path = directory.join(NAME);
    if disk.exists(&path)? { disk.remove(&path) } else { Ok(()) }
}

/// How often a mark that is being replaced is looked at before it is called damaged.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(2);

/// The mark in a directory. One that is absent promises nothing; one that is neither absent nor whole is damage, since a crash leaves
/// either of them. A reader beside a writer may see half of a replacement, so it looks again.
pub(crate) fn read(disk: &dyn Disk, directory: &Path) -> Result<Option<Head>> {
    for _ in 1..LOOKS {
        if let Seen::Mark(mark) = look(disk, directory)? {
            return Ok(mark);
        }
        thread::sleep(PAUSE);
    }
    match look(disk, directory)? {
        Seen::Mark(mark) => Ok(mark),
        Seen::Damage => {
            Err(Error::new(ErrorKind::MarkDamaged, format!("trust {}", directory.join(NAME).display())))
        }
    }
}

enum Seen {
    Mark(Option<Head>),
    Damage,
}

fn look(disk: &dyn Disk, directory: &Path) -> Result<Seen> {
    let path = directory.join(NAME);
    let context = |error| Error::io(format!("read {}", path.display()), error);
    if !disk.exists(&path).map_err(context)? {
        return Ok(Seen::Mark(None));
    }
    let file = disk.open(&path, Access::Read).map_err(context)?;
    match file.len().map_err(context)? {
        0 => return Ok(Seen::Mark(None)),
        length if length != BLOCK_BYTES as u64 => return Ok(Seen::Damage),
        _ => {}
    }
    let mut block = [0; BLOCK_BYTES];
    file.read_at(&mut block, 0).map_err(context)?;
    Ok(match block::inspect(&block, Kind::Mark) {
        Block::Intact(stamp) => Seen::Mark(Some(Head {
            number: stamp.number,
            position: u64::from_le_bytes(array(&block, STAMP_BYTES)),
            hash: array(&block, STAMP_BYTES + 8),
        })),
        Block::Zero => Seen::Mark(None),
        Block::Damaged => Seen::Damage,
    })
}
