//! The tables `sessions` and `refresh_tokens`, as far as rows are removed from them.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use crate::infra::db::Db;
use crate::kernel::id::{RefreshTokenId, SessionId};
use crate::tables::{refresh_token, session};

/// Erases the salts of at most `batch` tokens made before `before`; returns how many.
pub(super) async fn erase_salts(db: &Db, before: DateTime<Utc>, batch: u64) -> Result<u64, DbErr> {
    // Two statements, as everywhere here: MySQL takes no LIMIT in the subquery of an IN.
    let old = with_old_salt(before).limit(batch);
    let ids: Vec<RefreshTokenId> = old.into_tuple().all(db.reader()).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let outcome = refresh_token::Entity::update_many()
        .col_expr(refresh_token::Column::Salt, Expr::value(None::<Vec<u8>>))
        .filter(refresh_token::COLUMN.id.is_in(ids))
        .exec(db.writer())
        .await?;
    Ok(outcome.rows_affected)
}

/// Not "is not null", for which SQLite uses no index, so that it would read all tokens there are.
fn with_old_salt(before: DateTime<Utc>) -> Select<refresh_token::Entity> {
    refresh_token::Entity::find()
        .select_only()
        .column(refresh_token::Column::Id)
        .filter(refresh_token::Column::Salt.gt(Vec::<u8>::new()))
        .filter(refresh_token::COLUMN.created_at.lt(before))
}

/// At most `batch` sessions past their absolute end.
pub(super) async fn list_expired(
    db: &Db,
    now: DateTime<Utc>,
    batch: u64,
) -> Result<Vec<SessionId>, DbErr> {
    expired(now).limit(batch).into_tuple().all(db.reader()).await
}

fn expired(now: DateTime<Utc>) -> Select<session::Entity> {
    session::Entity::find()
        .select_only()
        .column(session::Column::Id)
        .filter(session::COLUMN.expires_at.lte(now))
        .order_by_asc(session::Column::ExpiresAt)
}

/// Deletes at most `batch` tokens of the given sessions; returns how many.
pub(super) async fn delete_tokens(
    db: &Db,
    sessions: &[SessionId],
    batch: u64,
) -> Result<u64, DbErr> {
    let ids: Vec<RefreshTokenId> =
        tokens_of(sessions).limit(batch).into_tuple().all(db.reader()).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let outcome = refresh_token::Entity::delete_many()
        .filter(refresh_token::COLUMN.id.is_in(ids))
        .exec(db.writer())
        .await?;
    Ok(outcome.rows_affected)
}

fn tokens_of(sessions: &[SessionId]) -> Select<refresh_token::Entity> {
    refresh_token::Entity::find()
        .select_only()
        .column(refresh_token::Column::Id)
        .filter(refresh_token::COLUMN.session_id.is_in(sessions.iter().copied()))
}

/// Deletes sessions, with the tokens they still have.
pub(super) async fn delete(db: &Db, sessions: Vec<SessionId>) -> Result<(), DbErr> {
    let named = session::COLUMN.id.is_in(sessions);
    session::Entity::delete_many().filter(named).exec(db.writer()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, DbBackend, QueryTrait};

    use super::*;

    #[tokio::test]
    async fn an_index_finds_what_the_housekeeping_removes() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/test.db", folder.path().display());
        let db = Db::connect(&url, 2).await.unwrap();
        db.migrate_up(migration::Migrations::default()).await.unwrap();
        let now = DateTime::UNIX_EPOCH;
        for (index, mut statement) in [
            ("refresh_tokens_salt (salt>", with_old_salt(now).build(DbBackend::Sqlite)),
            ("sessions_expires_at (expires_at<", expired(now).build(DbBackend::Sqlite)),
            (
                "refresh_tokens_session_id_created_at (session_id=",
                tokens_of(&[SessionId::new(now)]).build(DbBackend::Sqlite),
            ),
        ] {
            statement.sql.insert_str(0, "EXPLAIN QUERY PLAN ");
            let plan = db.reader().query_one_raw(statement).await.unwrap().unwrap();
            let plan: String = plan.try_get("", "detail").unwrap();
            assert!(plan.contains(index), "{plan}");
        }
    }
}
