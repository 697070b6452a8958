//! What has served its purpose is removed.

mod store;

use sea_orm::DbErr;

use super::Sessions;

/// Rows changed by one statement of the housekeeping, which so never holds the writer for long: the
/// tokens of one session alone may be thousands.
const PURGE_BATCH: u64 = 200;

impl Sessions {
    /// Deletes what has served its purpose: sessions past their absolute end with their tokens,
    /// and the salts of rotations whose grace is over. Returns how many sessions there were.
    pub(crate) async fn purge(&self) -> Result<usize, DbErr> {
        let (now, mut purged) = (self.clock.now(), 0);
        while store::erase_salts(&self.db, now - self.lifetimes.grace, PURGE_BATCH).await? > 0 {}
        loop {
            let expired = store::list_expired(&self.db, now, PURGE_BATCH).await?;
            if expired.is_empty() {
                return Ok(purged);
            }
            while store::delete_tokens(&self.db, &expired, PURGE_BATCH).await? > 0 {}
            purged += expired.len();
            store::delete(&self.db, expired).await?;
        }
    }
}
