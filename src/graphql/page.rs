//! Relay connections: arguments, cursors and page information.

use async_graphql::SimpleObject;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::{ApiError, Result};
use crate::platform::page::Part;
use crate::platform::secret::{base64url, from_base64url};

/// What a list gives when neither `first` nor `last` is asked for.
pub(crate) const SIZE_DEFAULT: i32 = 20;
/// The most a list gives (AZ-08). Asking for more is an error and never a silent cut.
pub(crate) const SIZE_MAX: i32 = 100;
const CURSOR_LENGTH_MAX: usize = 512;
/// The order of lists by id, inside cursors.
const BY_AGE: &str = "CREATED_AT DESC";

/// Which part of the list this is.
#[derive(SimpleObject)]
pub(crate) struct PageInfo {
    /// Whether anything follows this page.
    pub(crate) has_next_page: bool,
    /// Whether anything precedes this page.
    pub(crate) has_previous_page: bool,
    /// The cursor of the page's first edge.
    pub(crate) start_cursor: Option<String>,
    /// The cursor of the page's last edge.
    pub(crate) end_cursor: Option<String>,
}

/// The arguments of a connection, as they came.
pub(crate) struct Window {
    pub(crate) first: Option<i32>,
    pub(crate) after: Option<String>,
    pub(crate) last: Option<i32>,
    pub(crate) before: Option<String>,
}

/// How many, and from which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) count: u64,
    pub(crate) from_end: bool,
}

impl Size {
    /// Reads `first` and `last`.
    pub(crate) fn parse(first: Option<i32>, last: Option<i32>) -> Result<Self> {
        let (path, count, from_end) = match (first, last) {
            (Some(_), Some(_)) => {
                let message = "Give first or last, not both";
                return Err(ApiError::argument("last", "INVALID_FORMAT", message));
            }
            (Some(first), None) => ("first", first, false),
            (None, Some(last)) => ("last", last, true),
            (None, None) => ("first", SIZE_DEFAULT, false),
        };
        match u64::try_from(count) {
            Ok(count) if count <= SIZE_MAX.unsigned_abs().into() => Ok(Self { count, from_end }),
            Ok(_) => Err(ApiError::argument(path, "TOO_LONG", "A page has at most 100 entries")),
            Err(_negative) => {
                Err(ApiError::argument(path, "INVALID_FORMAT", "A page cannot be negative"))
            }
        }
    }
}

/// The cursor of an entry of a list that is ordered by id, the newest first.
pub(crate) fn cursor_by_age(id: Uuid) -> String {
    Cursor { order: BY_AGE.to_owned(), key: String::new(), id: id.to_string() }.encode()
}

impl Window {
    /// Which part is meant of a list that is ordered by id, the newest first.
    pub(crate) fn by_age(self) -> Result<Part> {
        let size = Size::parse(self.first, self.last)?;
        let place = |path, text: Option<String>| {
            let parse = |text: String| {
                let cursor = Cursor::parse(path, &text, BY_AGE)?;
                Uuid::try_parse(&cursor.id)
                    .map_err(|_| ApiError::argument(path, "INVALID_FORMAT", "This is not a cursor"))
            };
            text.map(parse).transpose()
        };
        let (after, before) = (place("after", self.after)?, place("before", self.before)?);
        Ok(Part { after, before, size: size.count, from_end: size.from_end })
    }
}

/// A place in a list, bound to the list's order. Opaque to clients.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Order and direction: a cursor of another order means nothing here.
    #[serde(rename = "o")]
    pub(crate) order: String,
    /// What the order compares, as text.
    #[serde(rename = "k")]
    pub(crate) key: String,
    #[serde(rename = "i")]
    pub(crate) id: String,
}

impl Cursor {
    pub(crate) fn encode(&self) -> String {
        // A struct of strings always serializes.
        base64url(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads a cursor that was made for `order`; `path` names the argument it came by.
    pub(crate) fn parse(path: &'static str, text: &str, order: &str) -> Result<Self> {
        let refused = |message| ApiError::argument(path, "INVALID_FORMAT", message);
        if text.len() > CURSOR_LENGTH_MAX {
            return Err(refused("This is not a cursor"));
        }
        let cursor: Self = from_base64url(text)
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| refused("This is not a cursor"))?;
        if cursor.order != order {
            return Err(refused("This cursor belongs to another order"));
        }
        Ok(cursor)
    }
}
