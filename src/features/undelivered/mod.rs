//! Mail that could not be sent: what the operator does about it, with its audit event.

use sea_orm::DbErr;

use crate::features::audit::{self, Actor, Detail, Event, Kind};
use crate::infra::db::Db;
use crate::infra::mail::Outbox;
use crate::kernel::access::Client;
use crate::kernel::clock::Clock;
use crate::kernel::id::MailId;

/// Has a mail sent again of which an attempt has failed, or all of them; says how many.
pub(crate) async fn retry(
    db: &Db,
    clock: &Clock,
    outbox: &Outbox,
    id: Option<MailId>,
) -> Result<u64, DbErr> {
    db.retry(async || {
        let txn = db.begin().await?;
        let now = clock.now();
        let count = outbox.retry(&txn, now, id).await?;
        if count > 0 {
            let (kind, target) = (Kind::MailRetried, id.map(|id| id.0));
            let detail =
                if id.is_none() { Detail::of(&count.to_string()) } else { Detail::default() };
            let event =
                Event { kind, actor: Actor::Cli, target, session: None, client: &Client::CLI };
            audit::record_in_detail(&txn, now, event, detail).await?;
        }
        txn.commit().await?;
        Ok(count)
    })
    .await
}
