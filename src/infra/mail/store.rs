//! The `outbox` table.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::{Counts, Letter, Pending, Undelivered};
use crate::infra::db::Db;
use crate::kernel::id::{MailId, UserId};
use crate::tables::outbox;

pub(super) async fn insert(
    txn: &impl ConnectionTrait,
    now: DateTime<Utc>,
    id: MailId,
    letter: Letter<'_>,
    details: String,
) -> Result<(), DbErr> {
    let row = outbox::ActiveModel {
        id: Set(id),
        kind: Set(letter.kind.into_str().to_owned()),
        user_id: Set(letter.about),
        recipient: Set(letter.to.address.to_owned()),
        language: Set(letter.to.language.into_str().to_owned()),
        details: Set(details),
        created_at: Set(now),
        due_at: Set(now),
        attempts: Set(0),
        failure: Set(None),
        given_up_at: Set(None),
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
    let mut delete = outbox::Entity::delete_many()
        .filter(outbox::COLUMN.recipient.eq(letter.to.address))
        .filter(outbox::COLUMN.kind.eq(letter.kind.into_str()))
        .filter(about);
    if letter.stands_beside_others() {
        delete = delete.filter(outbox::COLUMN.given_up_at.is_not_null());
    }
    delete.exec(txn).await?;
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
        .filter(outbox::COLUMN.given_up_at.is_null())
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

/// Keeps a mail for the next attempt, with the reason why this one failed.
pub(super) async fn postpone(
    db: &Db,
    id: MailId,
    until: DateTime<Utc>,
    failure: &str,
) -> Result<(), DbErr> {
    outbox::Entity::update_many()
        .col_expr(outbox::Column::DueAt, Expr::value(until))
        .col_expr(outbox::Column::Failure, Expr::value(failure))
        .filter(outbox::COLUMN.id.eq(id))
        .exec(db.writer())
        .await?;
    Ok(())
}

/// Ends the attempts to send a mail, and keeps it until `until`.
pub(super) async fn give_up(
    db: &Db,
    id: MailId,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    failure: &str,
) -> Result<(), DbErr> {
    outbox::Entity::update_many()
        .col_expr(outbox::Column::DueAt, Expr::value(until))
        .col_expr(outbox::Column::GivenUpAt, Expr::value(now))
        .col_expr(outbox::Column::Failure, Expr::value(failure))
        .filter(outbox::COLUMN.id.eq(id))
        .exec(db.writer())
        .await?;
    Ok(())
}

/// At most `limit` mails of which an attempt has failed, the newest first.
pub(super) async fn list_undelivered(db: &Db, limit: u64) -> Result<Vec<Undelivered>, DbErr> {
    let rows = outbox::Entity::find()
        .filter(outbox::COLUMN.failure.is_not_null())
        .order_by_desc(outbox::Column::Id)
        .limit(limit)
        .all(db.reader())
        .await?;
    let undelivered = |row: outbox::Model| Undelivered {
        id: row.id,
        kind: row.kind,
        recipient: row.recipient,
        created_at: row.created_at,
        attempts: row.attempts,
        failure: row.failure.unwrap_or_default(),
        due_at: row.due_at,
        given_up_at: row.given_up_at,
    };
    Ok(rows.into_iter().map(undelivered).collect())
}

/// How many mails wait, wait after a failed attempt, and are given up.
pub(super) async fn count(db: &Db) -> Result<Counts, DbErr> {
    let failed = async |is_given_up: bool| {
        let given_up_at = outbox::COLUMN.given_up_at;
        let state = if is_given_up { given_up_at.is_not_null() } else { given_up_at.is_null() };
        let failed = outbox::Entity::find().filter(outbox::COLUMN.failure.is_not_null());
        failed.filter(state).count(db.reader()).await
    };
    let new = outbox::Entity::find().filter(outbox::COLUMN.failure.is_null());
    Ok(Counts {
        new: new.count(db.reader()).await?,
        postponed: failed(false).await?,
        given_up: failed(true).await?,
    })
}

/// When the oldest mail was written that is neither sent nor given up.
pub(super) async fn oldest(db: &Db) -> Result<Option<DateTime<Utc>>, DbErr> {
    let waiting = outbox::Entity::find().filter(outbox::COLUMN.given_up_at.is_null());
    // Ids are in the order of the time.
    let first = waiting.order_by_asc(outbox::Column::Id).one(db.reader()).await?;
    Ok(first.map(|mail| mail.created_at))
}

/// Makes mails due of which an attempt has failed: the one named, or all. Says how many.
pub(super) async fn make_due(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    id: Option<MailId>,
) -> Result<u64, DbErr> {
    let mut update = outbox::Entity::update_many()
        .col_expr(outbox::Column::DueAt, Expr::value(now))
        .col_expr(outbox::Column::Attempts, Expr::value(0))
        .col_expr(outbox::Column::GivenUpAt, Expr::value(None::<DateTime<Utc>>))
        .filter(outbox::COLUMN.failure.is_not_null());
    if let Some(id) = id {
        update = update.filter(outbox::COLUMN.id.eq(id));
    }
    Ok(update.exec(db).await?.rows_affected)
}

/// Deletes at most `limit` mails that were given up and have been kept for their time.
pub(super) async fn delete_given_up(db: &Db, now: DateTime<Utc>, limit: u64) -> Result<u64, DbErr> {
    let ids: Vec<MailId> = outbox::Entity::find()
        .filter(outbox::COLUMN.due_at.lte(now))
        .filter(outbox::COLUMN.given_up_at.is_not_null())
        .limit(limit)
        .all(db.reader())
        .await?
        .into_iter()
        .map(|row| row.id)
        .collect();
    let found = ids.len() as u64;
    if ids.is_empty() {
        return Ok(0);
    }
    let delete = outbox::Entity::delete_many()
        .filter(outbox::COLUMN.id.is_in(ids))
        // Not one that the operator has just made due.
        .filter(outbox::COLUMN.given_up_at.is_not_null());
    delete.exec(db.writer()).await?;
    Ok(found)
}

pub(super) async fn delete(db: &impl ConnectionTrait, id: MailId) -> Result<(), DbErr> {
    outbox::Entity::delete_by_id(id).exec(db).await?;
    Ok(())
}
