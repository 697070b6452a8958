//! The table `jobs`.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, SqlErr};
use uuid::Uuid;

use super::{Job, LEASE};
use crate::tables::job::{self, COLUMN, Column, Entity, Model};

impl Model {
    /// Whether this instance may take it.
    pub(super) fn is_free(&self, holder: Uuid, now: DateTime<Utc>) -> bool {
        self.holder == Some(holder)
            || self.held_until.is_none_or(|until| until < now || until > now + LEASE + LEASE)
    }
}

pub(super) async fn all(db: &impl ConnectionTrait) -> Result<Vec<Model>, DbErr> {
    Entity::find().all(db).await
}

/// Takes a job, if it is there and free.
pub(super) async fn claim(
    db: &impl ConnectionTrait,
    job: Job,
    holder: Uuid,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let free = Condition::any()
        .add(COLUMN.holder.eq(holder))
        .add(COLUMN.held_until.is_null())
        .add(COLUMN.held_until.lt(now))
        // Nobody has it for so long: the clock of whoever wrote that was wrong.
        .add(COLUMN.held_until.gt(until + LEASE));
    let claimed = Entity::update_many()
        .col_expr(Column::Holder, Expr::value(holder))
        .col_expr(Column::HeldUntil, Expr::value(until))
        .filter(COLUMN.name.eq(job.into_str()))
        .filter(free)
        .exec(db)
        .await?;
    Ok(claimed.rows_affected > 0)
}

pub(super) async fn progress(db: &impl ConnectionTrait, job: Job) -> Result<Option<String>, DbErr> {
    let row = Entity::find_by_id(job.into_str()).select_only().column(Column::Progress);
    Ok(row.into_tuple().one(db).await?.flatten())
}

/// Makes the row of a job; returns whether there was none.
pub(super) async fn make(db: &impl ConnectionTrait, job: Job) -> Result<bool, DbErr> {
    let row = job::ActiveModel { name: Set(job.into_str().to_owned()), ..Default::default() };
    match Entity::insert(row).exec_without_returning(db).await {
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
            Ok(false)
        }
        made => made.map(|_row| true),
    }
}

/// Keeps a job for longer, if this instance has it.
pub(super) async fn renew(
    db: &impl ConnectionTrait,
    job: Job,
    holder: Uuid,
    until: DateTime<Utc>,
) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::HeldUntil, Expr::value(until))
        .filter(COLUMN.name.eq(job.into_str()))
        .filter(COLUMN.holder.eq(holder))
        .exec(db)
        .await?;
    Ok(())
}

/// Saves how far a job got, while this instance has it.
pub(super) async fn save(
    db: &impl ConnectionTrait,
    job: Job,
    holder: Uuid,
    progress: &str,
    until: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let saved = Entity::update_many()
        .col_expr(Column::Progress, Expr::value(progress))
        .col_expr(Column::HeldUntil, Expr::value(until))
        .filter(COLUMN.name.eq(job.into_str()))
        .filter(COLUMN.holder.eq(holder))
        .exec(db)
        .await?;
    Ok(saved.rows_affected > 0)
}

/// Gives a job back.
pub(super) async fn end(
    db: &impl ConnectionTrait,
    job: Job,
    holder: Uuid,
    now: DateTime<Utc>,
    has_succeeded: bool,
) -> Result<(), DbErr> {
    let when = if has_succeeded { Column::SucceededAt } else { Column::FailedAt };
    Entity::update_many()
        .col_expr(when, Expr::value(now))
        .col_expr(Column::Holder, Expr::value(None::<Uuid>))
        .col_expr(Column::HeldUntil, Expr::value(None::<DateTime<Utc>>))
        .filter(COLUMN.name.eq(job.into_str()))
        .filter(COLUMN.holder.eq(holder))
        .exec(db)
        .await?;
    Ok(())
}
