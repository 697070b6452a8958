//! Which instances share the database. Each says every minute that it is there.

mod store;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use crate::infra::db::Db;
use crate::kernel::clock::Clock;
use crate::kernel::id::uuid_v7;

/// Whoever has not been seen for this long is gone: two signs of life were missed.
const GONE_AFTER: TimeDelta = TimeDelta::seconds(150);

/// This instance, among those that use the same database.
#[derive(Clone)]
pub(crate) struct Instance {
    db: Db,
    clock: Clock,
    id: Uuid,
}

impl Instance {
    pub(crate) fn new(db: Db, clock: Clock) -> Self {
        let id = uuid_v7(clock.now());
        Self { db, clock, id }
    }

    /// Says that this instance is there, and returns how many others are.
    pub(crate) async fn show(&self) -> Result<u64, DbErr> {
        let now = self.clock.now();
        store::show(self.db.writer(), self.id, now).await?;
        store::delete_before(self.db.writer(), now - GONE_AFTER).await?;
        Ok(count(self.db.reader(), now).await?.saturating_sub(1))
    }

    /// Says that this instance is about to end.
    pub(crate) async fn leave(&self) -> Result<(), DbErr> {
        store::delete(self.db.writer(), self.id).await
    }
}

/// Writes what an instance would that shows itself, and takes it back.
pub(crate) async fn try_write(db: &Db, now: DateTime<Utc>) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    store::show(&txn, uuid_v7(now), now).await?;
    txn.rollback().await
}

/// How many instances have shown themselves lately.
pub(crate) async fn count(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<u64, DbErr> {
    store::count_since(db, now - GONE_AFTER).await
}
