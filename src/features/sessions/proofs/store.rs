//! The `sessions` table: the wrong passwords that came with a session.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use crate::kernel::id::{SessionId, UserId};
use crate::tables::session;

/// Counts a wrong password for a session, up to `max`; says whether this was the one that reached it.
pub(super) async fn count_failed_proof(
    txn: &impl ConnectionTrait,
    id: SessionId,
    max: i32,
) -> Result<bool, DbErr> {
    let counted = session::Entity::update_many()
        .col_expr(session::Column::FailedProofs, Expr::col(session::Column::FailedProofs).add(1))
        .filter(session::COLUMN.id.eq(id))
        .filter(session::COLUMN.failed_proofs.lt(max))
        .exec(txn)
        .await?;
    if counted.rows_affected == 0 {
        return Ok(false);
    }
    // The row is locked by the update, so this is what it made.
    let failures: Option<i32> = session::Entity::find_by_id(id)
        .select_only()
        .column(session::Column::FailedProofs)
        .into_tuple()
        .one(txn)
        .await?;
    Ok(failures == Some(max))
}

/// Whose the device of a session is, as long as its row is kept and it has fewer failures than `max`.
pub(super) async fn find_user_of_device(
    db: &impl ConnectionTrait,
    id: SessionId,
    max: i32,
    now: DateTime<Utc>,
) -> Result<Option<UserId>, DbErr> {
    session::Entity::find_by_id(id)
        .select_only()
        .column(session::Column::UserId)
        .filter(session::COLUMN.failed_proofs.lt(max))
        .filter(session::COLUMN.expires_at.gt(now))
        .into_tuple()
        .one(db)
        .await
}

/// Has no device of a user known any more, but for that of one session if it is named: as if each had failed as
/// often as one may.
pub(in crate::features::sessions) async fn forget_devices(
    txn: &impl ConnectionTrait,
    user: UserId,
    kept: Option<SessionId>,
    max: i32,
) -> Result<(), DbErr> {
    let mut update = session::Entity::update_many()
        .col_expr(session::Column::FailedProofs, Expr::value(max))
        .filter(session::COLUMN.user_id.eq(user))
        .filter(session::COLUMN.failed_proofs.lt(max));
    if let Some(kept) = kept {
        update = update.filter(session::COLUMN.id.ne(kept));
    }
    update.exec(txn).await?;
    Ok(())
}
