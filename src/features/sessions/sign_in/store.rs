//! The table `sign_in_challenges`.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::super::store::amr_of;
use super::Unfinished;
use crate::features::audit::Kind;
use crate::infra::db::Db;
use crate::kernel::access::{Proofs, Proven};
use crate::kernel::id::{ChallengeId, UserId};
use crate::tables::sign_in_challenge as challenge;

/// A challenge to be inserted.
pub(super) struct New {
    pub(super) id: ChallengeId,
    pub(super) user: UserId,
    /// Of the token that its holder has.
    pub(super) digest: [u8; 32],
    pub(super) proven: Proven,
    pub(super) event: Kind,
    pub(super) detail: Option<String>,
    pub(super) mailed_digest: Option<[u8; 32]>,
    pub(super) expires_at: DateTime<Utc>,
}

pub(super) async fn insert(txn: &impl ConnectionTrait, new: New) -> Result<(), DbErr> {
    let row = challenge::ActiveModel {
        id: Set(new.id),
        user_id: Set(new.user),
        digest: Set(new.digest.to_vec()),
        amr: Set(amr_of(new.proven.by)),
        proven_at: Set(new.proven.at),
        event: Set(new.event.into_str().to_owned()),
        detail: Set(new.detail),
        mailed_digest: Set(new.mailed_digest.map(|digest| digest.to_vec())),
        failures: Set(0),
        expires_at: Set(new.expires_at),
    };
    challenge::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// One that has not expired, and had fewer wrong answers than that.
pub(super) async fn find(
    db: &impl ConnectionTrait,
    digest: [u8; 32],
    failures_max: i32,
    now: DateTime<Utc>,
) -> Result<Option<Unfinished>, DbErr> {
    let row = challenge::Entity::find()
        .filter(challenge::COLUMN.digest.eq(digest.to_vec()))
        .filter(challenge::COLUMN.failures.lt(failures_max))
        .filter(challenge::COLUMN.expires_at.gt(now))
        .one(db)
        .await?;
    Ok(row.and_then(|row| {
        Some(Unfinished {
            id: row.id,
            user: row.user_id,
            proven: Proven { at: row.proven_at, by: Proofs::of_amr(row.amr.split(' ')) },
            // Only another version of this program knows others.
            event: Kind::parse(&row.event)?,
            detail: row.detail,
            mailed_digest: row.mailed_digest,
        })
    }))
}

pub(super) async fn count_failure(
    txn: &impl ConnectionTrait,
    id: ChallengeId,
) -> Result<(), DbErr> {
    let failures = Expr::col(challenge::Column::Failures).add(1);
    challenge::Entity::update_many()
        .col_expr(challenge::Column::Failures, failures)
        .filter(challenge::COLUMN.id.eq(id))
        .exec(txn)
        .await?;
    Ok(())
}

/// Until when the mailed codes of a user are valid.
pub(super) async fn mailed(
    txn: &impl ConnectionTrait,
    user: UserId,
    now: DateTime<Utc>,
) -> Result<Vec<DateTime<Utc>>, DbErr> {
    challenge::Entity::find()
        .select_only()
        .column(challenge::Column::ExpiresAt)
        .filter(challenge::COLUMN.user_id.eq(user))
        .filter(challenge::COLUMN.mailed_digest.is_not_null())
        .filter(challenge::COLUMN.expires_at.gt(now))
        .into_tuple()
        .all(txn)
        .await
}

/// Deletes one; says whether it was there.
pub(super) async fn take(txn: &impl ConnectionTrait, id: ChallengeId) -> Result<bool, DbErr> {
    let deleted = challenge::Entity::delete_by_id(id).exec(txn).await?;
    Ok(deleted.rows_affected == 1)
}

/// Deletes all of a user but the newest.
pub(super) async fn evict(
    txn: &impl ConnectionTrait,
    user: UserId,
    kept: u64,
) -> Result<(), DbErr> {
    let of_user: Vec<ChallengeId> = challenge::Entity::find()
        .select_only()
        .column(challenge::Column::Id)
        .filter(challenge::COLUMN.user_id.eq(user))
        .order_by_desc(challenge::Column::Id)
        .into_tuple()
        .all(txn)
        .await?;
    let oldest: Vec<_> =
        of_user.into_iter().skip(usize::try_from(kept).unwrap_or(usize::MAX)).collect();
    if !oldest.is_empty() {
        let oldest = challenge::COLUMN.id.is_in(oldest);
        challenge::Entity::delete_many().filter(oldest).exec(txn).await?;
    }
    Ok(())
}

pub(super) async fn delete_all(txn: &impl ConnectionTrait, user: UserId) -> Result<(), DbErr> {
    let of_user = challenge::COLUMN.user_id.eq(user);
    challenge::Entity::delete_many().filter(of_user).exec(txn).await?;
    Ok(())
}

/// Deletes at most `batch` that have expired; says how many.
pub(in crate::features::sessions) async fn delete_expired(
    db: &Db,
    now: DateTime<Utc>,
    batch: u64,
) -> Result<u64, DbErr> {
    let ids: Vec<ChallengeId> = challenge::Entity::find()
        .select_only()
        .column(challenge::Column::Id)
        .filter(challenge::COLUMN.expires_at.lte(now))
        .limit(batch)
        .into_tuple()
        .all(db.reader())
        .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let expired = challenge::COLUMN.id.is_in(ids);
    let deleted = challenge::Entity::delete_many().filter(expired).exec(db.writer()).await?;
    Ok(deleted.rows_affected)
}
