//! Tiles against a tree that is kept whole; what crashes, damage and other logs leave costs time and never a wrong proof.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::read::Unmade;
use super::*;
use crate::SimDisk;
use crate::disk::{Effect, Fault, Plan, SyncPoint, When};
use crate::merkle::leaf_hash;
use crate::merkle::proof::{verify_consistency, verify_inclusion};

const LOG: &str = "/log";

fn log() -> &'static Path {
    Path::new(LOG)
}

fn file(level: u8) -> PathBuf {
    log().join(NAME).join(level.to_string())
}

fn disk(seed: u64) -> SimDisk {
    let disk = SimDisk::new(seed);
    disk.create_directory(log()).unwrap();
    disk.sync_directory(Path::new("/"), SyncPoint::ParentDirectory).unwrap();
    disk
}

fn shared(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// Hashes of the first leaves of one log; another log's differ.
fn of_log(log: u8, count: u64) -> Vec<Hash> {
    (0..count).map(|index| leaf_hash(&[&[log], &index.to_le_bytes()[..]].concat())).collect()
}

fn frontier(leaves: &[Hash]) -> Frontier {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.push(*leaf);
    }
    frontier
}

fn number(index: usize) -> u64 {
    index as u64
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

/// Opens them for these leaves. How many had to be fetched is returned too.
fn filled(disk: &SimDisk, leaves: &[Hash]) -> (Tiles, u64) {
    let mut fetched = 0;
    let fetch = |range: Range<u64>| -> Result<Vec<Hash>> {
        fetched += range.end - range.start;
        Ok(leaves[index(range.start)..index(range.end)].to_vec())
    };
    let tiles = Tiles::open(shared(disk), log(), &frontier(leaves), fetch).unwrap();
    assert_eq!(tiles.size(), number(leaves.len()));
    (tiles, fetched)
}

/// Proofs of some leaves and beginnings, mended from the log where that is asked for; how often it was.
fn check(tiles: &Tiles, leaves: &[Hash], step: usize) -> u32 {
    let (reader, size, mended) = (tiles.reader(), number(leaves.len()), Cell::new(0));
    let made = |make: &dyn Fn() -> Result<Vec<Hash>, Unmade>| {
        for _ in 0..100 {
            match make() {
                Ok(path) => return path,
                Err(Unmade::Damaged(damaged)) => {
                    mended.set(mended.get() + 1);
                    reader.mend(&damaged, &leaves[index(damaged.start)..index(damaged.end)]).unwrap();
                }
                Err(Unmade::OutOfRange) => unreachable!("they are in the tree"),
            }
        }
        panic!("mending does not help");
    };
    let root = merkle::root(leaves.to_vec());
    assert_eq!(made(&|| reader.root(size).map(|root| vec![root])), [root]);
    let mut former = Frontier::new();
    for leaf in (0..leaves.len()).step_by(step) {
        let path = made(&|| reader.inclusion(number(leaf), size));
        assert_eq!(verify_inclusion(leaves[leaf], number(leaf), size, &root, &path), Ok(()));
        let path = made(&|| reader.consistency(number(leaf), size));
        for leaf in &leaves[index(former.size())..leaf] {
            former.push(*leaf);
        }
        assert_eq!(verify_consistency(number(leaf), &former.root(), size, &root, &path), Ok(()));
    }
    mended.get()
}

#[test]
fn proofs_out_of_tiles_hold_at_every_size() {
    let (disk, leaves) = (disk(1), of_log(0, 66_000));
    let (mut tiles, _) = filled(&disk, &[]);
    let mut pushed = 0;
    for size in [1, 2, 255, 256, 257, 511, 512, 1_000, 65_535, 65_536, 65_537, 66_000] {
        tiles.push(&leaves[pushed..size]).unwrap();
        pushed = size;
        assert_eq!(check(&tiles, &leaves[..size], size / 9 + 1), 0);
        // And for checkpoints that are older than the newest leaf.
        let older = size / 2 + 1;
        let root = merkle::root(leaves[..older].to_vec());
        let path = tiles.reader().inclusion(number(size / 3), number(older)).unwrap();
        assert_eq!(verify_inclusion(leaves[size / 3], number(size / 3), number(older), &root, &path), Ok(()));
    }
    let bytes = |level| disk.content(&file(level)).unwrap().len();
    assert_eq!([0, 1, 2].map(bytes), [66_000 * 32, 257 * 32, 32]);
}

#[test]
fn tiles_have_the_rows_of_the_standard() {
    let (disk, leaves) = (disk(1), of_log(0, 70_000));
    let (tiles, _) = filled(&disk, &leaves);
    let reader = tiles.reader();
    let tile = |address: &str| reader.tile(&address.parse().unwrap());
    assert_eq!(tile("tile/0/273.p/112").unwrap(), leaves[273 * 256..]);
    assert_eq!(tile("tile/0/273.p/5").unwrap(), leaves[273 * 256..273 * 256 + 5]);
    assert_eq!(tile("tile/0/100").unwrap(), leaves[25_600..25_856]);
    assert_eq!(tile("tile/0/100.p/7").unwrap(), leaves[25_600..25_607]);
    assert_eq!(tile("tile/1/001.p/17").unwrap()[3], merkle::root(leaves[259 * 256..260 * 256].to_vec()));
    assert_eq!(tile("tile/2/000.p/1").unwrap(), [merkle::root(leaves[..65_536].to_vec())]);
    for lacking in
        ["tile/0/273.p/113", "tile/0/274.p/1", "tile/2/000.p/2", "tile/3/000.p/1", "tile/entries/000"]
    {
        assert_eq!(tile(lacking), Err(Unmade::OutOfRange), "{lacking}");
    }
    assert_eq!(reader.inclusion(70_000, 70_000), Err(Unmade::OutOfRange));
    assert_eq!(reader.inclusion(0, 70_001), Err(Unmade::OutOfRange));
    assert_eq!(reader.consistency(2, 1), Err(Unmade::OutOfRange));
    assert_eq!(reader.root(70_001), Err(Unmade::OutOfRange));
}

#[test]
fn they_are_opened_as_they_were_and_as_far_as_the_log_goes() {
    let (disk, leaves) = (disk(1), of_log(0, 70_000));
    assert_eq!(filled(&disk, &leaves).1, 70_000);
    assert_eq!(filled(&disk, &leaves).1, 0);
    // The log was cut, and went on otherwise.
    let mut other = leaves[..40_000].to_vec();
    let (tiles, fetched) = filled(&disk, &other);
    assert_eq!(fetched, 0);
    assert_eq!(check(&tiles, &other, 7_001), 0);
    other.extend(of_log(1, 30_001));
    let (tiles, fetched) = filled(&disk, &other);
    assert_eq!(fetched, 30_001 + 40_000 % 256, "from the last tile that is whole");
    assert_eq!(check(&tiles, &other, 7_001), 0);
}

#[test]
fn what_another_log_left_is_not_believed() {
    let disk = disk(1);
    filled(&disk, &of_log(1, 70_000));
    let ours = of_log(0, 66_000);
    let (tiles, fetched) = filled(&disk, &ours);
    assert_eq!(fetched, 66_000);
    assert_eq!(check(&tiles, &ours, 9_001), 0);
}

/// Levels above the leaves are made again without asking for anything.
#[test]
fn a_level_that_is_lost_is_made_again() {
    let (disk, leaves) = (disk(1), of_log(0, 70_000));
    filled(&disk, &leaves);
    for level in [1, 2] {
        disk.remove(&file(level)).unwrap();
        let (tiles, fetched) = filled(&disk, &leaves);
        assert_eq!((fetched, check(&tiles, &leaves, 9_001)), (0, 0), "level {level}");
    }
    disk.remove(&file(0)).unwrap();
    let (tiles, fetched) = filled(&disk, &leaves);
    assert_eq!((fetched, check(&tiles, &leaves, 9_001)), (70_000, 0));
    // The beginning is there, the end is lost: only the subtrees at the end are asked for.
    disk.tamper(&file(0), |bytes| bytes.truncate(69_999 * 32)).unwrap();
    assert_eq!(filled(&disk, &leaves).1, 16);
    disk.tamper(&file(0), |bytes| bytes.truncate(60_000 * 32)).unwrap();
    let (tiles, fetched) = filled(&disk, &leaves);
    assert_eq!((fetched, check(&tiles, &leaves, 9_001)), (70_000 - 60_000 / 256 * 256, 0));
}

/// A bit of any row: it is found when the row is needed, or made again at the next start; and no proof is wrong.
#[test]
fn a_flipped_bit_costs_time_and_no_proof() {
    let leaves = of_log(0, 70_000);
    let mut mended = 0;
    for (level, rows) in [(0, 70_000), (1, 273), (2, 1)] {
        for row in (0..rows).step_by(rows / 4 + 1).chain([rows - 1]) {
            let disk = disk(1);
            let (tiles, _) = filled(&disk, &leaves);
            disk.tamper(&file(level), |bytes| bytes[row * 32 + row % 32] ^= 1 << (row % 8)).unwrap();
            mended += check(&tiles, &leaves, 1_009);
            assert_eq!(check(&tiles, &leaves, 1_009), 0, "it was mended on disk");
            disk.tamper(&file(level), |bytes| bytes[row * 32 + row % 32] ^= 1 << (row % 8)).unwrap();
            let (tiles, _) = filled(&disk, &leaves);
            mended += check(&tiles, &leaves, 1_009);
        }
    }
    assert!(mended > 0, "some were found and mended");
}

#[test]
fn only_the_right_leaves_mend() {
    let (disk, leaves) = (disk(1), of_log(0, 1_000));
    let (tiles, _) = filled(&disk, &leaves);
    disk.tamper(&file(0), |bytes| bytes[300 * 32] ^= 1).unwrap();
    let reader = tiles.reader();
    let damaged = 256..512;
    assert_eq!(reader.inclusion(500, 1_000), Err(Unmade::Damaged(damaged.clone())));
    assert_eq!(reader.inclusion(0, 1_000).map(|path| path.len()), Ok(10), "what is elsewhere is not needed");
    let wrong = of_log(1, 256);
    assert_eq!(reader.mend(&damaged, &wrong), Err(Unmade::Damaged(damaged.clone())));
    for range in [0..256, 256..511, 300..556, 0..1_000, Range { start: 512, end: 256 }, 1_024..1_280] {
        let mended = reader.mend(&range, &leaves[256..512]);
        assert!(mended.is_err(), "{range:?}");
    }
    assert_eq!(reader.inclusion(500, 1_000), Err(Unmade::Damaged(damaged.clone())));
    assert_eq!(reader.mend(&damaged, &leaves[256..512]), Ok(()));
    assert_eq!(check(&tiles, &leaves, 100), 0);
    // What cannot be read is damaged too, until it can be.
    disk.plan(Plan { when: When::Operation(0), effect: Effect::Fault(Fault::Io) });
    assert_eq!(reader.inclusion(500, 1_000), Err(Unmade::Damaged(damaged)));
    assert_eq!(check(&tiles, &leaves, 100), 0);
}

#[test]
fn a_write_that_fails_ends_the_pushing_and_not_the_proofs() {
    let (disk, leaves) = (disk(1), of_log(0, 1_000));
    let (mut tiles, _) = filled(&disk, &leaves[..500]);
    disk.plan(Plan { when: When::Operation(0), effect: Effect::Fault(Fault::NoSpace) });
    assert_eq!(tiles.push(&leaves[500..]).unwrap_err().kind, ErrorKind::NoSpace);
    assert_eq!(tiles.push(&leaves[500..]).unwrap_err().kind, ErrorKind::Poisoned);
    assert_eq!(check(&tiles, &leaves[..500], 10), 0);
    let (tiles, _) = filled(&disk, &leaves);
    assert_eq!(check(&tiles, &leaves, 10), 0);
}

/// Power goes at an operation, or the process is killed; what was not synced is forgotten at random, and nothing here ever is
/// synced. The log itself has all leaves.
#[test]
fn after_any_crash_every_proof_can_be_made() {
    let leaves = of_log(0, 3_000);
    let mut fetched_ever = 0;
    for seed in 0..60 {
        let disk = disk(seed);
        let mut pushed = index(seed * 37 % 900);
        for life in 0..4 {
            let (mut tiles, fetched) = filled(&disk, &leaves[..pushed]);
            fetched_ever += fetched;
            check(&tiles, &leaves[..pushed], 199);
            let effect = if (seed + life) % 3 == 0 { Effect::Kill } else { Effect::Power };
            disk.plan(Plan { when: When::Operation((seed * 7 + life * 3) % 11), effect });
            let mut step = 1 + index((seed * 13 + life) % 190);
            while pushed + step < leaves.len() && tiles.push(&leaves[pushed..pushed + step]).is_ok() {
                pushed += step;
                step = step * 5 % 193 + 1;
            }
            // What the log has is ahead of the tiles by what was about to be pushed.
            pushed = (pushed + step).min(leaves.len());
            disk.restart();
        }
        let (tiles, _) = filled(&disk, &leaves[..pushed]);
        check(&tiles, &leaves[..pushed], 37);
    }
    assert!(fetched_ever > 1_000, "crashes lost something");
}

/// A reader beside the writer.
#[test]
fn readers_are_not_held_up_and_see_whole_trees() {
    let (disk, leaves) = (disk(1), of_log(0, 20_000));
    let (mut tiles, _) = filled(&disk, &[]);
    let reader = tiles.reader();
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut seen = 0;
            while seen < number(leaves.len()) {
                seen = reader.size();
                if let Some(last) = seen.checked_sub(1) {
                    let root = reader.root(seen).unwrap();
                    let path = reader.inclusion(last / 2, seen).unwrap();
                    assert_eq!(
                        verify_inclusion(leaves[index(last / 2)], last / 2, seen, &root, &path),
                        Ok(())
                    );
                }
            }
        });
        leaves.chunks(97).for_each(|some| tiles.push(some).unwrap());
        reading.join().unwrap();
    });
    assert_eq!(tiles.reader().root(20_000), Ok(merkle::root(leaves)));
}

proptest! {
    #[test]
    fn any_pushes_and_starts_give_the_same_files(steps in prop::collection::vec((0_usize..700, any::<bool>()), 1..12)) {
        let total = steps.iter().map(|(step, _)| step).sum::<usize>();
        let leaves = of_log(0, number(total));
        let at_once = disk(1);
        filled(&at_once, &leaves);
        let disk = disk(2);
        let (mut tiles, _) = filled(&disk, &[]);
        let mut pushed = 0;
        for (step, again) in steps {
            if again {
                let (opened, fetched) = filled(&disk, &leaves[..pushed]);
                prop_assert_eq!(fetched, 0);
                tiles = opened;
            }
            tiles.push(&leaves[pushed..pushed + step]).unwrap();
            pushed += step;
        }
        for level in 0..2 {
            prop_assert_eq!(disk.content(&file(level)).ok(), at_once.content(&file(level)).ok());
        }
        check(&tiles, &leaves, 501);
    }
}
