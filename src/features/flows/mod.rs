//! What is sealed and given away, and comes back to be finished: sign-ins with providers, ceremonies with passkeys. Nothing is kept
//! of one that is under way. That one is finished is kept until it would have expired, so that none is finished twice.

mod store;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr};

use crate::infra::db::{Db, in_batches};
use crate::kernel::id::FlowId;

/// Notes that a flow is finished; says whether this was the first time. Of many at once the primary key settles which was.
pub(crate) async fn finish(
    db: &impl ConnectionTrait,
    id: FlowId,
    expires_at: DateTime<Utc>,
) -> Result<bool, DbErr> {
    store::finish(db, id, expires_at).await
}

/// Forgets flows that have expired.
pub(crate) async fn purge(db: &Db, now: DateTime<Utc>) -> Result<u64, DbErr> {
    // Clocks of instances differ: what one of them takes for living must not be forgotten by another.
    let until = now - TimeDelta::minutes(1);
    in_batches(|batch| store::delete_expired(db, until, batch)).await
}
