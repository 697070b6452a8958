//! Users as a Relay connection.

use std::borrow::Cow;

use async_graphql::{Context, Enum, InputObject};

use super::User;
use crate::features::accounts::{Accounts, Filter, Listing, Order, OrderField, search_key};
use crate::features::accounts::{Key, Place};
use crate::graphql::connection::{Connection, Edge, Source};
use crate::graphql::context::ContextExt;
use crate::graphql::error::Result;
use crate::graphql::page::{self, Beyond, Cursor, Window};
use crate::kernel::access::Role;
use crate::kernel::id::UserId;
use crate::kernel::invalid::{Invalid, Reason};
use crate::kernel::rfc3339;

/// A filter for users. A user must match every given condition.
#[derive(InputObject, Default)]
pub(crate) struct UserFilter {
    /// Only users whose username or email address starts with these 2 to 64 characters, regardless of case.
    search: Option<String>,
    /// Only users with exactly this role.
    role: Option<Role>,
    /// Only active users if true, only deactivated ones if false.
    is_active: Option<bool>,
}

/// A field by which users can be ordered.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "OrderField")]
pub(crate) enum UserOrderField {
    /// When the account was created.
    CreatedAt,
    /// The username, regardless of case.
    Username,
}

/// The direction of the order.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderDirection {
    /// Ascending: the smallest value first.
    Asc,
    /// Descending: the greatest value first.
    Desc,
}

/// The order of a list of users.
#[derive(InputObject)]
pub(crate) struct UserOrder {
    /// The field to order by.
    field: UserOrderField,
    /// The direction of the order.
    direction: OrderDirection,
}

impl Default for UserOrder {
    fn default() -> Self {
        Self { field: UserOrderField::CreatedAt, direction: OrderDirection::Desc }
    }
}

/// All users, or those of a filter.
pub(crate) struct Users(Listing);

pub(crate) type UserConnection = Connection<Users>;

impl UserConnection {
    pub(super) async fn load(
        accounts: &Accounts,
        window: Window,
        filter: UserFilter,
        order: &UserOrder,
    ) -> Result<Self> {
        let descending = order.direction == OrderDirection::Desc;
        let order = Order { field: order.field.into(), descending };
        let part = window.part(name(order))?;
        let listing = Listing {
            filter: parse_filter(filter)?,
            order,
            part: part.clone().map(place),
            includes_places: false,
        };
        let page = accounts.list(&listing).await?;
        Ok(Self::new(Users(listing), part, page, |user| {
            let Place { key, id } = order.place(&user);
            Edge::new(user.into(), Cursor { order: name(order), key, id: id.into() })
        }))
    }
}

impl Source for Users {
    type Node = User;
    type Key = Key;

    async fn reaches(&self, ctx: &Context<'_>, beyond: Beyond<'_, Key>) -> Result<bool> {
        let (accounts, place) = (ctx.service::<Accounts>(), place(beyond.place.clone()));
        let found =
            accounts.exists_beyond(&self.0, place, beyond.is_before, beyond.inclusive).await;
        Ok(found?)
    }

    async fn count(&self, ctx: &Context<'_>) -> Result<u64> {
        Ok(ctx.service::<Accounts>().count(&self.0.filter).await?)
    }
}

fn place(Cursor { key, id, .. }: Cursor<Key>) -> Place {
    Place { key, id: UserId(id) }
}

/// The order's name inside cursors.
fn name(order: Order) -> &'static str {
    match (order.field, order.descending) {
        (OrderField::CreatedAt, false) => "CREATED_AT ASC",
        (OrderField::CreatedAt, true) => "CREATED_AT DESC",
        (OrderField::Username, false) => USERNAME_ASC,
        (OrderField::Username, true) => USERNAME_DESC,
    }
}

const USERNAME_ASC: &str = "USERNAME ASC";
const USERNAME_DESC: &str = "USERNAME DESC";

impl page::Key for Key {
    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::CreatedAt(time) => rfc3339::text(*time).into(),
            Self::Username(name) => name.into(),
        }
    }

    fn parse(text: &str, order: &str) -> Option<Self> {
        match order {
            USERNAME_ASC | USERNAME_DESC => {
                (!text.contains('\0')).then(|| Self::Username(text.to_owned()))
            }
            _ => rfc3339::parse(text).map(Self::CreatedAt),
        }
    }
}

fn parse_filter(filter: UserFilter) -> Result<Filter> {
    let search = filter.search.map(|typed| search_key(&typed));
    if let Some(search) = &search {
        let invalid = match search.chars().count() {
            0..=1 => Some(Invalid::too_short(2, "Search for at least 2 characters.")),
            65.. => Some(Invalid::too_long(64, "Search for at most 64 characters.")),
            _ if search.contains('\0') => {
                Some(Invalid::new(Reason::InvalidFormat, "Search without control characters."))
            }
            _ => None,
        };
        if let Some(invalid) = invalid {
            return Err(invalid.at("filter.search").into());
        }
    }
    Ok(Filter { search, role: filter.role, is_active: filter.is_active })
}
