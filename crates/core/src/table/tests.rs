//! Both tables against the plainest thing that does the same: a copy of everything, kept for the undo.
#![expect(clippy::indexing_slicing, reason = "a test may panic")]
use super::{Dense, Scope, Table};
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
        // A snapshot, and what it must go on to say whatever is written afterwards.
        let mut snapshot = (table.clone(), list.clone());
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
                6 => {
                    let Some(former) = before.take() else { continue };
                    if value % 2 == 0 {
                        table.scope(Scope::Persist);
                    } else {
                        table.scope(Scope::Discard);
                        list = former;
                    }
                }
                _ => {
                    if value % 3 > 0 {
                        table.share();
                    }
                    snapshot = (table.clone(), list.clone());
                }
            }
            for (table, list) in [(&table, &list), (&snapshot.0, &snapshot.1)] {
                assert!(table.iter().map(|row| row[0]).eq(list.iter().copied()));
                assert_eq!(usize::try_from(table.len()), Ok(list.len()));
                assert_eq!(table.is_empty(), list.is_empty());
            }
        }
        Ok(())
    };
    seeded(2, 200).run(&steps, run).unwrap_or_else(|failure| panic!("{failure}"));
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

/// A snapshot costs nothing until somebody writes, and then only the page that is written to.
#[test]
fn only_the_page_that_is_written_is_copied() {
    let mut table = Dense::<Wide>::default();
    for value in 0..8 {
        table.push([value; 1024]);
    }
    table.share();
    let snapshot = table.clone();
    table.update(Handle(5), |row| row[0] = 9);
    let places = |table: &Dense<Wide>| -> Vec<_> { table.pages().map(<[_]>::as_ptr).collect() };
    let shared: Vec<bool> =
        places(&table).iter().zip(&places(&snapshot)).map(|(one, other)| one == other).collect();
    assert_eq!(shared, [true, false]);
    assert_eq!(snapshot.get(Handle(5)).map(|row| row[0]), Some(5));
    drop(snapshot);
    // Nobody else has it any more, so it becomes one's own again without a copy.
    let before = places(&table);
    table.update(Handle(1), |row| row[0] = 7);
    assert_eq!(places(&table), before);
}

#[test]
#[should_panic(expected = "scopes do not nest")]
fn scopes_do_not_nest() {
    let mut table = Table::<u8, u8>::default();
    table.scope(Scope::Open);
    table.scope(Scope::Open);
}
