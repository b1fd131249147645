//! Dense: rows by handle, in pages.
use super::{Rows, Scope};
use crate::ids::Handle;
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use std::collections::BTreeMap;

/// Bytes of a page.
const PAGE_BYTES: usize = 16 * 1024;

/// Rows by handle, never removed.
#[derive(Clone, Debug)]
pub struct Dense<V> {
    pages: Vec<Vec<V>>,
    len: u32,
    undo: Option<Undo<V>>,
    frozen: Option<Frozen<V>>,
}

#[derive(Clone, Debug)]
struct Undo<V> {
    len: u32,
    former: Vec<(Handle, V)>,
}

/// A snapshot under way.
#[derive(Clone, Debug)]
struct Frozen<V> {
    /// Rows that there were when it was taken.
    len: u32,
    /// The next page to be written.
    next: usize,
    /// What pages from there on were then, if they have changed since.
    former: BTreeMap<usize, Vec<V>>,
}

impl<V> Default for Dense<V> {
    fn default() -> Self {
        Self { pages: Vec::new(), len: 0, undo: None, frozen: None }
    }
}

impl<V: PartialEq> PartialEq for Dense<V> {
    fn eq(&self, other: &Self) -> bool {
        self.pages == other.pages
    }
}

impl<V: Eq> Eq for Dense<V> {}

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
        self.pages.get(page)?.get(slot)
    }

    /// All rows in handle order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.pages.iter().flatten()
    }

    /// The first handle whose row does not `come_before`, if rows that do are before those that do not.
    pub fn partition_point(&self, come_before: impl Fn(&V) -> bool) -> Handle {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = low.midpoint(high);
            if self.get(Handle(middle)).is_some_and(&come_before) {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        Handle(low)
    }

    /// Appends a row and returns its handle.
    pub fn push(&mut self, value: V) -> Handle {
        let handle = Handle(self.len);
        let (page, _) = Self::place(handle);
        if page == self.pages.len() {
            self.pages.push(Vec::with_capacity(Self::ROWS_PER_PAGE));
        }
        self.pages.get_mut(page).expect("it is there now").push(value);
        self.len = self.len.checked_add(1).expect("limits::ACCOUNTS_MAX is far below 2^32");
        handle
    }

    /// Changes one row in place.
    #[inline]
    pub fn update(&mut self, handle: Handle, change: impl FnOnce(&mut V)) {
        let (page, slot) = Self::place(handle);
        if self.frozen.is_some() || self.undo.is_some() {
            self.remember(handle, page, slot);
        }
        let row = self.pages.get_mut(page).and_then(|rows| rows.get_mut(slot));
        change(row.expect("a handle names a row"));
    }

    /// Apart from the common case, so that this stays small: the less there is to do for a row, the more rows the processor
    /// fetches at once.
    #[cold]
    #[inline(never)]
    fn remember(&mut self, handle: Handle, page: usize, slot: usize) {
        let rows = self.pages.get(page).expect("a handle names a row");
        if let Some(frozen) = self.frozen.as_mut().filter(|frozen| page >= frozen.next) {
            frozen.former.entry(page).or_insert_with(|| rows.clone());
        }
        if let Some(undo) = &mut self.undo {
            undo.former.push((handle, rows.get(slot).expect("a handle names a row").clone()));
        }
    }

    fn truncate(&mut self, len: u32) {
        let (page, slot) = Self::place(Handle(len));
        let pages = if slot == 0 { page } else { page.saturating_add(1) };
        self.pages.truncate(pages);
        if slot > 0 {
            self.pages.get_mut(page).expect("it had more rows").truncate(slot);
        }
        self.len = len;
    }

    #[inline]
    fn place(handle: Handle) -> (usize, usize) {
        let index = usize::try_from(handle.0).expect("usize holds 32 bits");
        (index.div_euclid(Self::ROWS_PER_PAGE), index.rem_euclid(Self::ROWS_PER_PAGE))
    }
}

impl<V: Clone + Encode<()> + for<'b> Decode<'b, ()>> Rows for Dense<V> {
    fn scope(&mut self, scope: Scope) {
        match scope {
            Scope::Open => {
                assert!(self.undo.is_none(), "scopes do not nest");
                self.undo = Some(Undo { len: self.len, former: Vec::new() });
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

    fn freeze(&mut self) {
        assert!(self.frozen.is_none(), "one snapshot is written at a time");
        self.frozen = Some(Frozen { len: self.len, next: 0, former: BTreeMap::new() });
    }

    fn slice(&mut self, room: usize, out: &mut Vec<u8>) -> bool {
        let Some(frozen) = &mut self.frozen else { return false };
        let end = out.len().saturating_add(room);
        let mut encoder = Encoder::new(out);
        let len = usize::try_from(frozen.len).expect("usize holds 32 bits");
        while encoder.writer().len() < end {
            let before = frozen.next.saturating_mul(Self::ROWS_PER_PAGE);
            let rows = len.saturating_sub(before).min(Self::ROWS_PER_PAGE);
            if rows == 0 {
                self.frozen = None;
                return false;
            }
            let former = frozen.former.remove(&frozen.next);
            let page = former.as_ref().or_else(|| self.pages.get(frozen.next)).expect("it was there then");
            for row in page.iter().take(rows) {
                encoder.encode(row).expect("encoding into memory does not fail");
            }
            frozen.next = frozen.next.saturating_add(1);
        }
        true
    }

    fn thaw(&mut self) {
        self.frozen = None;
    }

    fn load(&mut self, rows: &[u8]) -> Result<(), DecodeError> {
        let mut decoder = Decoder::new(rows);
        while decoder.position() < rows.len() {
            self.push(decoder.decode()?);
        }
        Ok(())
    }

    fn loaded(&mut self) {}
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
