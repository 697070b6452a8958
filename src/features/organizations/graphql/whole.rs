//! Pages of lists that are short enough to be read whole: at most a hundred rows.

use std::ops::Range;

use uuid::Uuid;

use crate::graphql::error::{ApiError, Result};
use crate::graphql::page::{Cursor, PageInfo, Size, Window};

/// The order's name inside cursors: there is one.
const ORDER: &str = "ID ASC";

/// All rows of a list, in the order of their ids, and which of them are on the page.
pub(super) struct Whole<T> {
    all: Vec<T>,
    page: Range<usize>,
    id: fn(&T) -> Uuid,
}

impl<T> Whole<T> {
    /// Understands the arguments, and only then reads the rows.
    pub(super) async fn load(
        window: Window,
        load: impl AsyncFnOnce() -> Result<Vec<T>>,
        id: fn(&T) -> Uuid,
    ) -> Result<Self> {
        let size = Size::parse(window.first, window.last)?;
        let after = window.after.map(|text| parse_place("after", &text)).transpose()?;
        let before = window.before.map(|text| parse_place("before", &text)).transpose()?;
        let mut all = load().await?;
        all.sort_by_key(id);
        // Where a row that is gone meanwhile stood.
        let start = after.map_or(0, |place| all.partition_point(|row| id(row) <= place));
        let end = before.map_or(all.len(), |place| all.partition_point(|row| id(row) < place));
        let (end, count) = (end.max(start), usize::try_from(size.count).unwrap_or(usize::MAX));
        let page = match size.from_end {
            true => end.saturating_sub(count).max(start)..end,
            false => start..start.saturating_add(count).min(end),
        };
        Ok(Self { all, page, id })
    }

    pub(super) fn listed(&self) -> &[T] {
        &self.all[self.page.clone()]
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    pub(super) fn cursor(&self, row: &T) -> String {
        place((self.id)(row))
    }

    pub(super) fn page_info(&self) -> PageInfo {
        PageInfo {
            has_next_page: self.page.end < self.all.len(),
            has_previous_page: self.page.start > 0,
            start_cursor: self.listed().first().map(|row| self.cursor(row)),
            end_cursor: self.listed().last().map(|row| self.cursor(row)),
        }
    }
}

/// The cursor of a row.
pub(super) fn place(id: Uuid) -> String {
    Cursor { order: ORDER.to_owned(), key: String::new(), id: id.to_string() }.encode()
}

/// The row that a cursor names; `path` names the argument it came by.
pub(super) fn parse_place(path: &'static str, text: &str) -> Result<Uuid> {
    let cursor = Cursor::parse(path, text, ORDER)?;
    Uuid::try_parse(&cursor.id)
        .map_err(|_| ApiError::argument(path, "INVALID_FORMAT", "This is not a cursor"))
}
