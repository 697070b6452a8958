//! What has served its purpose is removed.

mod store;

use sea_orm::DbErr;

use super::Sessions;

/// Rows deleted by one statement of the housekeeping, which so never holds the writer for long.
const PURGE_BATCH: u64 = 200;

impl Sessions {
    /// Deletes sessions past their absolute end. Returns how many there were.
    pub(crate) async fn purge(&self) -> Result<usize, DbErr> {
        let (now, mut purged) = (self.clock.now(), 0);
        loop {
            let expired = store::list_expired(&self.db, now, PURGE_BATCH).await?;
            if expired.is_empty() {
                return Ok(purged);
            }
            purged += expired.len();
            store::delete(&self.db, expired).await?;
        }
    }
}
