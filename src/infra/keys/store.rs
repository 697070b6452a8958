//! The `keys` table.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{KeyError, Master, Material, OpenedKey, Purpose, Sealed};
use crate::kernel::id::uuid_v7;
use crate::tables::key;

/// A key as it is stored: sealed.
pub(super) type Row = key::Model;

/// A key to be inserted.
pub(super) struct NewKey {
    pub(super) purpose: Purpose,
    pub(super) serial: i32,
    pub(super) material: Material,
    pub(super) created_at: DateTime<Utc>,
    pub(super) signs_from: DateTime<Utc>,
}

/// Every key, by serial within its purpose.
pub(super) async fn list(db: &impl ConnectionTrait) -> Result<Vec<Row>, DbErr> {
    in_order().all(db).await
}

/// The same, locked, so that two changes of the keys follow one another: both wait for the newest refresh key's row,
/// which is never deleted.
pub(super) async fn lock(txn: &impl ConnectionTrait) -> Result<Vec<Row>, DbErr> {
    in_order().lock_exclusive().all(txn).await?;
    // Read again: whoever waited for the lock has not seen what was inserted meanwhile.
    list(txn).await
}

fn in_order() -> sea_orm::Select<key::Entity> {
    key::Entity::find().order_by_asc(key::Column::Purpose).order_by_asc(key::Column::Serial)
}

/// Opens a sealed key.
pub(super) fn open(row: &Row, master: &Master) -> Result<OpenedKey, KeyError> {
    let secret = master
        .open(&context(&row.id, &row.purpose, &row.algorithm), &row.sealed_key)
        .ok_or_else(|| KeyError::Sealed { kid: row.id.clone() })?;
    Ok(OpenedKey {
        kid: row.id.clone(),
        algorithm: row.algorithm.clone(),
        signs_from: row.signs_from.unwrap_or(row.created_at),
        verifies_until: row.verifies_until,
        public: row.public_key.clone(),
        secret,
    })
}

/// Which secret opens a key.
pub(super) fn sealed(row: &Row, master: &Master) -> Sealed {
    master.opens(&context(&row.id, &row.purpose, &row.algorithm), &row.sealed_key)
}

/// Stores a new key, sealed, and returns its id. A unique violation says that its serial was
/// taken meanwhile.
pub(super) async fn insert(
    db: &impl ConnectionTrait,
    master: &Master,
    new: NewKey,
) -> Result<String, KeyError> {
    let kid = uuid_v7(new.created_at).to_string();
    let Material { algorithm, public: public_key, secret } = new.material;
    let sealed_key = master.seal(&context(&kid, new.purpose.into_str(), algorithm), &secret)?;
    let row = key::ActiveModel {
        id: Set(kid.clone()),
        purpose: Set(new.purpose.into_str().to_owned()),
        serial: Set(new.serial),
        algorithm: Set(algorithm.to_owned()),
        public_key: Set(public_key),
        sealed_key: Set(sealed_key),
        created_at: Set(new.created_at),
        signs_from: Set(Some(new.signs_from)),
        verifies_until: Set(None),
    };
    key::Entity::insert(row).exec_without_returning(db).await?;
    Ok(kid)
}

/// Seals a key's secret anew.
pub(super) async fn reseal(
    txn: &impl ConnectionTrait,
    master: &Master,
    row: &Row,
) -> Result<(), KeyError> {
    let secret = open(row, master)?.secret;
    let sealed = master.seal(&context(&row.id, &row.purpose, &row.algorithm), &secret)?;
    let change = key::Entity::update_many().col_expr(key::Column::SealedKey, Expr::value(sealed));
    change.filter(key::COLUMN.id.eq(row.id.as_str())).exec(txn).await?;
    Ok(())
}

/// Writes from when a key signs and until when it verifies.
pub(super) async fn set_times(txn: &impl ConnectionTrait, row: &Row) -> Result<(), DbErr> {
    key::Entity::update_many()
        .col_expr(key::Column::SignsFrom, Expr::value(row.signs_from))
        .col_expr(key::Column::VerifiesUntil, Expr::value(row.verifies_until))
        .filter(key::COLUMN.id.eq(row.id.as_str()))
        .exec(txn)
        .await?;
    Ok(())
}

pub(super) async fn delete(txn: &impl ConnectionTrait, kid: &str) -> Result<(), DbErr> {
    key::Entity::delete_many().filter(key::COLUMN.id.eq(kid)).exec(txn).await?;
    Ok(())
}

/// Deletes the keys that ended before `before`.
pub(super) async fn delete_ended(
    db: &impl ConnectionTrait,
    before: DateTime<Utc>,
) -> Result<u64, DbErr> {
    let ended = key::Entity::delete_many().filter(key::COLUMN.verifies_until.lt(before));
    Ok(ended.exec(db).await?.rows_affected)
}

/// What a sealed key is bound to: it opens as this key, for this purpose and algorithm, only.
fn context(kid: &str, purpose: &str, algorithm: &str) -> String {
    format!("{purpose}/{algorithm}/{kid}")
}
