//! Pages of lists that are short enough to be read whole: at most a hundred rows.

use std::ops::Range;

use uuid::Uuid;

use super::error::Result;
use super::page::{ByAge, PageInfo, Window};

/// All rows of a list, in order, and which of them are on the page.
pub(crate) struct Whole<T> {
    all: Vec<T>,
    page: Range<usize>,
    order: ByAge,
    id: fn(&T) -> Uuid,
}

impl<T> Whole<T> {
    /// Understands the arguments, and only then reads the rows.
    pub(crate) async fn load(
        window: Window,
        order: ByAge,
        load: impl AsyncFnOnce() -> Result<Vec<T>>,
        id: fn(&T) -> Uuid,
    ) -> Result<Self> {
        let part = window.part(order)?;
        let mut all = load().await?;
        all.sort_by(|one, other| order.compare(id(one), id(other)));
        // Where a row that is gone meanwhile stood.
        let start = part
            .after
            .map_or(0, |place| all.partition_point(|row| order.compare(id(row), place).is_le()));
        let end = part.before.map_or(all.len(), |place| {
            all.partition_point(|row| order.compare(id(row), place).is_lt())
        });
        let (end, count) = (end.max(start), usize::try_from(part.size).unwrap_or(usize::MAX));
        let page = match part.from_end {
            true => end.saturating_sub(count).max(start)..end,
            false => start..start.saturating_add(count).min(end),
        };
        Ok(Self { all, page, order, id })
    }

    pub(crate) fn listed(&self) -> &[T] {
        &self.all[self.page.clone()]
    }

    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn cursor(&self, row: &T) -> String {
        self.order.cursor((self.id)(row))
    }

    pub(crate) fn page_info(&self) -> PageInfo {
        PageInfo {
            has_next_page: self.page.end < self.all.len(),
            has_previous_page: self.page.start > 0,
            start_cursor: self.listed().first().map(|row| self.cursor(row)),
            end_cursor: self.listed().last().map(|row| self.cursor(row)),
        }
    }
}
