//! Pages: lists come in parts, with a cursor to go on from.
use crate::error::Problem;
use serde::{Deserialize, Serialize};
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
    /// From the page before.
    pub(crate) cursor: Option<String>,
    /// Items of a page, at most 200.
    pub(crate) limit: Option<usize>,
}

impl PageQuery {
    pub(crate) fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX)
    }

    /// The cursor as the number that it is.
    pub(crate) fn number(&self) -> Result<Option<u64>, Problem> {
        let parse = |text: &String| text.parse().map_err(|_| bad_cursor());
        self.cursor.as_ref().map(parse).transpose()
    }

    /// A page of rows that are ordered by id; the cursor is the last id seen.
    pub(crate) fn of<T>(&self, rows: impl Iterator<Item = (String, T)>) -> Page<T> {
        let after = self.cursor.clone().unwrap_or_else(String::new);
        let mut rows = rows.skip_while(|(id, _)| !after.is_empty() && *id <= after);
        let (mut items, mut last) = (Vec::new(), None);
        for (id, item) in rows.by_ref().take(self.limit()) {
            items.push(item);
            last = Some(id);
        }
        let next = rows.next().and(last);
        Page { items, next }
    }
}

pub(crate) fn bad_cursor() -> Problem {
    Problem::bad_request("api.bad_cursor", "the cursor is not one that this list gave")
}
