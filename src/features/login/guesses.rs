//! Who guesses, and how that is slowed down.
//!
//! Strangers by their address and by whom they mean ([`LIMITS`]), and together by the account ([`ACCOUNT_LIMITS`]);
//! whoever has a session or a device token of the account by their own failures alone (BF-11).

use sea_orm::DbErr;
use uuid::Uuid;

use super::{Attempt, Login, LoginError, store};
use crate::features::accounts::identity::Identifier;
use crate::features::audit::Kind;
use crate::features::change::Tx;
use crate::features::sessions::FAILURES_OF_SESSION_MAX;
use crate::infra::causes::causes;
use crate::infra::limits::{Admission, By, Counts, Limit, Limited, Subject};
use crate::infra::mail::{self, Letter};
use crate::kernel::access::{Client, User, Viewer};
use crate::kernel::acting::Acting;
use crate::kernel::id::{SessionId, UserId};
use crate::kernel::secret::sha256;

/// Failures in a row after which no password opens an account (NIST SP 800-63B-4, section 3.2.2).
pub(super) const FAILURES_MAX: i32 = 100;

/// What slows guessing down (BF-01 to BF-03).
pub(crate) static LIMITS: [Limit; 3] = [
    Limit {
        name: "login.ip",
        by: &[By::Ip],
        max: 20,
        window_seconds: 60,
        counts: Counts::Attempts { at_once: 10 },
    },
    Limit {
        name: "login.identifier",
        by: &[By::Identifier],
        max: 5,
        window_seconds: 15 * 60,
        counts: Counts::FailuresInARow,
    },
    // One password tried on many accounts.
    Limit {
        name: "login.identifiers",
        by: &[By::Ip],
        max: 20,
        window_seconds: 60 * 60,
        counts: Counts::Identifiers,
    },
];

/// What slows down guesses at one account, whether they name it by its username or by its address. Of this
/// limit nobody is told: a refusal after guesses at the username would say whose the address is (EN-05).
pub(super) static ACCOUNT_LIMITS: [Limit; 1] = [Limit {
    name: "login.identifier",
    by: &[By::User],
    max: 5,
    window_seconds: 15 * 60,
    counts: Counts::FailuresInARow,
}];

/// What bounds the hashes, and the sessions, that one user is given who is known already. By the user, since
/// each sign-in makes another session and another device. Twice what one session may fail, so that somebody who
/// has stolen one does not hold the owner up.
const ATTEMPTS_OF_USER: Limit = Limit {
    name: "password.user",
    by: &[By::User],
    max: 40,
    window_seconds: 60,
    counts: Counts::Attempts { at_once: 2 * FAILURES_OF_SESSION_MAX.unsigned_abs() },
};

const fn failures(name: &'static str, by: &'static [By]) -> Limit {
    Limit {
        name,
        by,
        max: FAILURES_OF_SESSION_MAX.unsigned_abs(),
        window_seconds: 60 * 60,
        counts: Counts::Failures,
    }
}

/// What slows down guessing on a device that somebody has signed in from before.
pub(crate) static DEVICE_LIMITS: [Limit; 2] =
    [ATTEMPTS_OF_USER, failures("password.device", &[By::Device])];

/// What slows down guessing with somebody's session.
pub(crate) static SESSION_LIMITS: [Limit; 2] =
    [ATTEMPTS_OF_USER, failures("password.session", &[By::Session])];

/// Who gives a password, by which its failure is counted.
#[derive(Clone, Copy)]
pub(super) enum Guesser<'a> {
    /// Anybody.
    Stranger,
    /// Whoever has the device token that was issued with this session of the account.
    Device(SessionId),
    /// Whoever holds this session.
    Session(&'a Viewer),
}

impl Guesser<'_> {
    pub(super) fn is_stranger(self) -> bool {
        matches!(self, Self::Stranger)
    }
}

impl Login {
    /// Has an attempt counted, or refused: on a known device under the limit of that, and else, as one that
    /// is used up is known no more, under those of strangers.
    pub(super) async fn admit(
        &self,
        client: &Client,
        identifier: &Identifier,
        device: Option<&str>,
    ) -> Result<(Guesser<'static>, Admission), LoginError> {
        let subject = Subject::of(client).about(identifier.key());
        if let Some((session, user)) = self.known_device(identifier, device).await? {
            let holder = subject.by(user.0).with(session.0);
            if let Ok(admission) = self.limits.admit(&DEVICE_LIMITS, holder).await {
                return Ok((Guesser::Device(session), admission));
            }
        }
        Ok((Guesser::Stranger, self.limits.admit(&LIMITS, subject).await?))
    }

    /// The session that a device token was issued with, and its user, if that is who is meant.
    async fn known_device(
        &self,
        identifier: &Identifier,
        device: Option<&str>,
    ) -> Result<Option<(SessionId, UserId)>, DbErr> {
        let Some(device) = device else { return Ok(None) };
        let Some((session, user)) = self.sessions.of_device(device).await? else {
            return Ok(None);
        };
        let found = store::find(&self.db, identifier).await?;
        Ok(found.filter(|found| found.user.id == user).map(|_| (session, user)))
    }

    /// Has a stranger's attempt at an account counted; where there is none, the same for what was submitted.
    pub(super) async fn admit_to_account(
        &self,
        client: &Client,
        identifier: &Identifier,
        found: Option<&store::Found>,
    ) -> Result<Admission, Limited> {
        let account = match found {
            Some(found) => found.user.id.0,
            None => digest_id(identifier.key()),
        };
        self.limits.admit(&ACCOUNT_LIMITS, Subject::of(client).by(account)).await
    }

    /// Counts a wrong password: for a session holder before they are answered, so that with their last one
    /// the session is over; for others beside the answer, which must not take longer because there is an
    /// account to count against (EN-02).
    pub(super) async fn count_failure(
        &self,
        attempt: &Attempt<'_>,
        user: User,
    ) -> Result<(), DbErr> {
        let (login, client) = (self.clone(), attempt.client.clone());
        let session = match attempt.guesser {
            Guesser::Session(viewer) => {
                let session = viewer.session_id;
                return self.sessions.count_failed_proof(&client, session, user.id).await;
            }
            Guesser::Device(session) => Some(session),
            Guesser::Stranger => None,
        };
        tokio::spawn(async move {
            let outcome = match session {
                Some(session) => login.sessions.count_failed_proof(&client, session, user.id).await,
                None => login.count_one_failure(&client, &user).await,
            };
            if let Err(error) = outcome {
                tracing::error!(error = %causes(&error), user.id = %user.id, "a failed sign-in was not counted");
            }
        });
        Ok(())
    }

    async fn count_one_failure(&self, client: &Client, user: &User) -> Result<(), DbErr> {
        let count = async |tx: Tx<'_>| {
            if store::count_failure(&tx, user.id, FAILURES_MAX).await? {
                tx.record(Kind::AccountLocked, user.id);
                tx.write(Letter::to(user, mail::Kind::AccountLocked, client)).await?;
                tracing::warn!(user.id = %user.id, "too many failed sign-ins by strangers: the account is shut to them");
            }
            tx.commit(()).await
        };
        self.changes.run("count a wrong password", Acting::unknown(client), count).await
    }
}

/// What stands for an account where there is none.
fn digest_id(text: &str) -> Uuid {
    let mut id = [0; 16];
    id.copy_from_slice(&sha256(text.as_bytes())[..16]);
    Uuid::from_bytes(id)
}
