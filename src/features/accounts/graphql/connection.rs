//! Users as a Relay connection.

use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};

use super::User;
use super::shape::EdgeShape;
use crate::features::accounts::listing::{Key, Page, Place};
use crate::features::accounts::{Accounts, Filter, Listing, Order, OrderField, search_key};
use crate::graphql::context::ContextExt;
use crate::graphql::directive;
use crate::graphql::error::{ApiError, Result};
use crate::graphql::page::{Cursor, PageInfo, Size, Window};
use crate::graphql::row::Rows;
use crate::kernel::access;
use crate::kernel::id::UserId;
use crate::kernel::rfc3339;

/// Which users are meant.
#[derive(InputObject, Default)]
pub(crate) struct UserFilter {
    /// 2 to 64 characters that the username or the e-mail address begins with, whatever the case.
    search: Option<String>,
    /// Only users with exactly this role.
    role: Option<directive::Role>,
    /// Only users who may, or may not, sign in.
    is_active: Option<bool>,
}

/// By what users can be ordered.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "OrderField")]
pub(crate) enum UserOrderField {
    /// When the account was made.
    CreatedAt,
    /// The username, whatever its case.
    Username,
}

/// Which way.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderDirection {
    /// Smallest first.
    Asc,
    /// Greatest first.
    Desc,
}

/// An order of users.
#[derive(InputObject)]
pub(crate) struct UserOrder {
    /// What is compared.
    field: UserOrderField,
    /// Which way.
    direction: OrderDirection,
}

impl Default for UserOrder {
    fn default() -> Self {
        Self { field: UserOrderField::CreatedAt, direction: OrderDirection::Desc }
    }
}

/// A user in a list.
#[derive(SimpleObject)]
pub(crate) struct UserEdge {
    /// The user.
    pub(super) node: User,
    /// Where the user stands in this order; opaque.
    pub(super) cursor: String,
}

/// Understands the arguments of `users`.
pub(super) fn listing(window: Window, filter: UserFilter, order: &UserOrder) -> Result<Listing> {
    let order =
        Order { field: order.field.into(), descending: order.direction == OrderDirection::Desc };
    let size = Size::parse(window.first, window.last)?;
    Ok(Listing {
        filter: parse_filter(filter)?,
        order,
        after: window.after.map(|text| parse_place("after", &text, order)).transpose()?,
        before: window.before.map(|text| parse_place("before", &text, order)).transpose()?,
        includes_places: false,
        size: size.count,
        from_end: size.from_end,
    })
}

fn parse_filter(filter: UserFilter) -> Result<Filter> {
    let search = filter.search.map(|typed| search_key(&typed));
    if let Some(search) = &search {
        let refused = |reason, message| ApiError::argument("filter.search", reason, message);
        match search.chars().count() {
            0..=1 => return Err(refused("TOO_SHORT", "A search has at least 2 characters")),
            2..=64 => {}
            _ => return Err(refused("TOO_LONG", "A search has at most 64 characters")),
        }
        if search.contains('\0') {
            return Err(refused("INVALID_FORMAT", "A search has no control characters"));
        }
    }
    Ok(Filter { search, role: filter.role.map(Into::into), is_active: filter.is_active })
}

/// The order's name inside cursors.
fn name(order: Order) -> String {
    let field = match order.field {
        OrderField::CreatedAt => "CREATED_AT",
        OrderField::Username => "USERNAME",
    };
    let direction = if order.descending { "DESC" } else { "ASC" };
    format!("{field} {direction}")
}

/// Where a user stands, for clients.
pub(super) fn cursor_of(order: Order, user: &access::User) -> String {
    let place = order.place(user);
    let key = match place.key {
        Key::CreatedAt(time) => rfc3339::text(time),
        Key::Username(name) => name,
    };
    Cursor { order: name(order), key, id: place.id.to_string() }.encode()
}

fn parse_place(path: &'static str, text: &str, order: Order) -> Result<Place> {
    let cursor = Cursor::parse(path, text, &name(order))?;
    let key = match order.field {
        OrderField::CreatedAt => rfc3339::parse(&cursor.key).map(Key::CreatedAt),
        OrderField::Username => (!cursor.key.contains('\0')).then_some(Key::Username(cursor.key)),
    };
    key.zip(UserId::parse(&cursor.id))
        .map(|(key, id)| Place { key, id })
        .ok_or_else(|| ApiError::argument(path, "INVALID_FORMAT", "This is not a cursor"))
}

/// A page of users.
pub(crate) struct UserConnection {
    listing: Listing,
    edges: Rows<EdgeShape, UserEdge>,
    has_more: bool,
}

impl UserConnection {
    pub(super) async fn load(accounts: &Accounts, listing: Listing) -> Result<Self> {
        let Page { users, has_more } = accounts.list(&listing).await.map_err(ApiError::database)?;
        let derive = |EdgeShape(order): &EdgeShape, user: &access::User| UserEdge {
            node: User::from(user),
            cursor: cursor_of(*order, user),
        };
        let edges = Rows { shape: EdgeShape(listing.order), list: users, derive };
        Ok(Self { listing, edges, has_more })
    }

    /// Whether anything stands before the page, or else after it.
    ///
    /// Known without asking on the side the page was read towards, and on a side without a
    /// cursor; otherwise it costs one statement, and is only asked when the client asks.
    async fn has_beyond(&self, accounts: &Accounts, is_before: bool) -> Result<bool> {
        let is_far_side = is_before == self.listing.from_end;
        if is_far_side && self.has_more {
            return Ok(true);
        }
        let bound = if is_before { &self.listing.after } else { &self.listing.before };
        let Some(bound) = bound else { return Ok(false) };
        let users = &self.edges.list;
        let edge = if is_before { users.first() } else { users.last() };
        let (place, inclusive) = match edge {
            Some(user) => (self.listing.order.place(user), false),
            None => (bound.clone(), true),
        };
        let found = accounts.exists_beyond(&self.listing, place, is_before, inclusive).await;
        found.map_err(ApiError::database)
    }
}

/// A page of users.
#[Object]
impl UserConnection {
    /// The users of this page.
    async fn edges(&self) -> &Rows<EdgeShape, UserEdge> {
        &self.edges
    }

    /// Which part of the list this is.
    async fn page_info(&self, ctx: &Context<'_>) -> Result<PageInfo> {
        let accounts = ctx.service::<Accounts>();
        let asked = ctx.look_ahead();
        let cursor = |user: Option<&access::User>| Some(cursor_of(self.listing.order, user?));
        let mut page = PageInfo {
            has_next_page: false,
            has_previous_page: false,
            start_cursor: cursor(self.edges.list.first()),
            end_cursor: cursor(self.edges.list.last()),
        };
        if asked.field("hasNextPage").exists() {
            page.has_next_page = self.has_beyond(accounts, false).await?;
        }
        if asked.field("hasPreviousPage").exists() {
            page.has_previous_page = self.has_beyond(accounts, true).await?;
        }
        Ok(page)
    }

    /// How many users match, whatever the page.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64> {
        let accounts = ctx.service::<Accounts>();
        accounts.count(&self.listing.filter).await.map_err(ApiError::database)
    }
}
