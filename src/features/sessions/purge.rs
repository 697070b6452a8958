//! What has served its purpose is removed.

mod store;

use sea_orm::DbErr;

use super::Sessions;
use crate::infra::db::in_batches;

impl Sessions {
    /// Deletes sessions past their absolute end. Returns how many there were.
    pub(crate) async fn purge(&self) -> Result<u64, DbErr> {
        let now = self.clock.now();
        in_batches(|batch| store::delete_expired(&self.db, now, batch)).await
    }
}
