//! The `sessions` table, as its owner sees it.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, FromQueryResult, QueryFilter,
    QueryOrder, QuerySelect, Select,
};

use super::OwnSession;
use crate::kernel::id::{SessionId, UserId};
use crate::tables::session;

/// The sessions of a user that somebody can still use, the newest first.
pub(super) async fn list_living(
    db: &impl ConnectionTrait,
    user: UserId,
    now: DateTime<Utc>,
    idle: TimeDelta,
) -> Result<Vec<OwnSession>, DbErr> {
    let living = session::COLUMN
        .ended_at
        .is_null()
        .and(session::COLUMN.expires_at.gt(now))
        .and(session::COLUMN.last_used_at.gt(now - idle));
    read(db, of(user).filter(living), idle).await
}

/// All sessions of a user, the newest first.
pub(super) async fn list(
    db: &impl ConnectionTrait,
    user: UserId,
    idle: TimeDelta,
) -> Result<Vec<OwnSession>, DbErr> {
    read(db, of(user), idle).await
}

fn of(user: UserId) -> Select<session::Entity> {
    session::Entity::find()
        .select_only()
        .columns([
            session::Column::Id,
            session::Column::CreatedAt,
            session::Column::EndedAt,
            session::Column::Ip,
            session::Column::UserAgent,
            session::Column::LastUsedAt,
            session::Column::ExpiresAt,
        ])
        .filter(session::COLUMN.user_id.eq(user))
        // Which carries the time.
        .order_by_desc(session::Column::Id)
}

async fn read(
    db: &impl ConnectionTrait,
    select: Select<session::Entity>,
    idle: TimeDelta,
) -> Result<Vec<OwnSession>, DbErr> {
    let rows: Vec<OwnRow> = select.into_model().all(db).await?;
    let own = |row: OwnRow| OwnSession {
        id: row.id,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
        expires_at: Ord::min(row.expires_at, row.last_used_at + idle),
        ended_at: row.ended_at,
        ip: row.ip,
        user_agent: row.user_agent,
    };
    Ok(rows.into_iter().map(own).collect())
}

#[derive(FromQueryResult)]
struct OwnRow {
    id: SessionId,
    created_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    ip: Option<String>,
    user_agent: Option<String>,
    last_used_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// A session of a user, if it lives.
pub(super) async fn find_own(
    txn: &impl ConnectionTrait,
    id: SessionId,
    user: UserId,
    idle: TimeDelta,
) -> Result<Option<OwnSession>, DbErr> {
    let own = of(user).filter(session::COLUMN.id.eq(id)).filter(session::COLUMN.ended_at.is_null());
    Ok(read(txn, own, idle).await?.pop())
}
