//! The `keys` table.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter};

use super::{KeyError, Master, Material, OpenedKey, Purpose, generate};
use crate::entity::key;
use crate::platform::id::uuid_v7;

pub(super) async fn exists(db: &impl ConnectionTrait, purpose: Purpose) -> Result<bool, DbErr> {
    Ok(key::Entity::find().filter(key::COLUMN.purpose.eq(purpose.as_str())).count(db).await? > 0)
}

/// Every key of a purpose, opened; a row that does not open fails the whole reading.
pub(super) async fn list(
    db: &impl ConnectionTrait,
    master: &Master,
    purpose: Purpose,
) -> Result<Vec<OpenedKey>, KeyError> {
    let rows = key::Entity::find().filter(key::COLUMN.purpose.eq(purpose.as_str())).all(db).await?;
    rows.into_iter()
        .map(|row| {
            let secret = master
                .open(&context(&row.id, purpose, &row.algorithm), &row.sealed_key)
                .ok_or_else(|| KeyError::Sealed { kid: row.id.clone() })?;
            Ok(OpenedKey {
                kid: row.id,
                serial: row.serial,
                algorithm: row.algorithm,
                public: row.public_key,
                secret,
            })
        })
        .collect()
}

/// Makes a key and stores it sealed. A unique violation says that `serial` was taken meanwhile.
pub(super) async fn insert(
    db: &impl ConnectionTrait,
    master: &Master,
    purpose: Purpose,
    serial: i32,
    now: DateTime<Utc>,
) -> Result<(), KeyError> {
    let kid = uuid_v7(now).to_string();
    let Material { algorithm, public: public_key, secret } = generate(purpose)?;
    let sealed_key = master.seal(&context(&kid, purpose, algorithm), &secret)?;
    let row = key::ActiveModel {
        id: Set(kid),
        purpose: Set(purpose.as_str().to_owned()),
        serial: Set(serial),
        algorithm: Set(algorithm.to_owned()),
        public_key: Set(public_key),
        sealed_key: Set(sealed_key),
        created_at: Set(now),
    };
    key::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}

/// What a sealed key is bound to: it opens as this key, for this purpose and algorithm, only.
fn context(kid: &str, purpose: Purpose, algorithm: &str) -> String {
    format!("{}/{algorithm}/{kid}", purpose.as_str())
}
