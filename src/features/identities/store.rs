//! The tables of identities, and of issuers of which some were unlinked.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};

use super::{Identity, LinkingError};
use crate::infra::db::violates;
use crate::kernel::id::{IdentityId, UserId};
use crate::tables::{identity, unlinked_issuer};

impl From<identity::Model> for Identity {
    fn from(row: identity::Model) -> Self {
        Self {
            id: row.id,
            user: row.user_id,
            provider: row.provider,
            issuer: row.issuer,
            subject: row.subject,
            email: row.email,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
        }
    }
}

pub(super) async fn find(
    db: &impl ConnectionTrait,
    issuer: &str,
    subject: &str,
) -> Result<Option<Identity>, DbErr> {
    let row = identity::Entity::find()
        .filter(identity::COLUMN.issuer.eq(issuer))
        .filter(identity::COLUMN.subject.eq(subject))
        .one(db)
        .await?;
    Ok(row.map(Identity::from))
}

pub(super) async fn list(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<Identity>, DbErr> {
    let rows = identity::Entity::find()
        .filter(identity::COLUMN.user_id.eq(user))
        .order_by_asc(identity::Column::Id)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(Identity::from).collect())
}

pub(super) async fn insert(
    db: &impl ConnectionTrait,
    identity: &Identity,
) -> Result<(), LinkingError> {
    let row = identity::ActiveModel {
        id: Set(identity.id),
        user_id: Set(identity.user),
        provider: Set(identity.provider.clone()),
        issuer: Set(identity.issuer.clone()),
        subject: Set(identity.subject.clone()),
        email: Set(identity.email.clone()),
        created_at: Set(identity.created_at),
        last_used_at: Set(identity.last_used_at),
    };
    match identity::Entity::insert(row).exec_without_returning(db).await {
        Ok(_) => Ok(()),
        Err(error) if violates(&error, "identities_issuer_subject_key") => Err(LinkingError::Taken),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn touch(
    db: &impl ConnectionTrait,
    id: IdentityId,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    identity::Entity::update_many()
        .col_expr(identity::Column::LastUsedAt, Expr::value(now))
        .filter(identity::COLUMN.id.eq(id))
        .exec(db)
        .await?;
    Ok(())
}

pub(super) async fn delete(db: &impl ConnectionTrait, id: IdentityId) -> Result<(), DbErr> {
    identity::Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}

pub(super) async fn delete_all(db: &impl ConnectionTrait, user: UserId) -> Result<(), DbErr> {
    identity::Entity::delete_many().filter(identity::COLUMN.user_id.eq(user)).exec(db).await?;
    Ok(())
}

pub(super) async fn was_unlinked(
    db: &impl ConnectionTrait,
    user: UserId,
    issuer: &str,
) -> Result<bool, DbErr> {
    let key = (user, issuer.to_owned());
    Ok(unlinked_issuer::Entity::find_by_id(key).one(db).await?.is_some())
}

pub(super) async fn note_unlinked(
    db: &impl ConnectionTrait,
    user: UserId,
    issuer: &str,
) -> Result<(), DbErr> {
    let row = unlinked_issuer::ActiveModel { user_id: Set(user), issuer: Set(issuer.to_owned()) };
    unlinked_issuer::Entity::insert(row).exec_without_returning(db).await?;
    Ok(())
}
