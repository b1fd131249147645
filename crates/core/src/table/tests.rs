//! Both tables against the plainest thing that does the same: a copy of everything, kept for the undo.
#![expect(clippy::indexing_slicing, reason = "a test may panic")]
use super::{Dense, Rows, Scope, Table};
use crate::ids::Handle;
use crate::tests::seeded;
use proptest::collection::vec;
use proptest::prelude::any;
use std::collections::BTreeMap;

/// What to do, to which row, with which value.
type Step = (u8, u8, u32);

#[test]
fn an_ordered_table_is_a_map_with_undo() {
    let steps = vec(any::<Step>(), 0..200);
    let run = |steps: Vec<Step>| {
        let (mut table, mut map) = (Table::<u8, u32>::default(), BTreeMap::<u8, u32>::new());
        let mut before: Option<BTreeMap<u8, u32>> = None;
        for (what, key, value) in steps {
            let key = key % 16;
            match what % 8 {
                0..=3 => {
                    table.insert(key, value);
                    map.insert(key, value);
                }
                4 | 5 => {
                    table.remove(&key);
                    map.remove(&key);
                }
                6 if before.is_none() => {
                    table.scope(Scope::Open);
                    before = Some(map.clone());
                }
                _ => {
                    let Some(former) = before.take() else { continue };
                    if value % 2 == 0 {
                        table.scope(Scope::Persist);
                    } else {
                        table.scope(Scope::Discard);
                        map = former;
                    }
                }
            }
            assert!(table.iter().eq(map.iter()));
            assert_eq!((table.len(), table.is_empty()), (map.len(), map.is_empty()));
            assert_eq!(table.get(&key), map.get(&key));
            assert_eq!(table.contains(&key), map.contains_key(&key));
            assert!(table.range(key..).eq(map.range(key..)));
        }
        Ok(())
    };
    seeded(1, 200).run(&steps, run).unwrap_or_else(|failure| panic!("{failure}"));
}

/// Four rows fill a page, so that pages begin and end often.
type Wide = [u32; 1024];

#[test]
fn a_dense_table_is_a_list_with_undo() {
    let steps = vec(any::<Step>(), 0..120);
    let run = |steps: Vec<Step>| {
        let (mut table, mut list) = (Dense::<Wide>::default(), Vec::<u32>::new());
        let mut before: Option<Vec<u32>> = None;
        for (what, row, value) in steps {
            match what % 8 {
                0..=2 => {
                    let handle = table.push([value; 1024]);
                    assert_eq!(usize::try_from(handle.0), Ok(list.len()));
                    list.push(value);
                }
                3 | 4 if !list.is_empty() => {
                    let row = usize::from(row) % list.len();
                    table.update(Handle(u32::try_from(row).expect("it is small")), |it| *it = [value; 1024]);
                    list[row] = value;
                }
                5 if before.is_none() => {
                    table.scope(Scope::Open);
                    before = Some(list.clone());
                }
                _ => {
                    let Some(former) = before.take() else { continue };
                    if value % 2 == 0 {
                        table.scope(Scope::Persist);
                    } else {
                        table.scope(Scope::Discard);
                        list = former;
                    }
                }
            }
            assert!(table.iter().map(|row| row[0]).eq(list.iter().copied()));
            assert_eq!(usize::try_from(table.len()), Ok(list.len()));
            assert_eq!(table.is_empty(), list.is_empty());
        }
        Ok(())
    };
    seeded(2, 200).run(&steps, run).unwrap_or_else(|failure| panic!("{failure}"));
}

/// What slices hold, put together.
fn loaded<T: Rows + Default>(slices: &[Vec<u8>]) -> T {
    let mut table = T::default();
    for rows in slices {
        table.load(rows).expect("it was just written");
    }
    table.loaded();
    table
}

/// Changes a table while a snapshot of it is written, a slice now and then, and compares what was written with the table as it
/// was when the snapshot was taken.
fn check_snapshots<T: Rows + Clone + Default + PartialEq + std::fmt::Debug>(
    steps: &[Step],
    mut change: impl FnMut(&mut T, Step),
) {
    let mut table = T::default();
    let mut under_way: Option<(T, Vec<Vec<u8>>)> = None;
    for step in steps {
        let (what, row, _) = *step;
        match (what % 16, &mut under_way) {
            (0, None) => {
                under_way = Some((table.clone(), Vec::new()));
                table.freeze();
            }
            (0..=3, Some((_, slices))) => {
                let mut rows = Vec::new();
                let more = table.slice(usize::from(row % 24), &mut rows);
                slices.push(rows);
                if !more {
                    let (then, slices) = under_way.take().expect("it is under way");
                    assert_eq!(loaded::<T>(&slices), then);
                    assert!(!table.slice(1, &mut Vec::new()), "it is over");
                }
            }
            (4, Some(_)) if row > 250 => {
                table.thaw();
                under_way = None;
            }
            _ => {
                // Half of what is done is undone again.
                table.scope(Scope::Open);
                change(&mut table, *step);
                let scope = if row % 2 == 0 { Scope::Persist } else { Scope::Discard };
                table.scope(scope);
                if row % 4 == 0 {
                    change(&mut table, *step);
                }
            }
        }
    }
    if let Some((then, mut slices)) = under_way {
        let mut more = true;
        while more {
            let mut rows = Vec::new();
            more = table.slice(64, &mut rows);
            slices.push(rows);
        }
        assert_eq!(loaded::<T>(&slices), then);
    }
}

#[test]
fn a_snapshot_of_an_ordered_table_is_of_one_moment() {
    let run = |steps: Vec<Step>| {
        check_snapshots::<Table<u8, u32>>(&steps, |table, (what, key, value)| match what % 3 {
            0 => table.remove(&(key % 64)),
            1 => table.insert(key % 64, value),
            _ => table.update(key % 64, |it| *it ^= value),
        });
        Ok(())
    };
    let steps = vec(any::<Step>(), 0..400);
    seeded(3, 300).run(&steps, run).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_snapshot_of_a_dense_table_is_of_one_moment() {
    let run = |steps: Vec<Step>| {
        check_snapshots::<Dense<[u64; 500]>>(&steps, |table, (what, row, value)| {
            if table.is_empty() || what % 3 == 0 {
                table.push([value.into(); 500]);
            } else {
                table.update(Handle(u32::from(row) % table.len()), |it| it[7] ^= u64::from(value));
            }
        });
        Ok(())
    };
    let steps = vec(any::<Step>(), 0..200);
    seeded(4, 200).run(&steps, run).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn a_row_that_is_not_there_is_none() {
    let mut table = Dense::<u8>::default();
    assert_eq!(table.get(Handle(0)), None);
    let handle = table.push(7);
    assert_eq!(
        (table.get(handle), table.get(Handle(1)), table.get(Handle(u32::MAX))),
        (Some(&7), None, None)
    );
}

#[test]
#[should_panic(expected = "scopes do not nest")]
fn scopes_do_not_nest() {
    let mut table = Table::<u8, u8>::default();
    table.scope(Scope::Open);
    table.scope(Scope::Open);
}
