//! Relay connections: arguments, cursors and page information.

use std::cmp::Ordering;

use async_graphql::{Context, SimpleObject};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::{ApiError, Result};
use crate::kernel::page::{Page, Part};
use crate::kernel::secret::{base64url, from_base64url};

/// What a list gives when neither `first` nor `last` is asked for.
pub(crate) const SIZE_DEFAULT: i32 = 20;
/// The most a list gives (AZ-08). Asking for more is an error and never a silent cut.
pub(crate) const SIZE_MAX: i32 = 100;
const CURSOR_LENGTH_MAX: usize = 512;

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

/// An order by id, which carries the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByAge {
    OldestFirst,
    NewestFirst,
}

impl ByAge {
    /// The order's name inside cursors.
    fn name(self) -> &'static str {
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

    /// Where an entry stands, for clients.
    pub(crate) fn cursor(self, id: Uuid) -> String {
        Cursor { order: self.name().to_owned(), key: String::new(), id: id.to_string() }.encode()
    }

    /// What an entry would be called that stands right before the one of this id, or else right after it.
    fn beside(self, id: Uuid, is_before: bool) -> Uuid {
        let is_less = is_before == (self == Self::OldestFirst);
        let id = id.as_u128();
        Uuid::from_u128(if is_less { id.saturating_sub(1) } else { id.saturating_add(1) })
    }
}

impl Window {
    /// Which part is meant of a list that is ordered by id.
    pub(crate) fn part(self, order: ByAge) -> Result<Part> {
        let size = Size::parse(self.first, self.last)?;
        let place = |path, text: Option<String>| {
            let parse = |text: String| {
                let cursor = Cursor::parse(path, &text, order.name())?;
                Uuid::try_parse(&cursor.id)
                    .map_err(|_| ApiError::argument(path, "INVALID_FORMAT", "This is not a cursor"))
            };
            text.map(parse).transpose()
        };
        let (after, before) = (place("after", self.after)?, place("before", self.before)?);
        Ok(Part { after, before, size: size.count, from_end: size.from_end })
    }
}

/// A page of a list that is ordered by id: the part that was asked for, and what was found.
pub(crate) struct Found {
    pub(crate) order: ByAge,
    pub(crate) part: Part,
    /// Of the first and the last entry.
    pub(crate) ends: Option<(Uuid, Uuid)>,
    pub(crate) has_more: bool,
}

impl Found {
    /// What a page says of itself. `read` reads another part of the list.
    ///
    /// Whether there is more is known without asking on the side that the page was read towards, and on a
    /// side without a cursor; otherwise it is asked, if the client does.
    pub(crate) async fn page_info<T, F: Future<Output = Result<Page<T>>>>(
        &self,
        ctx: &Context<'_>,
        read: impl Fn(Part) -> F,
    ) -> Result<PageInfo> {
        let asked = ctx.look_ahead();
        let mut known = [false; 2];
        for (known, (name, is_before)) in
            known.iter_mut().zip([("hasNextPage", false), ("hasPreviousPage", true)])
        {
            if asked.field(name).exists() {
                *known = match self.beyond(is_before) {
                    Beyond::Known(known) => known,
                    Beyond::In(part) => read(part).await?.has_more,
                };
            }
        }
        let [has_next_page, has_previous_page] = known;
        Ok(PageInfo {
            has_next_page,
            has_previous_page,
            start_cursor: self.ends.map(|(first, _)| self.order.cursor(first)),
            end_cursor: self.ends.map(|(_, last)| self.order.cursor(last)),
        })
    }

    fn beyond(&self, is_before: bool) -> Beyond {
        let part = self.part;
        if is_before == part.from_end && self.has_more {
            return Beyond::Known(true);
        }
        let bound = if is_before { part.after } else { part.before };
        let Some(bound) = bound else { return Beyond::Known(false) };
        let end = self.ends.map(|(first, last)| if is_before { first } else { last });
        // Of an empty page the bound itself counts: it may stand there still.
        let place = end.unwrap_or_else(|| self.order.beside(bound, !is_before));
        let (after, before) = if is_before { (None, Some(place)) } else { (Some(place), None) };
        Beyond::In(Part { after, before, size: 0, from_end: is_before })
    }
}

/// Whether there is anything beyond a page.
enum Beyond {
    Known(bool),
    /// If this part of the list has entries.
    In(Part),
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
