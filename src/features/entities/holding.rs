//! What becomes of rows with their owner: their export, and what is left of somebody whose account was taken back.

use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, DbErr, IdenStatic, IntoActiveModel, Iterable,
    QueryFilter, QueryOrder, QuerySelect, Value as Column,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::reach::{is_same, key, key_of};
use super::scope::Find;
use super::{Owned, Reach};
use crate::features::accounts::{
    AdminError, Departure, EXPORT_PAGE_SIZE, Entries, Holding, LEFTOVERS_MAX,
};
use crate::infra::db::Db;
use crate::kernel::id::{Id, OrganizationId, TypedId, UserId, last_uuid_of};
use crate::kernel::page::Part;
use crate::kernel::rfc3339;

/// The rows of an entity are in the export of whose they are, and go with them by their foreign key.
pub(crate) fn holding<E: Owned>() -> Holding {
    Holding {
        name: E::PLURAL,
        export: |db, user, after| Box::pin(export::<E>(db, user, after)),
        leave: None,
        leftovers: Some((
            |db, user, until| Box::pin(leftovers::<E>(db, user, until)),
            |departure, until| Box::pin(drop_leftovers::<E>(departure, until)),
        )),
    }
}

async fn export<E: Owned>(db: &Db, user: UserId, after: Option<Uuid>) -> Result<Entries, DbErr> {
    let part = Part { after, before: None, size: EXPORT_PAGE_SIZE, from_end: false };
    let page = Find::<E>::within(db, Reach::Everywhere(user)).part(part).await?;
    let next = page.rows.last().map(key_of::<E>).filter(|_| page.has_more);
    Ok(Entries { entries: page.rows.iter().map(entry::<E>).collect(), next })
}

/// A row as its owner gets it: each column by its name in camelCase.
fn entry<E: Owned>(row: &E::Model) -> Value {
    let row = row.clone().into_active_model();
    let others = E::Column::iter().filter(|column| !is_same(*column, E::OWNER));
    let member = |column: E::Column| {
        let value = match row.get(column).into_value().unwrap_or(Column::Bool(None)) {
            Column::Uuid(Some(id)) if key::<E>().is_some_and(|key| is_same(key, column)) => {
                json!(Id { of: E::Id::OF, uuid: id })
            }
            Column::Uuid(Some(id)) if E::ORGANIZATION.is_some_and(|own| is_same(own, column)) => {
                json!(Id::of(OrganizationId(id)))
            }
            value => plain(value),
        };
        (camel_case(column.as_str()), value)
    };
    Value::Object(others.map(member).collect::<Map<_, _>>())
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (head, tail) = word.split_at(word.len().min(1));
        name + &head.to_uppercase() + tail
    })
}

/// A column's value as JSON; what JSON has no form for, as SQL writes it.
fn plain(value: Column) -> Value {
    match value {
        Column::Bool(value) => json!(value),
        Column::TinyInt(value) => json!(value),
        Column::SmallInt(value) => json!(value),
        Column::Int(value) => json!(value),
        Column::BigInt(value) => json!(value),
        Column::TinyUnsigned(value) => json!(value),
        Column::SmallUnsigned(value) => json!(value),
        Column::Unsigned(value) => json!(value),
        Column::BigUnsigned(value) => json!(value),
        Column::Float(value) => json!(value),
        Column::Double(value) => json!(value),
        Column::String(value) => json!(value),
        Column::Char(value) => json!(value),
        Column::Uuid(value) => json!(value),
        Column::ChronoDateTimeUtc(value) => json!(value.map(rfc3339::text)),
        Column::ChronoDateTimeWithTimeZone(value) => {
            json!(value.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true)))
        }
        Column::ChronoDate(value) => json!(value),
        Column::ChronoTime(value) => json!(value),
        Column::ChronoDateTime(value) => json!(value),
        other => json!(other.to_string()),
    }
}

/// What somebody has from no later than a time.
fn until<E: Owned>(user: UserId, time: DateTime<Utc>) -> Condition {
    let earlier = key::<E>().map(|key| key.lte(last_uuid_of(time)));
    Reach::Everywhere(user).condition::<E>().add_option(earlier)
}

async fn leftovers<E: Owned>(
    db: &Db,
    user: UserId,
    time: DateTime<Utc>,
) -> Result<Vec<String>, DbErr> {
    let mut select = E::find().filter(until::<E>(user, time)).limit(LEFTOVERS_MAX);
    if let Some(key) = key::<E>() {
        select = select.order_by_asc(key);
    }
    Ok(select.all(db.reader()).await?.iter().map(E::label).collect())
}

async fn drop_leftovers<E: Owned>(
    departure: &Departure<'_>,
    time: DateTime<Utc>,
) -> Result<(), AdminError> {
    E::delete_many().filter(until::<E>(departure.user, time)).exec(departure.tx).await?;
    Ok(())
}
