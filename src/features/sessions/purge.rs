//! What has served its purpose is removed.

mod store;

use sea_orm::DbErr;

use super::{Sessions, sign_in};
use crate::infra::db::in_batches;

impl Sessions {
    /// Deletes sessions past their absolute end, and sign-ins that were not completed in time. Returns how many sessions
    /// there were.
    pub(crate) async fn purge(&self) -> Result<u64, DbErr> {
        let now = self.clock.now();
        in_batches(|batch| sign_in::store::delete_expired(&self.db, now, batch)).await?;
        in_batches(|batch| store::delete_expired(&self.db, now, batch)).await
    }
}
