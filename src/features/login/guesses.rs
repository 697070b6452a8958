//! Who guesses, and how that is slowed down.
//!
//! Strangers by their address and by whom they mean ([`BY_IP`], [`BY_NAME`]), and together by the account ([`OF_ACCOUNT`]);
//! whoever has a session or a device token of the account by their own failures alone (BF-11).

use sea_orm::DbErr;
use uuid::Uuid;

use super::{Attempt, Login, LoginError, store};
use crate::features::accounts::identity::Identifier;
use crate::features::audit::kind;
use crate::features::change::{Fault, Tx};
use crate::features::sessions::FAILURES_OF_SESSION_MAX;
use crate::infra::causes::causes;
use crate::infra::limits::{self, Admission, Distinct, Ip, Limit, Limited};
use crate::infra::mail::{Letter, MailKind};
use crate::kernel::access::{Origin, User, Viewer};
use crate::kernel::acting::Acting;
use crate::kernel::id::{SessionId, UserId};
use crate::kernel::secret::sha256;

/// Failures in a row after which no password opens an account (NIST SP 800-63B-4, section 3.2.2).
pub(super) const FAILURES_MAX: i32 = 100;

/// What slows down guessing at codes that were mailed, however often somebody signs in anew.
pub(crate) static MAILED_CODES: Limit<limits::User> =
    Limit::failures("mailedCode.user", 5, 15 * 60);

/// What slows strangers down who guess (BF-01 to BF-03).
pub(crate) static BY_IP: Limit<Ip> = Limit::stream("login.ip", 20, 60, 10);
/// The same for whom they mean.
pub(crate) static BY_NAME: Limit<limits::Identifier> = in_a_row();
/// The same for one password tried on many accounts.
pub(crate) static OF_NAMES: Limit<Distinct<Ip, limits::Identifier>> =
    Limit::distinct("login.identifiers", 20, 60 * 60);

/// What slows down guesses at one account, whether they name it by its username or by its address. Of this
/// limit nobody is told: a refusal after guesses at the username would say whose the address is (EN-05).
pub(super) static OF_ACCOUNT: Limit<limits::User> = in_a_row();

/// How many wrong passwords in a row are let pass, by whatever an account is meant.
const fn in_a_row<K: limits::CountedBy>() -> Limit<K> {
    Limit::failures_in_a_row("login.identifier", 5, 15 * 60)
}

/// What bounds the hashes, and the sessions, that one user is given who is known already. By the user, since
/// each sign-in makes another session and another device. Twice what one session may fail, so that somebody who
/// has stolen one does not hold the owner up.
pub(crate) static OF_USER: Limit<limits::User> =
    Limit::stream("password.user", 40, 60, 2 * FAILURES_OF_SESSION_MAX.unsigned_abs());

/// What slows down guessing on a device that somebody has signed in from before.
pub(crate) static ON_DEVICE: Limit<limits::Device> =
    Limit::failures("password.device", FAILURES_OF_SESSION_MAX.unsigned_abs(), 60 * 60);

/// What slows down guessing with somebody's session.
pub(crate) static IN_SESSION: Limit<limits::Session> =
    Limit::failures("password.session", FAILURES_OF_SESSION_MAX.unsigned_abs(), 60 * 60);

/// What `login` counts under: [`BY_IP`], [`BY_NAME`], [`OF_NAMES`], [`OF_USER`] and [`ON_DEVICE`].
pub(crate) type LoginLimits<'a> = (
    &'a Limit<Ip>,
    &'a Limit<limits::Identifier>,
    &'a Limit<Distinct<Ip, limits::Identifier>>,
    &'a Limit<limits::User>,
    &'a Limit<limits::Device>,
);

/// What a session holder's password counts under: [`OF_USER`] and [`IN_SESSION`].
pub(crate) type HolderLimits<'a> = (&'a Limit<limits::User>, &'a Limit<limits::Session>);

/// Who gives a password, by which its failure is counted.
#[derive(Clone, Copy)]
pub(super) enum Guesser<'a> {
    /// Anybody.
    Stranger,
    /// Whoever has the device token that was issued with this session of the account.
    Device(SessionId),
    /// Whoever holds this session, with the cookie that is it, if that is how.
    Session(&'a Viewer, Option<&'a str>),
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
        origin: &Origin,
        identifier: &Identifier,
        device: Option<&str>,
        (by_ip, by_name, of_names, of_user, on_device): LoginLimits<'_>,
    ) -> Result<(Guesser<'static>, Admission), LoginError> {
        if let Some((session, user)) = self.known_device(identifier, device).await? {
            let holder = [of_user.of(user), on_device.of(session)];
            if let Ok(admission) = self.limits.attempt(holder).await {
                return Ok((Guesser::Device(session), admission));
            }
        }
        let (ip, name) = (origin.ip, identifier.key());
        let stranger = [by_ip.of(ip), by_name.of(name), of_names.of((ip, name))];
        Ok((Guesser::Stranger, self.limits.attempt(stranger).await?))
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
        identifier: &Identifier,
        found: Option<&store::Found>,
    ) -> Result<Admission, Limited> {
        let account = found.map_or_else(|| digest_id(identifier.key()), |found| found.user.id);
        self.limits.attempt([OF_ACCOUNT.of(account)]).await
    }

    /// Counts a wrong password: for a session holder before they are answered, so that with their last one
    /// the session is over; for others beside the answer, which must not take longer because there is an
    /// account to count against (EN-02).
    pub(super) async fn count_failure(
        &self,
        attempt: &Attempt<'_>,
        user: User,
    ) -> Result<(), Fault> {
        let (login, origin) = (self.clone(), attempt.origin.clone());
        let session = match attempt.guesser {
            Guesser::Session(viewer, _) => {
                let session = viewer.session_id;
                return Ok(self.sessions.count_failed_proof(&origin, session, user.id).await?);
            }
            Guesser::Device(session) => Some(session),
            Guesser::Stranger => None,
        };
        tokio::spawn(async move {
            let outcome = match session {
                Some(session) => {
                    let counted = login.sessions.count_failed_proof(&origin, session, user.id);
                    counted.await.map_err(Fault::from)
                }
                None => login.count_one_failure(&origin, &user).await,
            };
            if let Err(error) = outcome {
                tracing::error!(error = %causes(&error), user.id = %user.id, "cannot count a failed sign-in");
            }
        });
        Ok(())
    }

    async fn count_one_failure(&self, origin: &Origin, user: &User) -> Result<(), Fault> {
        let count = async |tx: Tx<'_>| {
            if store::count_failure(&tx, user.id, FAILURES_MAX).await? {
                tx.record(kind::ACCOUNT_LOCKED, user.id);
                tx.write(Letter::to(user, MailKind::AccountLocked, origin)).await?;
                tracing::warn!(user.id = %user.id, "too many failed sign-ins from unknown devices: the account is \
                                                    locked for them");
            }
            Ok(tx.commit(()).await?)
        };
        self.changes.run("count a wrong password", Acting::unknown(origin), count).await
    }
}

/// What stands for an account where there is none.
fn digest_id(text: &str) -> UserId {
    let mut id = [0; 16];
    id.copy_from_slice(&sha256(text.as_bytes())[..16]);
    UserId(Uuid::from_bytes(id))
}
