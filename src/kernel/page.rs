//! Parts of lists that are ordered by their ids: a UUIDv7 carries the time.

use uuid::Uuid;

/// Which part of a list is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Part {
    /// Only what follows this one.
    pub(crate) after: Option<Uuid>,
    /// Only what precedes this one.
    pub(crate) before: Option<Uuid>,
    /// At most so many.
    pub(crate) size: u64,
    /// Counted from the end, as `last` does.
    pub(crate) from_end: bool,
}

/// What a part of a list holds, in order, and whether there is more of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) has_more: bool,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), has_more: false }
    }
}

impl<T> Page<T> {
    /// From rows as they were read: from the end that is counted from, and one more than asked for, if
    /// there is one.
    pub(crate) fn of(mut rows: Vec<T>, part: Part) -> Self {
        let has_more = rows.len() as u64 > part.size;
        if has_more {
            rows.pop();
        }
        if part.from_end {
            rows.reverse();
        }
        Self { rows, has_more }
    }
}
