//! Lists that are short enough to be read whole: at most a hundred rows.

use std::marker::PhantomData;

use async_graphql::Context;
use uuid::Uuid;

use super::connection::{Connection, Edge, Source};
use super::error::Result;
use super::page::{Beyond, ByAge, Window};
use super::row::Row;
use crate::kernel::page::Page;

/// A list that was read whole, and what of it is around the page.
pub(crate) struct Whole<N> {
    count: u64,
    has_before: bool,
    has_after: bool,
    of: PhantomData<N>,
}

impl<N: Row> Whole<N> {
    /// Understands the arguments, and only then reads the rows.
    pub(crate) async fn load<T>(
        window: Window,
        order: ByAge,
        load: impl AsyncFnOnce() -> Result<Vec<T>>,
        id: fn(&T) -> Uuid,
        node: impl Fn(T) -> N,
    ) -> Result<Connection<Self>> {
        let part = window.part(order.name())?;
        let mut rows = load().await?;
        rows.sort_by(|one, other| order.compare(id(one), id(other)));
        // Where a row that is gone meanwhile stood.
        let start = part.after.map_or(0, |place| {
            rows.partition_point(|row| order.compare(id(row), place.id).is_le())
        });
        let end = part.before.map_or(rows.len(), |place| {
            rows.partition_point(|row| order.compare(id(row), place.id).is_lt())
        });
        let (end, count) = (end.max(start), usize::try_from(part.size).unwrap_or(usize::MAX));
        let page = match part.from_end {
            true => end.saturating_sub(count).max(start)..end,
            false => start..start.saturating_add(count).min(end),
        };
        let has_more = page.len() < end - start;
        let whole = Self {
            count: rows.len() as u64,
            has_before: page.start > 0,
            has_after: page.end < rows.len(),
            of: PhantomData,
        };
        let page = Page { rows: rows.drain(page).collect(), has_more };
        Ok(Connection::new(whole, part, page, |row| {
            let cursor = order.cursor(id(&row));
            Edge::new(node(row), cursor)
        }))
    }
}

impl<N: Row> Source for Whole<N> {
    type Node = N;
    type Key = ();

    async fn reaches(&self, _: &Context<'_>, beyond: Beyond<'_, ()>) -> Result<bool> {
        Ok(if beyond.is_before { self.has_before } else { self.has_after })
    }

    async fn count(&self, _: &Context<'_>) -> Result<u64> {
        Ok(self.count)
    }
}
