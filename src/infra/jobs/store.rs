//! The table `jobs`.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    Condition, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QuerySelect,
    QueryTrait, SqlErr,
};
use uuid::Uuid;

use super::{Job, LEASE_LENGTH};
use crate::infra::causes::causes;
use crate::tables::job::{self, COLUMN, Column, Entity};

/// A row without the progress, which only its own job reads.
#[derive(FromQueryResult)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) succeeded_at: Option<DateTime<Utc>>,
    pub(super) failed_at: Option<DateTime<Utc>>,
    pub(super) held_until: Option<DateTime<Utc>>,
}

/// The rows that this program can read. A row that it cannot read counts as missing: its job is done, which writes the
/// row again, and the others are done as well.
pub(super) async fn list(db: &impl ConnectionTrait) -> Result<Vec<Row>, DbErr> {
    let columns = [Column::Name, Column::SucceededAt, Column::FailedAt, Column::HeldUntil];
    let select = Entity::find().select_only().columns(columns);
    let rows = db.query_all_raw(select.build(db.get_database_backend())).await?;
    let read = rows.iter().filter_map(|row| {
        Row::from_query_result(row, "")
            .inspect_err(|error| {
                tracing::warn!(error = %causes(error), "a row of the table `jobs` cannot be read");
            })
            .ok()
    });
    Ok(read.collect())
}

/// Which rows an instance may take: its own, those whose lease is over, and those whose lease is longer than any, since
/// the clock of its holder was wrong.
fn is_free(holder: Uuid, now: DateTime<Utc>) -> Condition {
    Condition::any()
        .add(COLUMN.holder.eq(holder))
        .add(COLUMN.held_until.is_null())
        .add(COLUMN.held_until.lt(now))
        .add(COLUMN.held_until.gt(now + LEASE_LENGTH + LEASE_LENGTH))
}

/// The names of the jobs that other instances have.
pub(super) async fn list_held(
    db: &impl ConnectionTrait,
    holder: Uuid,
    now: DateTime<Utc>,
) -> Result<Vec<String>, DbErr> {
    let held = Entity::find().select_only().column(Column::Name);
    held.filter(is_free(holder, now).not()).into_tuple().all(db).await
}

/// Takes a job, if it is there and free.
pub(super) async fn claim(
    db: &impl ConnectionTrait,
    job: Job,
    holder: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let claimed = Entity::update_many()
        .col_expr(Column::Holder, Expr::value(holder))
        .col_expr(Column::HeldUntil, Expr::value(now + LEASE_LENGTH))
        .filter(COLUMN.name.eq(job.into_str()))
        .filter(is_free(holder, now))
        .exec(db)
        .await?;
    Ok(claimed.rows_affected > 0)
}

/// How far a job got. One that cannot be read is none: the job begins again.
pub(super) async fn progress(db: &impl ConnectionTrait, job: Job) -> Result<Option<String>, DbErr> {
    let row = Entity::find_by_id(job.into_str()).select_only().column(Column::Progress);
    let row = db.query_one_raw(row.build(db.get_database_backend())).await?;
    Ok(row.and_then(|row| row.try_get_by_index(0).unwrap_or_default()))
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
