//! The only containers of the state: ordered rows for cold data, dense pages for hot accounts.
//!
//! Both give ordered iteration, undo of the open scope, a canonical encoding (and so a hash), snapshots that are taken while they
//! go on changing, and nothing else. A command opens a scope; a refusal discards it, and the state is as if the command had
//! never come.
//!
//! Bounds: an ordered write costs a tree descent, and one clone of the former row while a scope is open or the row is still to
//! be written into a snapshot. A dense write costs one page look-up, and while a snapshot is under way one copy of 16 KiB the
//! first time a page is written to that is still to come.
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::{Bound, RangeBounds};

mod dense;
pub use dense::Dense;

/// What happens to the open scope.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    Open,
    Persist,
    Discard,
}

/// A table as scopes and snapshots see it.
///
/// A snapshot is of one moment and is written in slices, between which the table goes on changing: what is about to change and
/// has not been written yet is kept aside as it was. So nobody waits for longer than a slice takes.
pub trait Rows {
    /// Opens a scope or ends it.
    fn scope(&mut self, scope: Scope);
    /// A snapshot is of this moment.
    fn freeze(&mut self);
    /// Writes the next rows of the snapshot, about `room` bytes of them. False once all are written, or if there is none.
    fn slice(&mut self, room: usize, out: &mut Vec<u8>) -> bool;
    /// No snapshot is wanted any more.
    fn thaw(&mut self);
    /// Takes the rows of the next slice. They are there once [`Rows::loaded`] was called.
    fn load(&mut self, rows: &[u8]) -> Result<(), DecodeError>;
    /// All slices have been loaded.
    fn loaded(&mut self);
}

/// Rows in key order.
#[derive(Clone, Debug)]
pub struct Table<K, V> {
    rows: BTreeMap<K, V>,
    undo: Option<Vec<(K, Option<V>)>>,
    frozen: Option<Frozen<K, V>>,
    /// Rows of a snapshot. A tree that is made of all of them at once has no half-empty nodes.
    loading: Vec<(K, V)>,
}

/// A snapshot under way.
#[derive(Clone, Debug)]
struct Frozen<K, V> {
    /// The last row that was written.
    last: Option<K>,
    /// What rows after it were when the snapshot was taken, if they have changed since.
    former: BTreeMap<K, Option<V>>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), undo: None, frozen: None, loading: Vec::new() }
    }
}

impl<K: Ord, V: PartialEq> PartialEq for Table<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows
    }
}

impl<K: Ord, V: Eq> Eq for Table<K, V> {}

impl<K: Ord + Clone, V: Clone> Table<K, V> {
    /// The row at `key`.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    /// Whether there is a row at `key`.
    pub fn contains(&self, key: &K) -> bool {
        self.rows.contains_key(key)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All rows in key order.
    pub fn iter(&self) -> btree_map::Iter<'_, K, V> {
        self.rows.iter()
    }

    /// Rows whose key lies in `range`, in key order.
    pub fn range(&self, range: impl RangeBounds<K>) -> btree_map::Range<'_, K, V> {
        self.rows.range(range)
    }

    /// Puts a row at `key`, whether there is one or not.
    pub fn insert(&mut self, key: K, value: V) {
        if self.undo.is_none() && self.frozen.is_none() {
            self.rows.insert(key, value);
        } else {
            let former = self.rows.insert(key.clone(), value);
            self.remember(key, former);
        }
    }

    /// Takes the row at `key` away, if there is one.
    pub fn remove(&mut self, key: &K) {
        if let Some(former) = self.rows.remove(key) {
            self.remember(key.clone(), Some(former));
        }
    }

    /// Changes the row at `key` in place, an empty one if there is none.
    pub fn update(&mut self, key: K, change: impl FnOnce(&mut V))
    where
        V: Default,
    {
        let remembers = self.undo.is_some() || self.frozen.is_some();
        if remembers {
            let former = self.rows.get(&key).cloned();
            self.remember(key.clone(), former);
        }
        change(self.rows.entry(key).or_default());
    }

    fn remember(&mut self, key: K, former: Option<V>) {
        if let Some(frozen) = &mut self.frozen
            && frozen.last.as_ref().is_none_or(|last| *last < key)
        {
            frozen.former.entry(key.clone()).or_insert_with(|| former.clone());
        }
        if let Some(undo) = &mut self.undo {
            undo.push((key, former));
        }
    }
}

impl<K, V> Rows for Table<K, V>
where
    K: Ord + Clone + Encode<()> + for<'b> Decode<'b, ()>,
    V: Clone + Encode<()> + for<'b> Decode<'b, ()>,
{
    fn scope(&mut self, scope: Scope) {
        match scope {
            Scope::Open => {
                assert!(self.undo.is_none(), "scopes do not nest");
                self.undo = Some(Vec::new());
            }
            Scope::Persist => self.undo = None,
            Scope::Discard => {
                for (key, former) in self.undo.take().expect("a scope is open").into_iter().rev() {
                    match former {
                        Some(value) => self.rows.insert(key, value),
                        None => self.rows.remove(&key),
                    };
                }
            }
        }
    }

    fn freeze(&mut self) {
        assert!(self.frozen.is_none(), "one snapshot is written at a time");
        self.frozen = Some(Frozen { last: None, former: BTreeMap::new() });
    }

    fn slice(&mut self, room: usize, out: &mut Vec<u8>) -> bool {
        let Some(Frozen { last, former }) = &mut self.frozen else { return false };
        let end = out.len().saturating_add(room);
        let mut encoder = Encoder::new(out);
        let from = last.take().map_or(Bound::Unbounded, Bound::Excluded);
        let mut rows = self.rows.range((from, Bound::Unbounded)).peekable();
        loop {
            let next = rows.peek().map(|(key, _)| *key);
            let kept = former.first_key_value().map(|(key, _)| key);
            let row = match (next, kept) {
                (None, None) => break,
                (Some(key), Some(kept)) if key < kept => rows.next(),
                (Some(_), None) => rows.next(),
                (_, Some(_)) => None,
            };
            let key = if let Some((key, value)) = row {
                write_row(&mut encoder, key, value);
                key.clone()
            } else {
                let (key, value) = former.pop_first().expect("it was just looked at");
                rows.next_if(|(next, _)| **next == key);
                if let Some(value) = value {
                    write_row(&mut encoder, &key, &value);
                }
                key
            };
            if encoder.writer().len() >= end {
                *last = Some(key);
                return true;
            }
        }
        self.frozen = None;
        false
    }

    fn thaw(&mut self) {
        self.frozen = None;
    }

    fn load(&mut self, rows: &[u8]) -> Result<(), DecodeError> {
        let mut decoder = Decoder::new(rows);
        while decoder.position() < rows.len() {
            self.loading.push((decoder.decode()?, decoder.decode()?));
        }
        Ok(())
    }

    fn loaded(&mut self) {
        self.rows = core::mem::take(&mut self.loading).into_iter().collect();
    }
}

fn write_row(encoder: &mut Encoder<&mut Vec<u8>>, key: &impl Encode<()>, value: &impl Encode<()>) {
    encoder.encode(key).and_then(|it| it.encode(value)).expect("encoding into memory does not fail");
}

impl<'a, K, V> IntoIterator for &'a Table<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = btree_map::Iter<'a, K, V>;
    fn into_iter(self) -> Self::IntoIter {
        self.rows.iter()
    }
}

impl<C, K: Encode<C> + Ord, V: Encode<C>> Encode<C> for Table<K, V> {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), EncodeError<W::Error>> {
        self.rows.encode(e, ctx)
    }
}

impl<'b, C, K: Decode<'b, C> + Ord, V: Decode<'b, C>> Decode<'b, C> for Table<K, V> {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, DecodeError> {
        Ok(Self { rows: BTreeMap::decode(d, ctx)?, undo: None, frozen: None, loading: Vec::new() })
    }
}

#[cfg(test)]
mod tests;
