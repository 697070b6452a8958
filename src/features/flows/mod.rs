//! What is sealed and given away, and comes back to be finished: sign-ins with providers, ceremonies with passkeys. Nothing is kept
//! of one that is under way. That one is finished is kept for an hour after it has expired, so that none is finished twice.

mod store;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr};

use crate::infra::db::{Db, in_batches};
use crate::kernel::id::FlowId;

/// How long what is finished is remembered after it has expired.
const KEPT: TimeDelta = TimeDelta::hours(1);

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
    // What one clock takes for living must not be forgotten by another one, or by the same before it was set back.
    let until = now - KEPT;
    in_batches(|batch| store::delete_expired(db, until, batch)).await
}
