//! Parts of lists. Most are ordered by their ids: a UUIDv7 carries the time.

use uuid::Uuid;

/// Which part of a list is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Part<P = Uuid> {
    /// Only what follows this place.
    pub after: Option<P>,
    /// Only what precedes this place.
    pub before: Option<P>,
    /// At most so many.
    pub size: u64,
    /// Counted from the end, as `last` does.
    pub from_end: bool,
}

impl<P> Part<P> {
    /// The same part by what `place` makes of its places.
    pub fn map<Q>(self, place: impl Fn(P) -> Q) -> Part<Q> {
        let Self { after, before, size, from_end } = self;
        Part { after: after.map(&place), before: before.map(&place), size, from_end }
    }
}

/// What a part of a list holds, in order, and whether there is more of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order of the list.
    pub rows: Vec<T>,
    /// Whether the list goes on in the direction of reading.
    pub has_more: bool,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), has_more: false }
    }
}

impl<T> Page<T> {
    /// From rows as they were read: from the end that is counted from, and one more than asked for, if
    /// there is one.
    pub fn of<P>(mut rows: Vec<T>, part: &Part<P>) -> Self {
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
