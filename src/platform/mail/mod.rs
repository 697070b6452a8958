//! Mail: written into the outbox with the change it tells of, and sent by whichever instance is first.
//!
//! A row of `outbox` belongs to the transaction of its change, so neither is there without the other,
//! and nobody waits for a mail server. What cannot be sent is tried again, ever less often, for a day.
//! A row is deleted once its mail is sent: a server that dies in between sends it again, with the same
//! `Message-ID`.

mod store;
mod template;
mod transport;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

pub(crate) use self::template::TemplateError;
use self::template::Templates;
use self::transport::{Transport, Undelivered};
use crate::platform::access::{Client, User};
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::id::MailId;
use crate::platform::metrics;

/// For this long nobody else sends a mail that somebody has begun to send.
const LEASE: TimeDelta = TimeDelta::minutes(2);
/// How long a mail server has for one mail; shorter than the lease.
const SEND_MAX: Duration = Duration::from_secs(30);
/// After the first failure; each further one doubles it.
const AGAIN_AFTER: TimeDelta = TimeDelta::seconds(30);
const AGAIN_AFTER_MAX: TimeDelta = TimeDelta::hours(1);
/// A mail that nobody has taken for this long is given up.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(1);
/// Mails that one instance sends at once.
const AT_ONCE: u64 = 8;

/// What a mail tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Too many attempts in a row have failed: the password no longer opens the account.
    AccountLocked,
    /// The password was changed, and all sessions ended.
    PasswordChanged,
    /// A consumed refresh token was presented again, and its session ended.
    RefreshTokenReused,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] =
        [Self::AccountLocked, Self::PasswordChanged, Self::RefreshTokenReused];

    /// The name of its templates.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::AccountLocked => "account-locked",
            Self::PasswordChanged => "password-changed",
            Self::RefreshTokenReused => "refresh-token-reused",
        }
    }
}

/// A mail to be written.
#[derive(Clone, Copy)]
pub(crate) struct Letter<'a> {
    pub(crate) kind: Kind,
    pub(crate) to: &'a User,
    /// Whose request it tells of, and in which language.
    pub(crate) client: &'a Client,
}

/// What the text of one mail says beside what all of its kind say.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
struct Details {
    username: String,
    ip: Option<String>,
    device: Option<String>,
}

/// A mail that is still to be sent.
#[derive(Clone, Debug)]
struct Pending {
    id: MailId,
    kind: String,
    recipient: String,
    language: String,
    details: String,
    created_at: DateTime<Utc>,
    due_at: DateTime<Utc>,
    attempts: i32,
}

/// Where mail goes.
#[derive(Clone, Debug)]
pub(crate) enum Delivery {
    /// To the mail server that the URL names.
    Smtp(SecretString),
    /// Into a folder, as `.eml` files.
    Folder(PathBuf),
}

/// How mail is made and sent.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) delivery: Delivery,
    /// `From`, as in `Example <no-reply@example.com>`.
    pub(crate) from: String,
    /// Templates that replace the built-in ones.
    pub(crate) templates: Option<PathBuf>,
    /// What recipients know this server as: its host name.
    pub(crate) site: String,
}

/// The settings say nothing that mail can be sent with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("MAIL_FROM is not an address, as in Example <no-reply@example.com>")]
    From,
    #[error("SMTP_URL is not a mail server's, as in smtps://user:password@mail.example.com")]
    Url,
    #[error(transparent)]
    Template(#[from] TemplateError),
}

/// The mail that is to be sent. Clones share everything.
#[derive(Clone)]
pub(crate) struct Outbox {
    db: Db,
    clock: Clock,
    /// `None`: this instance, and whoever shares its settings, sends no mail.
    post: Option<Arc<Post>>,
}

struct Post {
    templates: Templates,
    transport: Transport,
}

impl Settings {
    /// Whether mail can be made and sent by them; reaches for no mail server.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        Transport::check(&self.delivery, &self.from)?;
        Templates::load(self.templates.as_deref(), &self.site)?;
        Ok(())
    }
}

impl Outbox {
    pub(crate) fn new(
        db: Db,
        clock: Clock,
        settings: Option<&Settings>,
    ) -> Result<Self, SettingsError> {
        let post = settings.map(|settings| {
            let templates = Templates::load(settings.templates.as_deref(), &settings.site)?;
            let transport = Transport::new(&settings.delivery, &settings.from)?;
            Ok::<_, SettingsError>(Arc::new(Post { templates, transport }))
        });
        Ok(Self { db, clock, post: post.transpose()? })
    }

    /// Writes a mail into the transaction of what it tells. It takes the place of one of its kind
    /// to the same address that nobody has begun to send, so that an outage or an attack piles up
    /// no mail (RE-07).
    pub(crate) async fn write(
        &self,
        txn: &impl ConnectionTrait,
        now: DateTime<Utc>,
        letter: Letter<'_>,
    ) -> Result<(), DbErr> {
        if self.post.is_none() {
            return Ok(());
        }
        store::delete_unsent_like(txn, letter.kind, &letter.to.email).await?;
        store::insert(txn, now, letter).await
    }

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
            return store::delete(&self.db, id).await;
        }
        let sent = match post.templates.render(&mail) {
            Ok(text) => post.transport.send(&mail, text).await,
            Err(error) => Err(Undelivered::Never(error.to_string())),
        };
        match sent {
            Ok(()) => {
                tracing::info!(mail.id = %id, mail.kind = kind, "a mail was sent");
                metrics::mail(metrics::MailOutcome::Sent);
                store::delete(&self.db, id).await
            }
            Err(Undelivered::Never(error)) => {
                tracing::error!(error, mail.id = %id, mail.kind = kind, "a mail is given up");
                metrics::mail(metrics::MailOutcome::GivenUp);
                store::delete(&self.db, id).await
            }
            Err(Undelivered::Yet(error)) => {
                tracing::warn!(error, mail.id = %id, mail.kind = kind, "a mail cannot be sent yet");
                metrics::mail(metrics::MailOutcome::Postponed);
                store::postpone(&self.db, id, self.clock.now() + wait(mail.attempts)).await
            }
        }
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
