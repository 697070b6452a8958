//! Mails are sent: each by one instance, again when that fails, and given up after a day.
//!
//! What is given up is kept for [`KEPT`], so that the operator can read why and have it sent again.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr};
use tokio::task::JoinSet;

use super::template::{Enclosed, Text};
use super::transport::Failure;
use super::{
    Counts, Details, LinkPage, MailKind, Outbox, Pending, Post, Undelivered, context, store,
};
use crate::infra::db::{Db, in_batches};
use crate::infra::metrics;
use crate::kernel::id::MailId;
use crate::kernel::secret::from_base64url;

/// For this long nobody else sends a mail that somebody has begun to send.
const LEASE: TimeDelta = TimeDelta::minutes(2);
/// How long a mail server has for one mail; shorter than the lease.
pub(super) const SEND_MAX: Duration = Duration::from_secs(30);
/// After the first failure; each further one doubles it.
const AGAIN_AFTER: TimeDelta = TimeDelta::seconds(30);
const AGAIN_AFTER_MAX: TimeDelta = TimeDelta::hours(1);
/// Attempts before a mail is given up: with the waits between them, a day. Counted, so that a day in
/// which no instance ran loses no mail.
const ATTEMPTS_MAX: i32 = 30;
/// How long a mail is kept that was given up.
const KEPT: TimeDelta = TimeDelta::days(7);
/// Mails that the operator is shown at once.
const LISTED_MAX: u64 = 1000;
/// Why a mail is given up that says nothing but a link which opens nothing any more.
const DEAD_LINK: &str = "its link has expired or was replaced: the user must request a new one";
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
        let text = match self.text(post, &mail).await {
            Ok(Some(text)) => Ok(text),
            Ok(None) => {
                tracing::warn!(mail.id = %id, mail.kind = kind, "a mail is not sent: {DEAD_LINK}");
                metrics::mail(metrics::MailOutcome::Expired);
                // Kept, so that the operator learns who waits for a link in vain.
                return store::give_up(&self.db, id, now, now + KEPT, DEAD_LINK).await;
            }
            Err(Unwritten::Db(error)) => return Err(error),
            Err(Unwritten::Never(reason)) => Err(Failure::Never(reason)),
        };
        let sent = match text {
            Ok(text) => post.transport.send(&mail, text).await,
            Err(error) => Err(error),
        };
        let sent = match sent {
            Err(Failure::Yet(error)) if mail.attempts + 1 >= ATTEMPTS_MAX => {
                Err(Failure::Never(error))
            }
            sent => sent,
        };
        match sent {
            Ok(()) => {
                tracing::info!(mail.id = %id, mail.kind = kind, "sent a mail");
                metrics::mail(metrics::MailOutcome::Sent);
                store::delete(self.db.writer(), id).await
            }
            Err(Failure::Never(error)) => {
                tracing::error!(error, mail.id = %id, mail.kind = kind, "gave up a mail: see `portcullis mail list`");
                metrics::mail(metrics::MailOutcome::GivenUp);
                let now = self.clock.now();
                store::give_up(&self.db, id, now, now + KEPT, &error).await
            }
            Err(Failure::Yet(error)) => {
                tracing::warn!(error, mail.id = %id, mail.kind = kind, "cannot send a mail yet; the server tries again");
                metrics::mail(metrics::MailOutcome::Postponed);
                let until = self.clock.now() + wait(mail.attempts);
                store::postpone(&self.db, id, until, &error).await
            }
        }
    }

    /// The text of a mail; `None` if its link no longer works and it says nothing but that link.
    async fn text(&self, post: &Post, mail: &Pending) -> Result<Option<Text>, Unwritten> {
        let never = |reason: &str| Unwritten::Never(reason.to_owned());
        let details: Details = serde_json::from_str(&mail.details)
            .map_err(|_| never("another version of this program wrote it"))?;
        let enclosed = match (mail.kind.parse::<MailKind>(), &details.sealed_token) {
            (Ok(kind), Some(sealed)) => {
                let token = from_base64url(sealed)
                    .and_then(|sealed| self.master.open(&context(mail.id), &sealed))
                    .ok_or_else(|| never("its link or code is encrypted with another secret"))?;
                let token = String::from_utf8_lossy(&token);
                match kind.page() {
                    Some(page) => {
                        let works = (self.link_works)(&self.db, self.clock.now(), &token).await;
                        match works.map_err(Unwritten::Db)? {
                            true => Some(Enclosed::Link(post.pages.url(page, &token))),
                            // It also tells of something that has happened.
                            false if page == LinkPage::UndoEmailChange => None,
                            false => return Ok(None),
                        }
                    }
                    // Sent even if it has expired: the mail also warns that somebody may know the password.
                    None => Some(Enclosed::Code(token.into_owned())),
                }
            }
            _ => None,
        };
        let text = post.templates.render(mail, &details, enclosed.as_ref());
        text.map(Some).map_err(|error| Unwritten::Never(error.to_string()))
    }

    /// The mails of which an attempt has failed, the newest first; at most a thousand.
    pub(crate) async fn list_undelivered(&self) -> Result<Vec<Undelivered>, DbErr> {
        store::list_undelivered(&self.db, LISTED_MAX).await
    }

    /// Has a mail sent again of which an attempt has failed, or all of them, once the caller's transaction
    /// commits; says how many.
    pub(crate) async fn retry(
        &self,
        txn: &impl ConnectionTrait,
        now: DateTime<Utc>,
        id: Option<MailId>,
    ) -> Result<u64, DbErr> {
        store::make_due(txn, now, id).await
    }

    /// Deletes what was given up and has been kept for its time, and returns how much that was.
    pub(crate) async fn purge(&self) -> Result<u64, DbErr> {
        let now = self.clock.now();
        in_batches(|batch| store::delete_given_up(&self.db, now, batch)).await
    }

    /// Tells the metrics how much waits, and for how long.
    pub(crate) async fn measure(&self) -> Result<(), DbErr> {
        let Counts { new, postponed, given_up } = store::count(&self.db).await?;
        let oldest = store::oldest(&self.db).await?;
        let waited = oldest.and_then(|written| (self.clock.now() - written).to_std().ok());
        metrics::outbox(new, postponed, given_up, waited.unwrap_or_default());
        Ok(())
    }
}

/// How many mails there are that were not sent yet.
pub(crate) async fn count(db: &Db) -> Result<Counts, DbErr> {
    store::count(db).await
}

/// When the oldest mail was written that is neither sent nor given up.
pub(crate) async fn oldest(db: &Db) -> Result<Option<DateTime<Utc>>, DbErr> {
    store::oldest(db).await
}

/// Why a mail has no text.
enum Unwritten {
    /// It will have none, whoever tries.
    Never(String),
    Db(DbErr),
}

/// How long to wait after so many earlier attempts.
fn wait(attempts: i32) -> TimeDelta {
    let doublings = u32::try_from(attempts).unwrap_or_default().min(10);
    (AGAIN_AFTER * 2_i32.pow(doublings)).min(AGAIN_AFTER_MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::infra::keys::Master;
    use crate::infra::mail::{
        Answer, Delivery, Letter, LinkPages, PLACE, Recipient, Settings, Site,
    };
    use crate::kernel::access::{Language, Origin};
    use crate::kernel::clock::Clock;

    fn no_link_works<'a>(_: &'a Db, _: DateTime<Utc>, _: &'a str) -> Answer<'a> {
        Box::pin(async { Ok(false) })
    }

    fn settings(delivery: Delivery) -> Settings {
        let page = || format!("https://example.com/{PLACE}");
        Settings {
            delivery,
            helo: "example.com".to_owned(),
            from: "no-reply@example.com".to_owned(),
            from_name: None,
            templates: None,
            site: Site { name: "example.com".to_owned(), support: None },
            pages: LinkPages {
                verify_email: page(),
                reset_password: page(),
                undo_email_change: page(),
                accept_invitation: page(),
                accept_organization_invitation: page(),
                finish_registration: page(),
            },
        }
    }

    #[tokio::test]
    async fn a_mail_with_a_code_is_sent_where_one_with_a_dead_link_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/test.db", folder.path().display());
        let db = Db::connect(&url, 2).await.unwrap();
        db.migrate_up(migration::Migrations::default()).await.unwrap();
        let (clock, master) = (Clock::system(), Arc::new(Master::new(&[1; 32], None).unwrap()));
        let mails = folder.path().join("mail");
        let settings = settings(Delivery::Folder(mails.clone()));
        let outbox =
            Outbox::new(db.clone(), clock.clone(), master, Some(&settings), no_link_works).unwrap();
        let origin = Origin::CLI;
        for kind in [MailKind::EnrollmentCode, MailKind::VerifyEmail] {
            let to = Recipient::address("alice@example.com", Language::English);
            let letter = Letter { to, ..Letter::to_nobody(kind, &origin, "01234567") };
            outbox.write(db.writer(), clock.now(), letter).await.unwrap();
        }
        outbox.deliver().await.unwrap();

        let sent: Vec<String> = fs::read_dir(&mails)
            .unwrap()
            .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
            .collect();
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert!(sent[0].contains("\r\n0123 4567\r\n"), "{}", sent[0]);
        let Counts { new, postponed, given_up } = count(&db).await.unwrap();
        assert_eq!((new, postponed, given_up), (0, 0, 1));
        let undelivered = outbox.list_undelivered().await.unwrap();
        assert_eq!(undelivered[0].failure, DEAD_LINK);
    }

    #[test]
    fn a_mail_is_given_up_after_a_day() {
        let waits = (0..ATTEMPTS_MAX - 1).map(|attempts| wait(attempts).num_seconds());
        let hours = waits.sum::<i64>() / 3600;
        assert!((22..=25).contains(&hours), "{hours}");
    }

    #[test]
    fn each_failure_doubles_the_wait_up_to_an_hour() {
        let waits = [0, 1, 2, 6, 7, i32::MAX].map(|attempts| wait(attempts).num_seconds());
        assert_eq!(waits, [30, 60, 120, 1920, 3600, 3600]);
    }
}
