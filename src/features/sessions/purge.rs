//! What has served its purpose is removed.

mod store;

use chrono::TimeDelta;
use sea_orm::DbErr;

use super::{Sessions, sign_in};
use crate::infra::db::in_batches;

impl Sessions {
    /// Deletes sessions past their absolute end, those that ended longer ago than `kept`, and sign-ins that were not
    /// completed in time. Returns how many sessions there were.
    pub(crate) async fn purge(&self, kept: Option<TimeDelta>) -> Result<u64, DbErr> {
        let now = self.clock.now();
        in_batches(|batch| sign_in::store::delete_expired(&self.db, now, batch)).await?;
        let mut count =
            in_batches(|batch| store::delete(&self.db, store::expired(now), batch)).await?;
        if let Some(kept) = kept {
            let ended = || store::ended(now - kept);
            count += in_batches(|batch| store::delete(&self.db, ended(), batch)).await?;
        }
        Ok(count)
    }
}
