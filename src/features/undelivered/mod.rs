//! Undelivered mail: what the operator does about it, with its audit event.

use sea_orm::DbErr;

use crate::features::audit::{Detail, kind};
use crate::features::change::{Changes, Record, Tx};
use crate::infra::mail::Outbox;
use crate::kernel::acting::Acting;
use crate::kernel::id::MailId;

/// Schedules one undelivered mail, or all of them, to be sent again; returns how many.
pub(crate) async fn retry(
    changes: &Changes,
    outbox: &Outbox,
    id: Option<MailId>,
) -> Result<u64, DbErr> {
    let retry = async |tx: Tx<'_>| {
        let count = outbox.retry(&tx, tx.now(), id).await?;
        if count > 0 {
            let retried = Record::of(kind::MAIL_RETRIED);
            tx.note(match id {
                Some(id) => retried.about(id),
                None => retried.in_detail(Detail::of(&count.to_string())),
            });
        }
        tx.commit(count).await
    };
    changes.run("send mail again", Acting::operator(), retry).await
}
