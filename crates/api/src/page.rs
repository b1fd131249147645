//! Pages: lists come in parts, with a cursor to go on from.
use crate::error::Problem;
use serde::{Deserialize, Serialize};
use std::fmt::Display;
use std::ops::Bound;
use std::str::FromStr;
use utoipa::{IntoParams, ToSchema};

/// Most items of a page.
pub(crate) const LIMIT_MAX: usize = 200;
const LIMIT_DEFAULT: usize = 50;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Give this as `cursor` for the next page; null on the last.
    pub(crate) next: Option<String>,
}

/// Which page.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// `next` of the page before.
    pub(crate) cursor: Option<String>,
    /// Items of a page: 50 if left out, at most 200.
    pub(crate) limit: Option<usize>,
}

/// Keys of a table after the last one seen.
pub(crate) type After<K> = (Bound<K>, Bound<K>);

impl PageQuery {
    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX)
    }

    /// The cursor as the number that it is.
    pub(crate) fn number(&self) -> Result<Option<u64>, Problem> {
        self.parsed()
    }

    /// Where in a table that is ordered by its keys the page begins.
    pub(crate) fn after<K: FromStr>(&self) -> Result<After<K>, Problem> {
        let last = self.parsed()?;
        Ok((last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded))
    }

    fn parsed<K: FromStr>(&self) -> Result<Option<K>, Problem> {
        let parse = |text: &String| text.parse().map_err(|_| bad_cursor());
        self.cursor.as_ref().map(parse).transpose()
    }

    /// A page of `rows`, which begin where the page does; only what is on it is shown by `view`.
    pub(crate) fn of<K: Display, V, T>(
        &self,
        rows: impl Iterator<Item = (K, V)>,
        mut view: impl FnMut(&K, V) -> T,
    ) -> Page<T> {
        let (mut rows, mut items, mut last) = (rows, Vec::new(), None);
        for (key, row) in rows.by_ref().take(self.limit()) {
            items.push(view(&key, row));
            last = Some(key);
        }
        let next = rows.next().and(last).map(|key| key.to_string());
        Page { items, next }
    }
}

pub(crate) fn bad_cursor() -> Problem {
    Problem::bad_request("api.bad_cursor", "the cursor is not one that this list gave")
}
