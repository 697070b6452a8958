//! Pages of lists: arguments, cursors and page information.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use async_graphql::{Positioned, SimpleObject};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::{ApiError, Result};
use super::json::{self, Json};
use super::row::{Leaf, Slot, Write, WriteLeaf};
use crate::kernel::invalid::{Invalid, Reason};
use crate::kernel::page::Part;
use crate::kernel::rfc3339;
use crate::kernel::secret::{base64url, from_base64url};
use crate::kernel::texts;

/// What a list gives when neither `first` nor `last` is asked for.
pub(crate) const SIZE_DEFAULT: i32 = 20;
/// The most a list gives (AZ-08). Asking for more is an error and never a silent cut.
pub(crate) const SIZE_MAX: i32 = 100;
const CURSOR_LENGTH_MAX: usize = 512;

/// The position of this page in the list.
#[derive(SimpleObject)]
pub(crate) struct PageInfo {
    /// Whether the list has entries after this page.
    pub(crate) has_next_page: bool,
    /// Whether the list has entries before this page.
    pub(crate) has_previous_page: bool,
    /// The cursor of the page's first entry.
    pub(crate) start_cursor: Option<String>,
    /// The cursor of the page's last entry.
    pub(crate) end_cursor: Option<String>,
}

/// The arguments of a page, as they came.
pub struct Window {
    /// At most so many from the beginning.
    pub first: Option<i32>,
    /// Returns only entries after this cursor.
    pub after: Option<String>,
    /// At most so many from the end.
    pub last: Option<i32>,
    /// Returns only entries before this cursor.
    pub before: Option<String>,
}

impl Window {
    /// Understands the arguments, for a list in this order.
    pub(crate) fn part<K: Key>(self, order: &'static str) -> Result<Part<Cursor<K>>> {
        let (size, from_end) = size(self.first, self.last)?;
        let place = |path, text: Option<String>| {
            text.map(|text| Cursor::parse(path, &text, order)).transpose()
        };
        let (after, before) = (place("after", self.after)?, place("before", self.before)?);
        Ok(Part { after, before, size, from_end })
    }
}

/// How many, and whether from the end.
fn size(first: Option<i32>, last: Option<i32>) -> Result<(u64, bool)> {
    let (path, count, from_end) = match (first, last) {
        (Some(_), Some(_)) => {
            let message = "Set first or last, not both.";
            return Err(ApiError::argument("last", Reason::InvalidFormat, message));
        }
        (Some(first), None) => ("first", first, false),
        (None, Some(last)) => ("last", last, true),
        (None, None) => ("first", SIZE_DEFAULT, false),
    };
    match u64::try_from(count) {
        Ok(count) if count <= SIZE_MAX.unsigned_abs().into() => Ok((count, from_end)),
        Ok(_) => Err(Invalid::too_long(100, "A page has at most 100 entries.").at(path).into()),
        Err(_negative) => Err(ApiError::argument(
            path,
            Reason::InvalidFormat,
            "The size of a page must not be negative.",
        )),
    }
}

/// What an order compares before the id, which breaks ties.
pub trait Key: Clone + Send + Sync + 'static {
    /// As cursors have it.
    fn text(&self) -> Cow<'_, str>;

    /// Reads it back, in the order of this name.
    fn parse(text: &str, order: &str) -> Option<Self>;
}

/// An id alone carries the time.
impl Key for () {
    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn parse(_: &str, _: &str) -> Option<Self> {
        Some(())
    }
}

impl Key for DateTime<Utc> {
    fn text(&self) -> Cow<'_, str> {
        rfc3339::text(*self).into()
    }

    fn parse(text: &str, _: &str) -> Option<Self> {
        rfc3339::parse(text)
    }
}

/// A place in a list, bound to the list's order. Opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor<K> {
    /// Order and direction: a cursor of another order means nothing here.
    pub(crate) order: &'static str,
    pub(crate) key: K,
    pub(crate) id: Uuid,
}

/// What is inside a cursor.
#[derive(Serialize, Deserialize)]
struct Inside<'a> {
    #[serde(rename = "o")]
    order: Cow<'a, str>,
    #[serde(rename = "k")]
    key: Cow<'a, str>,
    #[serde(rename = "i")]
    id: Uuid,
}

impl<K: Key> Cursor<K> {
    /// Reads a cursor that was made for `order`; `path` names the argument it came by.
    fn parse(path: &'static str, text: &str, order: &'static str) -> Result<Self> {
        let refused = |message| ApiError::argument(path, Reason::InvalidFormat, message);
        let unreadable = || refused("This is not a cursor.");
        let read = (text.len() <= CURSOR_LENGTH_MAX).then(|| from_base64url(text)).flatten();
        let inside = read.ok_or_else(unreadable)?;
        let inside: Inside<'_> = serde_json::from_slice(&inside).map_err(|_| unreadable())?;
        if inside.order != order {
            return Err(refused("This cursor belongs to another order."));
        }
        let key = K::parse(&inside.key, order).ok_or_else(unreadable)?;
        Ok(Self { order, key, id: inside.id })
    }
}

impl<K: Key> fmt::Display for Cursor<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inside = Inside { order: self.order.into(), key: self.key.text(), id: self.id };
        // A struct of texts always serializes.
        f.write_str(&base64url(serde_json::to_vec(&inside).unwrap_or_default()))
    }
}

texts!([K: Key] Cursor<K> as String);

impl<K: Key> Leaf for Cursor<K> {
    fn put(&self, json: &mut Json) {
        json::put_plain(&self.to_string(), json);
    }
}

impl<K: Key> Slot for Cursor<K> {
    fn writer(
        _: &Positioned<async_graphql::parser::types::Field>,
    ) -> Option<Box<dyn Write<Self> + '_>> {
        Some(Box::new(WriteLeaf))
    }
}

/// What lies on one side of a place.
#[derive(Clone, Copy)]
pub struct Beyond<'a, K> {
    pub(crate) place: &'a Cursor<K>,
    /// Before it, or else after it.
    pub(crate) is_before: bool,
    /// Whether what stands at the place counts.
    pub(crate) inclusive: bool,
}

/// An order by id, which carries the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByAge {
    OldestFirst,
    NewestFirst,
}

impl ByAge {
    /// The order's name inside cursors.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OldestFirst => "CREATED_AT ASC",
            Self::NewestFirst => "CREATED_AT DESC",
        }
    }

    pub(crate) fn compare(self, one: Uuid, other: Uuid) -> Ordering {
        match self {
            Self::OldestFirst => one.cmp(&other),
            Self::NewestFirst => other.cmp(&one),
        }
    }

    /// Where an entry stands.
    pub(crate) fn cursor(self, id: Uuid) -> Cursor<()> {
        Cursor { order: self.name(), key: (), id }
    }

    /// The part of the list that lies beyond a place, without its rows.
    pub(crate) fn part_beyond(self, beyond: Beyond<'_, ()>) -> Part {
        let Beyond { place, is_before, inclusive } = beyond;
        let place = Some(if inclusive { self.beside(place.id, !is_before) } else { place.id });
        let (after, before) = if is_before { (None, place) } else { (place, None) };
        Part { after, before, size: 0, from_end: is_before }
    }

    /// What an entry would be called that stands right before the one of this id, or else right after it.
    fn beside(self, id: Uuid, is_before: bool) -> Uuid {
        let is_less = is_before == (self == Self::OldestFirst);
        let id = id.as_u128();
        Uuid::from_u128(if is_less { id.saturating_sub(1) } else { id.saturating_add(1) })
    }
}
