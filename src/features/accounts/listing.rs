//! Pages of users, by key and never by offset: a deep page costs what the first one costs.

mod store;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use unicode_normalization::UnicodeNormalization as _;

use super::Accounts;
use crate::kernel::access::{Role, User};
use crate::kernel::id::UserId;
use crate::kernel::page::{Page, Part};

/// By what users are ordered; the id breaks ties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderField {
    CreatedAt,
    /// The canonical name, bytewise.
    Username,
}

/// An order of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) field: OrderField,
    pub(crate) descending: bool,
}

/// Which users are meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// A prefix of the canonical username or address.
    pub(crate) search: Option<String>,
    pub(crate) role: Option<Role>,
    pub(crate) is_active: Option<bool>,
}

/// A search in the canonical form of what it is compared with.
pub(crate) fn search_key(typed: &str) -> String {
    typed.nfc().collect::<String>().to_lowercase()
}

/// A user's place in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) key: Key,
    pub(crate) id: UserId,
}

/// What an order compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    CreatedAt(DateTime<Utc>),
    Username(String),
}

/// A page of a list.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) filter: Filter,
    pub(crate) order: Order,
    pub(crate) part: Part<Place>,
    /// Whether who stands at a place of the part belongs to it.
    pub(crate) includes_places: bool,
}

impl Order {
    /// Where `user` stands.
    pub(crate) fn place(self, user: &User) -> Place {
        let key = match self.field {
            OrderField::CreatedAt => Key::CreatedAt(user.created_at),
            // Canonical names are lower-case ASCII.
            OrderField::Username => Key::Username(user.username.to_ascii_lowercase()),
        };
        Place { key, id: user.id }
    }
}

impl Accounts {
    /// Reads one page, in one statement.
    pub(crate) async fn list(&self, listing: &Listing) -> Result<Page<User>, DbErr> {
        let users = store::list(&self.db, listing, listing.part.size + 1).await?;
        Ok(Page::of(users, &listing.part))
    }

    /// How many users match, whatever the page.
    pub(crate) async fn count(&self, filter: &Filter) -> Result<u64, DbErr> {
        store::count(self.db.reader(), filter).await
    }

    /// Whether any user stands before (or else after) `place`, which counts itself if `inclusive`.
    pub(crate) async fn exists_beyond(
        &self,
        listing: &Listing,
        place: Place,
        is_before: bool,
        inclusive: bool,
    ) -> Result<bool, DbErr> {
        let (after, before) = if is_before { (None, Some(place)) } else { (Some(place), None) };
        let beyond = Listing {
            filter: listing.filter.clone(),
            order: listing.order,
            // The nearest first.
            part: Part { after, before, size: 1, from_end: is_before },
            includes_places: inclusive,
        };
        Ok(!store::list(&self.db, &beyond, 1).await?.is_empty())
    }
}
