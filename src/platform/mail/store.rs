//! The `outbox` table.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::{Details, Letter, Pending};
use crate::entity::outbox;
use crate::platform::db::Db;
use crate::platform::id::{MailId, UserId};

pub(super) async fn insert(
    txn: &impl ConnectionTrait,
    now: DateTime<Utc>,
    id: MailId,
    letter: Letter<'_>,
    details: &Details,
) -> Result<(), DbErr> {
    let details = serde_json::to_string(details).map_err(|error| DbErr::Json(error.to_string()))?;
    let row = outbox::ActiveModel {
        id: Set(id),
        kind: Set(letter.kind.as_str().to_owned()),
        user_id: Set(letter.about),
        recipient: Set(letter.to.address.to_owned()),
        language: Set(letter.to.language.as_str().to_owned()),
        details: Set(details),
        created_at: Set(now),
        due_at: Set(now),
        attempts: Set(0),
    };
    outbox::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// Deletes mails of a letter's kind about the same account to the same address.
pub(super) async fn delete_like(
    txn: &impl ConnectionTrait,
    letter: &Letter<'_>,
) -> Result<(), DbErr> {
    let about = match letter.about {
        Some(user) => outbox::COLUMN.user_id.eq(user),
        None => outbox::COLUMN.user_id.is_null(),
    };
    outbox::Entity::delete_many()
        .filter(outbox::COLUMN.recipient.eq(letter.to.address))
        .filter(outbox::COLUMN.kind.eq(letter.kind.as_str()))
        .filter(about)
        .exec(txn)
        .await?;
    Ok(())
}

/// Deletes all mails about an account.
pub(super) async fn delete_about(txn: &impl ConnectionTrait, user: UserId) -> Result<(), DbErr> {
    let delete = outbox::Entity::delete_many().filter(outbox::COLUMN.user_id.eq(user));
    delete.exec(txn).await?;
    Ok(())
}

/// At most `limit` mails that are due, those first that have waited longest.
pub(super) async fn list_due(
    db: &Db,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Pending>, DbErr> {
    let rows = outbox::Entity::find()
        .filter(outbox::COLUMN.due_at.lte(now))
        .order_by_asc(outbox::Column::DueAt)
        .limit(limit)
        .all(db.reader())
        .await?;
    let pending = |row: outbox::Model| Pending {
        id: row.id,
        kind: row.kind,
        recipient: row.recipient,
        language: row.language,
        details: row.details,
        created_at: row.created_at,
        due_at: row.due_at,
        attempts: row.attempts,
    };
    Ok(rows.into_iter().map(pending).collect())
}

/// Keeps a mail from everybody else until `until`, unless somebody else has; says whether this call
/// did.
pub(super) async fn claim(db: &Db, mail: &Pending, until: DateTime<Utc>) -> Result<bool, DbErr> {
    let outcome = outbox::Entity::update_many()
        .col_expr(outbox::Column::DueAt, Expr::value(until))
        .col_expr(outbox::Column::Attempts, Expr::col(outbox::Column::Attempts).add(1))
        .filter(outbox::COLUMN.id.eq(mail.id))
        .filter(outbox::COLUMN.due_at.eq(mail.due_at))
        .exec(db.writer())
        .await?;
    Ok(outcome.rows_affected == 1)
}

pub(super) async fn postpone(db: &Db, id: MailId, until: DateTime<Utc>) -> Result<(), DbErr> {
    outbox::Entity::update_many()
        .col_expr(outbox::Column::DueAt, Expr::value(until))
        .filter(outbox::COLUMN.id.eq(id))
        .exec(db.writer())
        .await?;
    Ok(())
}

pub(super) async fn delete(db: &impl ConnectionTrait, id: MailId) -> Result<(), DbErr> {
    outbox::Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}
