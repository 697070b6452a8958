//! The `passkeys` table.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::{AddError, Passkey, Use};
use crate::infra::db::violates;
use crate::kernel::id::{PasskeyId, UserId};
use crate::tables::passkey;

impl From<passkey::Model> for Passkey {
    fn from(row: passkey::Model) -> Self {
        let transports = row.transports.split(',').filter(|transport| !transport.is_empty());
        Self {
            id: row.id,
            user: row.user_id,
            rp_id: row.rp_id,
            transports: transports.map(str::to_owned).collect(),
            credential_id: row.credential_id,
            public_key: row.public_key,
            // Only what fits was written.
            sign_count: u32::try_from(row.sign_count).unwrap_or(u32::MAX),
            name: row.name,
            aaguid: row.aaguid,
            user_verified: row.user_verified,
            conditional: row.conditional,
            backup_eligible: row.backup_eligible,
            backed_up: row.backed_up,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
        }
    }
}

pub(super) async fn insert(db: &impl ConnectionTrait, passkey: &Passkey) -> Result<(), AddError> {
    let row = passkey::ActiveModel {
        id: Set(passkey.id),
        user_id: Set(passkey.user),
        rp_id: Set(passkey.rp_id.clone()),
        credential_id: Set(passkey.credential_id.clone()),
        public_key: Set(passkey.public_key.clone()),
        sign_count: Set(passkey.sign_count.into()),
        name: Set(passkey.name.clone()),
        transports: Set(passkey.transports.join(",")),
        aaguid: Set(passkey.aaguid),
        user_verified: Set(passkey.user_verified),
        conditional: Set(passkey.conditional),
        backup_eligible: Set(passkey.backup_eligible),
        backed_up: Set(passkey.backed_up),
        created_at: Set(passkey.created_at),
        last_used_at: Set(passkey.last_used_at),
    };
    match passkey::Entity::insert(row).exec_without_returning(db).await {
        Ok(_) => Ok(()),
        Err(error) if violates(&error, "passkeys_credential_id") => Err(AddError::Taken),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn find_first_domain(db: &impl ConnectionTrait) -> Result<Option<String>, DbErr> {
    passkey::Entity::find()
        .select_only()
        .column(passkey::Column::RpId)
        .order_by_asc(passkey::Column::Id)
        .into_tuple()
        .one(db)
        .await
}

pub(super) async fn find(
    db: &impl ConnectionTrait,
    credential_id: &[u8],
) -> Result<Option<Passkey>, DbErr> {
    let row = passkey::Entity::find()
        .filter(passkey::COLUMN.credential_id.eq(credential_id.to_vec()))
        .one(db)
        .await?;
    Ok(row.map(Passkey::from))
}

pub(super) async fn find_own(
    db: &impl ConnectionTrait,
    user: UserId,
    id: PasskeyId,
) -> Result<Option<Passkey>, DbErr> {
    let of_user = passkey::COLUMN.user_id.eq(user);
    let row = passkey::Entity::find_by_id(id).filter(of_user).one(db).await?;
    Ok(row.map(Passkey::from))
}

pub(super) async fn list(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<Passkey>, DbErr> {
    let rows = passkey::Entity::find()
        .filter(passkey::COLUMN.user_id.eq(user))
        .order_by_asc(passkey::Column::Id)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Passkey::from).collect())
}

pub(super) async fn rename(
    db: &impl ConnectionTrait,
    user: UserId,
    id: PasskeyId,
    name: &str,
) -> Result<bool, DbErr> {
    let outcome = passkey::Entity::update_many()
        .col_expr(passkey::Column::Name, Expr::value(name))
        .filter(passkey::COLUMN.id.eq(id))
        .filter(passkey::COLUMN.user_id.eq(user))
        .exec(db)
        .await?;
    Ok(outcome.rows_affected == 1)
}

pub(super) async fn delete(
    db: &impl ConnectionTrait,
    user: UserId,
    id: PasskeyId,
) -> Result<bool, DbErr> {
    let outcome =
        passkey::Entity::delete_by_id(id).filter(passkey::COLUMN.user_id.eq(user)).exec(db).await?;
    Ok(outcome.rows_affected == 1)
}

pub(super) async fn delete_all(db: &impl ConnectionTrait, user: UserId) -> Result<(), DbErr> {
    passkey::Entity::delete_many().filter(passkey::COLUMN.user_id.eq(user)).exec(db).await?;
    Ok(())
}

/// Writes what a use has shown, if the counter still is the one that it was verified against; says whether it was.
pub(super) async fn note_use(
    db: &impl ConnectionTrait,
    verified: &Passkey,
    used: &Use,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let user_verified = verified.user_verified || verified.conditional && used.user_verified;
    let outcome = passkey::Entity::update_many()
        .col_expr(passkey::Column::SignCount, Expr::value(i64::from(used.sign_count)))
        .col_expr(passkey::Column::BackedUp, Expr::value(used.backed_up))
        .col_expr(passkey::Column::UserVerified, Expr::value(user_verified))
        .col_expr(passkey::Column::LastUsedAt, Expr::value(now))
        .filter(passkey::COLUMN.id.eq(verified.id))
        .filter(passkey::COLUMN.sign_count.eq(i64::from(verified.sign_count)))
        .exec(db)
        .await?;
    Ok(outcome.rows_affected == 1)
}

pub(super) async fn delete_since(
    db: &impl ConnectionTrait,
    user: UserId,
    since: DateTime<Utc>,
) -> Result<(), DbErr> {
    passkey::Entity::delete_many()
        .filter(passkey::COLUMN.user_id.eq(user))
        .filter(passkey::COLUMN.created_at.gte(since))
        .exec(db)
        .await?;
    Ok(())
}
