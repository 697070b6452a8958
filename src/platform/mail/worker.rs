//! Mails are sent: each by one instance, again when that fails, and given up after a day.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use sea_orm::DbErr;
use tokio::task::JoinSet;

use super::template::Text;
use super::transport::Undelivered;
use super::{Details, Kind, Outbox, Pending, Post, context, store};
use crate::platform::metrics;
use crate::platform::secret::from_base64url;

/// For this long nobody else sends a mail that somebody has begun to send.
const LEASE: TimeDelta = TimeDelta::minutes(2);
/// How long a mail server has for one mail; shorter than the lease.
pub(super) const SEND_MAX: Duration = Duration::from_secs(30);
/// After the first failure; each further one doubles it.
const AGAIN_AFTER: TimeDelta = TimeDelta::seconds(30);
const AGAIN_AFTER_MAX: TimeDelta = TimeDelta::hours(1);
/// A mail that nobody has taken for this long is given up.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(1);
/// Mails that one instance sends at once.
const AT_ONCE: u64 = 8;

impl Outbox {
    /// Sends what is due, until nothing is. Instances may do it at the same time.
    pub(crate) async fn deliver(&self) -> Result<(), DbErr> {
        let Some(post) = &self.post else { return Ok(()) };
        loop {
            let due = store::list_due(&self.db, self.clock.now(), AT_ONCE).await?;
            if due.is_empty() {
                return Ok(());
            }
            let mut sending = JoinSet::new();
            for mail in due {
                let (outbox, post) = (self.clone(), Arc::clone(post));
                sending.spawn(async move { outbox.deliver_one(&post, mail).await });
            }
            // All of them end before an error is told: what was sent must not be sent again. Who
            // panicked has said so, and that mail is tried again.
            let mut outcome = Ok(());
            while let Some(ended) = sending.join_next().await {
                if let Ok(Err(error)) = ended {
                    outcome = Err(error);
                }
            }
            outcome?;
        }
    }

    async fn deliver_one(&self, post: &Post, mail: Pending) -> Result<(), DbErr> {
        let now = self.clock.now();
        if !store::claim(&self.db, &mail, now + LEASE).await? {
            return Ok(());
        }
        // Whoever runs this reads the addresses in the database, not in the log.
        let (id, kind) = (mail.id, mail.kind.as_str());
        if now - mail.created_at >= GIVE_UP_AFTER {
            tracing::error!(mail.id = %id, mail.kind = kind, "a mail is given up");
            metrics::mail(metrics::MailOutcome::GivenUp);
            return store::delete(self.db.writer(), id).await;
        }
        let sent = match self.text(post, &mail) {
            Ok(text) => post.transport.send(&mail, text).await,
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) => {
                tracing::info!(mail.id = %id, mail.kind = kind, "a mail was sent");
                metrics::mail(metrics::MailOutcome::Sent);
                store::delete(self.db.writer(), id).await
            }
            Err(Undelivered::Never(error)) => {
                tracing::error!(error, mail.id = %id, mail.kind = kind, "a mail is given up");
                metrics::mail(metrics::MailOutcome::GivenUp);
                store::delete(self.db.writer(), id).await
            }
            Err(Undelivered::Yet(error)) => {
                tracing::warn!(error, mail.id = %id, mail.kind = kind, "a mail cannot be sent yet");
                metrics::mail(metrics::MailOutcome::Postponed);
                store::postpone(&self.db, id, self.clock.now() + wait(mail.attempts)).await
            }
        }
    }

    fn text(&self, post: &Post, mail: &Pending) -> Result<Text, Undelivered> {
        let never = |reason: &str| Undelivered::Never(reason.to_owned());
        let details: Details = serde_json::from_str(&mail.details)
            .map_err(|_| never("another version of this program has written it"))?;
        let kind = Kind::ALL.iter().find(|kind| kind.as_str() == mail.kind);
        let link = match (kind.and_then(|kind| kind.page()), &details.sealed_token) {
            (Some(page), Some(sealed)) => {
                let token = from_base64url(sealed)
                    .and_then(|sealed| self.master.open(&context(mail.id), &sealed))
                    .ok_or_else(|| never("its link was sealed under another secret"))?;
                Some(post.pages.url(page, &String::from_utf8_lossy(&token)))
            }
            _ => None,
        };
        let text = post.templates.render(mail, &details, link.as_deref());
        text.map_err(|error| Undelivered::Never(error.to_string()))
    }
}

/// How long to wait after so many earlier attempts.
fn wait(attempts: i32) -> TimeDelta {
    let doublings = u32::try_from(attempts).unwrap_or_default().min(10);
    (AGAIN_AFTER * 2_i32.pow(doublings)).min(AGAIN_AFTER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_doubles_the_wait_up_to_an_hour() {
        let waits = [0, 1, 2, 6, 7, i32::MAX].map(|attempts| wait(attempts).num_seconds());
        assert_eq!(waits, [30, 60, 120, 1920, 3600, 3600]);
    }
}
