//! The only containers of the state: ordered rows for cold data, dense pages for hot accounts.
//!
//! Both give ordered iteration, undo of the open scope, a canonical encoding (and so a hash and a snapshot), and nothing else.
//! A command opens a scope; a refusal discards it, and the state is as if the command had never come.
//!
//! Bounds: an ordered write costs a tree descent and one clone of the former row while a scope is open. A dense write costs
//! one page look-up and, on the first write after the page was shared, one copy of 16 KiB. Pages that nobody shares are not
//! counted: an atomic count for each write would keep the processor from fetching the rows of a posting at once, and take
//! twice the time.
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::RangeBounds;
use std::sync::Arc;

use crate::ids::Handle;

/// What happens to the open scope.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope {
    Open,
    Persist,
    Discard,
}

/// Rows in key order.
#[derive(Clone, Debug)]
pub struct Table<K, V> {
    rows: BTreeMap<K, V>,
    undo: Option<Vec<(K, Option<V>)>>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), undo: None }
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

    pub(crate) fn insert(&mut self, key: K, value: V) {
        match &mut self.undo {
            Some(undo) => {
                let former = self.rows.insert(key.clone(), value);
                undo.push((key, former));
            }
            None => {
                self.rows.insert(key, value);
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &K) {
        let former = self.rows.remove(key);
        if let (Some(undo), Some(former)) = (&mut self.undo, former) {
            undo.push((key.clone(), Some(former)));
        }
    }

    pub(crate) fn scope(&mut self, scope: Scope) {
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
        Ok(Self { rows: BTreeMap::decode(d, ctx)?, undo: None })
    }
}

/// Bytes of a dense page.
const PAGE_BYTES: usize = 16 * 1024;

/// A page that clones share; that it is a list lets it be shared and taken back without copying its rows.
type Shared<V> = Arc<Vec<V>>;

/// Rows by handle, in pages that are copied on the first write after they were shared.
#[derive(Clone, Debug)]
pub struct Dense<V> {
    /// Empty where the page is shared.
    own: Vec<Vec<V>>,
    shared: Vec<Option<Shared<V>>>,
    len: u32,
    undo: Option<DenseUndo<V>>,
}

#[derive(Clone, Debug)]
struct DenseUndo<V> {
    len: u32,
    former: Vec<(Handle, V)>,
}

impl<V> Default for Dense<V> {
    fn default() -> Self {
        Self { own: Vec::new(), shared: Vec::new(), len: 0, undo: None }
    }
}

impl<V: PartialEq> PartialEq for Dense<V> {
    fn eq(&self, other: &Self) -> bool {
        self.pages().eq(other.pages())
    }
}

impl<V: Eq> Eq for Dense<V> {}

impl<V> Dense<V> {
    fn pages(&self) -> impl Iterator<Item = &[V]> {
        self.own.iter().zip(&self.shared).map(|(own, shared)| match shared {
            Some(rows) => rows.as_slice(),
            None => own.as_slice(),
        })
    }
}

impl<V: Clone> Dense<V> {
    const ROWS_PER_PAGE: usize = {
        assert!(size_of::<V>() > 0 && size_of::<V>() <= PAGE_BYTES, "a row fits a page");
        PAGE_BYTES / size_of::<V>()
    };

    /// Number of rows.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The row of `handle`.
    #[inline]
    pub fn get(&self, handle: Handle) -> Option<&V> {
        let (page, slot) = Self::place(handle);
        let shared = || self.shared.get(page)?.as_ref()?.get(slot);
        self.own.get(page)?.get(slot).or_else(shared)
    }

    /// All rows in handle order.
    pub fn iter(&self) -> impl Iterator<Item = &V> {
        self.pages().flatten()
    }

    /// From here on clones share the pages and cost a pointer each; the first write to a page copies it.
    pub(crate) fn share(&mut self) {
        for (own, shared) in self.own.iter_mut().zip(&mut self.shared) {
            if !own.is_empty() {
                *shared = Some(Arc::new(core::mem::take(own)));
            }
        }
    }

    /// Appends a row and returns its handle.
    pub fn push(&mut self, value: V) -> Handle {
        let handle = Handle(self.len);
        let (page, _) = Self::place(handle);
        if page == self.own.len() {
            self.own.push(Vec::with_capacity(Self::ROWS_PER_PAGE));
            self.shared.push(None);
        }
        take_over(&mut self.own, &mut self.shared, page).push(value);
        self.len = self.len.checked_add(1).expect("limits::ACCOUNTS_MAX is far below 2^32");
        handle
    }

    /// Changes one row in place.
    #[inline]
    pub fn update(&mut self, handle: Handle, change: impl FnOnce(&mut V)) {
        let (page, slot) = Self::place(handle);
        let row = match self.own.get_mut(page).and_then(|rows| rows.get_mut(slot)) {
            Some(row) => row,
            None => shared_row(&mut self.own, &mut self.shared, page, slot),
        };
        if let Some(undo) = &mut self.undo {
            undo.former.push((handle, row.clone()));
        }
        change(row);
    }

    pub(crate) fn scope(&mut self, scope: Scope) {
        match scope {
            Scope::Open => {
                assert!(self.undo.is_none(), "scopes do not nest");
                self.undo = Some(DenseUndo { len: self.len, former: Vec::new() });
            }
            Scope::Persist => self.undo = None,
            Scope::Discard => {
                let undo = self.undo.take().expect("a scope is open");
                for (handle, former) in undo.former.into_iter().rev() {
                    self.update(handle, |row| *row = former);
                }
                self.truncate(undo.len);
            }
        }
    }

    fn truncate(&mut self, len: u32) {
        let (page, slot) = Self::place(Handle(len));
        let pages = if slot == 0 { page } else { page.saturating_add(1) };
        self.own.truncate(pages);
        self.shared.truncate(pages);
        if slot > 0 {
            take_over(&mut self.own, &mut self.shared, page).truncate(slot);
        }
        self.len = len;
    }

    #[inline]
    fn place(handle: Handle) -> (usize, usize) {
        let index = usize::try_from(handle.0).expect("usize holds 32 bits");
        (index.div_euclid(Self::ROWS_PER_PAGE), index.rem_euclid(Self::ROWS_PER_PAGE))
    }
}

/// The rows of a page that is one's own from now on, copied if somebody else still has them.
fn take_over<'a, V: Clone>(
    own: &'a mut [Vec<V>],
    shared: &mut [Option<Shared<V>>],
    page: usize,
) -> &'a mut Vec<V> {
    let own = own.get_mut(page).expect("a handle names a row");
    if let Some(rows) = shared.get_mut(page).and_then(Option::take) {
        *own = Arc::unwrap_or_clone(rows);
    }
    own
}

/// Apart from the common case, so that this stays small: the less there is to do for a row, the more rows the processor
/// fetches at once.
#[cold]
#[inline(never)]
fn shared_row<'a, V: Clone>(
    own: &'a mut [Vec<V>],
    shared: &mut [Option<Shared<V>>],
    page: usize,
    slot: usize,
) -> &'a mut V {
    take_over(own, shared, page).get_mut(slot).expect("a handle names a row")
}

impl<C, V: Encode<C> + Clone> Encode<C> for Dense<V> {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.array(u64::from(self.len))?;
        self.iter().try_for_each(|row| row.encode(e, ctx))
    }
}

impl<'b, C, V: Decode<'b, C> + Clone> Decode<'b, C> for Dense<V> {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, DecodeError> {
        let mut rows = Self::default();
        for row in d.array_iter_with::<C, V>(ctx)? {
            rows.push(row?);
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests;
