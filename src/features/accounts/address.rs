//! An account's address: another one, confirmed by who reads its mail, and back (RS-07).

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};

use super::Accounts;
use super::identity::{Email, Identifier};
use super::store::{self, WriteError};
use crate::features::audit::kind;
use crate::features::change::{Fault, Tx, with_fault};
use crate::features::links::{self, Found, LinkError, LinkToken, Purpose};
use crate::features::sessions::EndReason;
use crate::features::{authenticators, identities};
use crate::infra::limits::{self, Judged, Limit, Limited};
use crate::infra::mail::{Letter, MailKind, Recipient};
use crate::infra::passwords::hash::{HashError, PasswordHash};
use crate::kernel::access::{Origin, User, Viewer};
use crate::kernel::acting::{Acting, Gone};
use crate::kernel::invalid::Problem;

/// What keeps an account from being used to write to strangers.
pub(crate) static ADDRESS_CHANGES: Limit<limits::User> =
    Limit::quota("changeEmail.user", 5, 60 * 60);

/// Why an account's address was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressError {
    #[error("the address is invalid")]
    Invalid(Problem),
    #[error("the address belongs to another account")]
    Taken,
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The link does nothing.
    #[error(transparent)]
    Link(LinkError),
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(AddressError);

impl From<WriteError> for AddressError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Username | WriteError::Email => Self::Taken,
            WriteError::Db(error) => error.into(),
        }
    }
}

impl From<LinkError> for AddressError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Fault(fault) => Self::Fault(fault),
            LinkError::Invalid | LinkError::Used => Self::Link(error),
        }
    }
}

impl Judged for AddressError {
    fn is_failure(&self) -> bool {
        matches!(self, Self::Link(LinkError::Invalid))
    }

    fn is_ours(&self) -> bool {
        matches!(self, Self::Hash(_)) || matches!(self, Self::Fault(fault) if fault.is_ours())
    }
}

/// The address that the undoing of a change gives back, as its token keeps it.
#[derive(Serialize, Deserialize)]
struct Before {
    /// As typed.
    email: String,
}

/// The address that a change leads to, as its token keeps it.
#[derive(Serialize, Deserialize)]
struct After {
    /// As typed.
    email: String,
}

/// A change of address that its new owner has not confirmed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PendingChange {
    /// As typed.
    pub(crate) email: String,
    pub(crate) expires_at: DateTime<Utc>,
}

impl Accounts {
    /// The change of their address that a user has asked for and that can still be confirmed. One to an address that is
    /// taken looks as if it could (EN-05).
    pub(crate) async fn pending_change(
        &self,
        viewer: &Viewer,
    ) -> Result<Option<PendingChange>, DbErr> {
        let (db, now) = (self.db.reader(), self.clock.now());
        let found = links::find_change(db, now, viewer.user.id).await?;
        // Only another version of this program writes the details differently.
        let pending = |found: Found| {
            let After { email } = found.details().ok()?;
            Some(PendingChange { email, expires_at: found.created_at + Purpose::EmailChange.ttl() })
        };
        Ok(found.and_then(pending))
    }

    /// Mails the new address a link that confirms the change. Until then nothing changes; and
    /// whether the address is another account's, only mail to it tells (EN-05).
    pub(crate) async fn change_email(
        &self,
        acting: Acting<'_>,
        email: &str,
        changes: &Limit<limits::User>,
    ) -> Result<User, AddressError> {
        let email = Email::parse(email)
            .map_err(|invalid| AddressError::Invalid(invalid.at("input.newEmail")))?;
        self.limits.take([changes.of(acting.caller()?.user.id)]).await?;
        let request = async |tx: Tx<'_>| {
            let (now, origin) = (tx.now(), tx.acting().origin);
            let user = self.sessions.caller(&tx).await?.user;
            links::void_change(&tx, user.id).await?;
            let identifier = Identifier::Email(email.key().to_owned());
            let owner = store::find(&tx, &identifier).await?.filter(|owner| owner.id != user.id);
            let is_reserved = links::is_reserved(&tx, email.key(), Some(user.id), now).await?;
            let is_taken = owner.is_some() || is_reserved;
            let purpose = if is_taken { Purpose::Nothing } else { Purpose::EmailChange };
            let new = links::New { purpose, user: Some(user.id), email_key: email.key() };
            let details = After { email: email.as_typed().to_owned() };
            let token = links::issue(&tx, now, new, Some(&details)).await?;
            let letter = match &owner {
                Some(owner) => Letter::to(owner, MailKind::AlreadyRegistered, origin),
                None => Letter {
                    to: Recipient::address(email.as_typed(), user.locale),
                    ..Letter::to(&user, MailKind::ConfirmEmailChange, origin).with(token.expose())
                },
            };
            match owner.is_none() && is_reserved {
                true => tx.pretend(letter).await?,
                false => tx.write(letter).await?,
            }
            tx.record(kind::EMAIL_CHANGE_REQUESTED, user.id);
            Ok(tx.commit(User::clone(&user)).await?)
        };
        self.changes.run("ask for another address", acting, request).await
    }

    /// Gives an account the address that a link sent there has proven, for a caller with that session or who knows
    /// the password. The address before is told,
    /// with a link that takes it back, if it had been proven: else it may be a stranger's, who learns
    /// only that it is the account's no more.
    pub(crate) async fn complete_email_change(
        &self,
        origin: &Origin,
        found: &Found,
        session: Option<&Viewer>,
    ) -> Result<(), AddressError> {
        let after: After = found.details()?;
        let email = Email::parse(&after.email).map_err(|_| LinkError::Invalid)?;
        let id = found.user.ok_or(LinkError::Invalid)?;
        let complete = async |tx: Tx<'_>| -> Result<(), AddressError> {
            let now = tx.now();
            let before = store::lock(&tx, id).await?.filter(|user| user.is_active);
            let before = before.ok_or(LinkError::Invalid)?;
            // It may have ended since the request began.
            if let Some(viewer) = session
                && !self.sessions.is_alive(&tx, viewer).await?
            {
                return Err(Gone.into());
            }
            links::take(&tx, found, now).await?;
            let user = User {
                email: email.as_typed().to_owned(),
                email_verified: true,
                updated_at: now,
                ..before.clone()
            };
            store::update_email(&tx, &user, &email).await?;
            if links::is_reserved(&tx, email.key(), Some(id), now).await? {
                return Err(LinkError::Invalid.into());
            }
            links::void(&tx, id).await?;
            // A code that was mailed to the former address is no word of this one's reader.
            self.sessions.void_challenges(&tx, id).await?;
            tx.write(Letter::to(&user, MailKind::EmailChanged, origin)).await?;
            let told = Letter::to(&before, MailKind::EmailChangeUndo, origin);
            if before.email_verified {
                let old = Email::parse(&before.email).map_err(|_| LinkError::Invalid)?;
                let purpose = Purpose::EmailChangeUndo;
                let new = links::New { purpose, user: Some(id), email_key: old.key() };
                let details = Before { email: before.email.clone() };
                let token = links::issue_beside(&tx, now, new, Some(&details)).await?;
                let told = Letter { other_address: Some(&user.email), ..told.with(token.expose()) };
                tx.write(told).await?;
            } else {
                tx.write(told).await?;
            }
            tx.record(kind::EMAIL_CHANGED, id);
            Ok(tx.commit(()).await?)
        };
        let acting = Acting::user(id, origin);
        self.changes.run("change an address", acting, complete).await.map_err(|error| match error {
            // Somebody was faster: the address is theirs.
            AddressError::Taken => LinkError::Invalid.into(),
            error => error,
        })
    }

    /// Gives an account back the address that it had before a change: it was not its owner who changed it. Whoever did may
    /// know the password, hold sessions, and have linked identities of their own, before the change or after it. So all of that is
    /// void, until the owner chooses a password by mail.
    pub(crate) async fn undo_email_change(
        &self,
        origin: &Origin,
        token: Option<&LinkToken>,
        failures: &Limit<limits::Ip>,
    ) -> Result<(), AddressError> {
        self.link_gate.admit(origin, token, failures, self.undo_admitted(origin, token)).await
    }

    async fn undo_admitted(
        &self,
        origin: &Origin,
        token: Option<&LinkToken>,
    ) -> Result<(), AddressError> {
        let now = self.clock.now();
        let found = links::find(self.db.reader(), now, token, &[Purpose::EmailChangeUndo]).await?;
        let before: Before = found.details()?;
        let email = Email::parse(&before.email).map_err(|_| LinkError::Invalid)?;
        let id = found.user.ok_or(LinkError::Invalid)?;
        let undo = async |tx: Tx<'_>| {
            let now = tx.now();
            let user = store::lock(&tx, id).await?.ok_or(LinkError::Invalid)?;
            links::take(&tx, &found, now).await?;
            let email_typed = email.as_typed().to_owned();
            let user = User { email: email_typed, email_verified: true, updated_at: now, ..user };
            store::update_email(&tx, &user, &email).await?;
            store::update_password(&tx, id, &PasswordHash::none()).await?;
            self.sessions.end_all(&tx, id, EndReason::EmailChangeUndone).await?;
            links::void_since(&tx, id, found.created_at).await?;
            identities::remove_all(&tx, id).await?;
            take_back(&tx, &user, found.created_at - Purpose::EmailChangeUndo.ttl()).await?;
            tx.record(kind::EMAIL_CHANGE_UNDONE, id);
            Ok(tx.commit(()).await?)
        };
        let acting = Acting::user(id, origin);
        self.changes.run("undo a change of address", acting, undo).await
    }
}

/// Takes passkeys and second factors from an account whose address somebody else has changed: all of them, or of an account with a
/// second factor those that are young enough to be theirs. Whoever reads an old mailbox alone must not be rid of the owner's.
async fn take_back(tx: &Tx<'_>, user: &User, since: DateTime<Utc>) -> Result<(), DbErr> {
    if authenticators::held(tx, user.id).await?.has_second_factor() {
        tx.record(kind::SECOND_FACTORS_RESET, user.id);
    }
    match user.second_factor {
        true => authenticators::remove_since(tx, user.id, since).await,
        false => authenticators::remove_all(tx, user.id).await,
    }
}
