//! The `users` table, in pages.

use sea_orm::sea_query::extension::mysql::{IndexHintScope, MySqlSelectStatementExt};
use sea_orm::sea_query::{Expr, Func, SimpleExpr};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, ExprTrait, Order as SqlOrder, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
};

use super::{Filter, Key, Listing, OrderField, Place};
use crate::infra::db::Db;
use crate::kernel::access::User;
use crate::tables::user;

/// At most `limit` users of a listing, beginning at the end it is counted from.
///
/// A search that many match goes along the order first, where a page is full soon, unless its
/// matches all lie elsewhere. Then, and when there are few, it goes by what it compares.
pub(super) async fn list(db: &Db, listing: &Listing, limit: u64) -> Result<Vec<User>, DbErr> {
    let Some(prefix) = &listing.filter.search else {
        return read(db, listing, AccessPath::Order, limit).await;
    };
    if has_many_matches(db.reader(), prefix).await? {
        let Some(horizon) = horizon(db, listing).await? else {
            return read(db, listing, AccessPath::Order, limit).await;
        };
        let users = read(db, &horizon, AccessPath::Order, limit).await?;
        if users.len() as u64 == limit {
            return Ok(users);
        }
    }
    read(db, listing, AccessPath::Search, limit).await
}

async fn read(
    db: &Db,
    listing: &Listing,
    path: AccessPath,
    limit: u64,
) -> Result<Vec<User>, DbErr> {
    let select = page(db.reader().get_database_backend(), listing, path).limit(limit);
    let rows: Vec<user::Account> = db.read(select).await?;
    Ok(rows.into_iter().map(User::from).collect())
}

pub(super) async fn count(db: &impl ConnectionTrait, filter: &Filter) -> Result<u64, DbErr> {
    let path = match &filter.search {
        Some(prefix) if !has_many_matches(db, prefix).await? => AccessPath::Search,
        _ => AccessPath::Order,
    };
    matching(filter, path).count(db).await
}

/// By which indexes a listing is answered.
///
/// A database would have to guess how many rows a search matches: some keep no statistics, and some
/// plan a statement before they know what is searched for. With a million users, the wrong path
/// takes seconds, so it is left no choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AccessPath {
    /// By those of what a search compares; its matches then have to be sorted.
    Search,
    /// By the one of its filter and order, from row to row until the page is full.
    Order,
}

impl AccessPath {
    /// A column that is searched.
    fn searched(self, column: user::Column) -> SimpleExpr {
        match self {
            Self::Search => Expr::col(column),
            Self::Order => hidden(column),
        }
    }

    /// A column of the filter or the order.
    fn ordered(self, column: user::Column) -> SimpleExpr {
        match self {
            Self::Search => hidden(column),
            Self::Order => Expr::col(column),
        }
    }
}

/// A column that no database looks for in an index.
fn hidden(column: user::Column) -> SimpleExpr {
    Func::coalesce([Expr::col(column), Expr::col(column)]).into()
}

/// So many matches are sorted in some 15 ms; with more, one row in 200 of a million is a match.
const MATCHES_MANY: u64 = 5_000;
/// So many rows are walked in some 20 ms.
const ROWS_WALKED: u64 = 5_000;

async fn has_many_matches(db: &impl ConnectionTrait, prefix: &str) -> Result<bool, DbErr> {
    for column in [user::Column::UsernameKey, user::Column::EmailKey] {
        // Only what the index holds, so that no database prefers to sort the rows.
        let last: Option<String> = user::Entity::find()
            .select_only()
            .column(column)
            .filter(begins_with(Expr::col(column), prefix))
            .order_by_asc(column)
            .offset(MATCHES_MANY - 1)
            .limit(1)
            .into_tuple()
            .one(db)
            .await?;
        if last.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The part of a listing that lies within [`ROWS_WALKED`] rows; `None` if all of it does.
async fn horizon(db: &Db, listing: &Listing) -> Result<Option<Listing>, DbErr> {
    let filter = Filter { search: None, ..listing.filter.clone() };
    let mut near = Listing { filter, ..listing.clone() };
    let backend = db.reader().get_database_backend();
    let last = page(backend, &near, AccessPath::Order).offset(ROWS_WALKED).limit(1);
    let last: Vec<user::Account> = db.read(last).await?;
    Ok(last.into_iter().next().map(|row| {
        let place = Some(listing.order.place(&row.into()));
        match listing.part.from_end {
            true => near.part.after = place,
            false => near.part.before = place,
        }
        near.filter = listing.filter.clone();
        near
    }))
}

fn page(backend: DbBackend, listing: &Listing, path: AccessPath) -> Select<user::Entity> {
    let mut select = matching(&listing.filter, path);
    for (place, is_before) in [(&listing.part.after, false), (&listing.part.before, true)] {
        if let Some(place) = place {
            select = select.filter(beyond(backend, path, listing, place, is_before));
        }
    }
    let direction = match listing.order.descending ^ listing.part.from_end {
        true => SqlOrder::Desc,
        false => SqlOrder::Asc,
    };
    if backend == DbBackend::MySql && path == AccessPath::Order {
        let index = index_of(&listing.filter, listing.order.field);
        QueryTrait::query(&mut select).force_index(index, IndexHintScope::All);
    }
    match listing.order.field {
        OrderField::CreatedAt => select
            .order_by(path.ordered(user::Column::CreatedAt), direction.clone())
            .order_by(path.ordered(user::Column::Id), direction),
        // No two users share a name, so no tie is to be broken.
        OrderField::Username => select.order_by(path.ordered(user::Column::UsernameKey), direction),
    }
}

/// The index that holds the pages of a filter and an order in one piece.
///
/// MariaDB finds it, and then enters it by what is equal only, reading on from there to where the page
/// is: half a second in the middle of 300,000 users, instead of a millisecond when it is told.
fn index_of(filter: &Filter, order: OrderField) -> String {
    let role = filter.role.map_or("", |_| "role_");
    let is_active = filter.is_active.map_or("", |_| "is_active_");
    let order = match order {
        OrderField::CreatedAt => "created_at_id",
        OrderField::Username => "username_key",
    };
    format!("users_{role}{is_active}{order}")
}

fn matching(filter: &Filter, path: AccessPath) -> Select<user::Entity> {
    let mut select = user::Entity::find();
    if let Some(prefix) = &filter.search {
        let [username, email] = [user::Column::UsernameKey, user::Column::EmailKey]
            .map(|column| begins_with(path.searched(column), prefix));
        select = select.filter(username.or(email));
    }
    if let Some(role) = filter.role {
        select = select.filter(path.ordered(user::Column::Role).eq(role));
    }
    if let Some(is_active) = filter.is_active {
        select = select.filter(path.ordered(user::Column::IsActive).eq(is_active));
    }
    select
}

/// A range instead of LIKE: no wildcards to escape, and the index on the key serves it.
fn begins_with(compared: SimpleExpr, prefix: &str) -> SimpleExpr {
    let end = format!("{prefix}{}", char::MAX);
    compared.clone().gte(prefix).and(compared.lt(end))
}

/// What stands on one side of `place`, in the form that a composite index serves.
fn beyond(
    backend: DbBackend,
    path: AccessPath,
    listing: &Listing,
    place: &Place,
    is_before: bool,
) -> SimpleExpr {
    let (is_less, inclusive) = (is_before ^ listing.order.descending, listing.includes_places);
    let (column, key) = match &place.key {
        Key::CreatedAt(time) => (path.ordered(user::Column::CreatedAt), Expr::value(*time)),
        Key::Username(name) => {
            let column = path.ordered(user::Column::UsernameKey);
            return compare(column, Expr::value(name.as_str()), is_less, inclusive);
        }
    };
    let (id, there) = (path.ordered(user::Column::Id), Expr::value(place.id));
    if backend == DbBackend::MySql {
        // MySQL uses no index for a comparison of rows, but two ranges of it for this.
        let tie = compare(id, there, is_less, inclusive);
        let further = compare(column.clone(), key.clone(), is_less, false);
        return further.or(column.eq(key).and(tie));
    }
    compare(Expr::tuple([column, id]), Expr::tuple([key, there]), is_less, inclusive)
}

fn compare(left: SimpleExpr, right: SimpleExpr, is_less: bool, inclusive: bool) -> SimpleExpr {
    match (is_less, inclusive) {
        (true, false) => left.lt(right),
        (true, true) => left.lte(right),
        (false, false) => left.gt(right),
        (false, true) => left.gte(right),
    }
}

#[cfg(test)]
mod tests;
