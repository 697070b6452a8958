//! An account's address: another one, confirmed by who reads its mail, and back (RS-07).

use sea_orm::DbErr;
use serde::{Deserialize, Serialize};

use super::identity::{Email, Identifier};
use super::{Accounts, store};
use crate::features::audit::{self, Actor, Event, Kind};
use crate::features::links::{self, Found, LinkError, LinkToken, Purpose};
use crate::features::sessions::EndReason;
use crate::infra::db::{DbFailure, is_unique_violation};
use crate::infra::limits::{By, Counts, Judged, Limit, Limited, Subject};
use crate::infra::mail::{self, Letter, Recipient};
use crate::infra::passwords::hash::{HashError, PasswordHash};
use crate::infra::passwords::policy::Password;
use crate::kernel::access::{Client, User, Viewer};
use crate::kernel::id::UserId;
use crate::kernel::invalid::Problem;
use crate::kernel::secret::{self, CryptoError, base64url};

/// What keeps an account from being used to write to strangers.
pub(crate) static ADDRESS_LIMITS: [Limit; 1] = [Limit {
    name: "changeEmail.user",
    by: &[By::User],
    max: 5,
    window_seconds: 60 * 60,
    counts: Counts::Attempts { at_once: 5 },
}];

/// Why an account's address was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressError {
    #[error("the address is not acceptable")]
    Invalid(Problem),
    #[error("no mail is sent")]
    NoMail,
    /// The caller's account is no more, or shut, or their session over.
    #[error("the session is over")]
    Gone,
    #[error("the address belongs to another account")]
    Taken,
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Link(#[from] LinkError),
}

impl From<DbErr> for AddressError {
    fn from(error: DbErr) -> Self {
        Self::Link(error.into())
    }
}

impl Judged for AddressError {
    fn is_failure(&self) -> bool {
        matches!(self, Self::Link(error) if error.is_failure())
    }

    fn is_ours(&self) -> bool {
        match self {
            Self::Link(error) => error.is_ours(),
            Self::Hash(_) => true,
            Self::Invalid(_) | Self::NoMail | Self::Gone | Self::Taken | Self::Limited(_) => false,
        }
    }
}

impl DbFailure for AddressError {
    fn db(&self) -> Option<&DbErr> {
        match self {
            Self::Link(error) => error.db(),
            Self::Invalid(_)
            | Self::NoMail
            | Self::Gone
            | Self::Taken
            | Self::Limited(_)
            | Self::Hash(_) => None,
        }
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

impl Accounts {
    /// Mails the new address a link that confirms the change. Until then nothing changes; and
    /// whether the address is another account's, only mail to it tells (EN-05).
    pub(crate) async fn change_email(
        &self,
        client: &Client,
        viewer: &Viewer,
        email: &str,
    ) -> Result<(), AddressError> {
        if !self.outbox.is_on() {
            return Err(AddressError::NoMail);
        }
        let email =
            Email::parse(email).map_err(|invalid| AddressError::Invalid(invalid.at("newEmail")))?;
        let subject = Subject::of(client).by(viewer.user.id.0);
        self.limits.admit(&ADDRESS_LIMITS, subject).await?.succeeded().await;
        self.db.retry(|| self.request_change(client, viewer, &email)).await
    }

    async fn request_change(
        &self,
        client: &Client,
        viewer: &Viewer,
        email: &Email,
    ) -> Result<(), AddressError> {
        let now = self.clock.now();
        let txn = self.db.begin().await?;
        let user = self.lock_caller(&txn, viewer).await?.ok_or(AddressError::Gone)?;
        links::void_change(&txn, user.id).await?;
        let identifier = Identifier::Email(email.key().to_owned());
        let owner = store::find(&txn, &identifier).await?.filter(|owner| owner.id != user.id);
        let is_reserved = links::is_reserved(&txn, email.key(), Some(user.id), now).await?;
        let is_taken = owner.is_some() || is_reserved;
        let purpose = if is_taken { Purpose::Nothing } else { Purpose::EmailChange };
        let new = links::New { purpose, user: Some(user.id), email_key: email.key() };
        let details = After { email: email.as_typed().to_owned() };
        let token = links::issue(&txn, now, new, Some(&details)).await?;
        let letter = match &owner {
            Some(owner) => Letter::to(owner, mail::Kind::AlreadyRegistered, client),
            None => Letter {
                to: Recipient::address(email.as_typed(), user.locale),
                ..Letter::to(&user, mail::Kind::ConfirmEmailChange, client).with(token.expose())
            },
        };
        match owner.is_none() && is_reserved {
            true => self.outbox.pretend(&txn, now, letter).await?,
            false => self.outbox.write(&txn, now, letter).await?,
        }
        let event = Event {
            kind: Kind::EmailChangeRequested,
            actor: Actor::from(viewer),
            target: Some(user.id.0),
            session: Some(viewer.session_id),
            client,
        };
        audit::record(&txn, now, event).await?;
        Ok(txn.commit().await?)
    }

    /// Gives an account the address that a link sent there has proven, for a caller with that session or who knows
    /// the password. The address before is told,
    /// with a link that takes it back, if it had been proven: else it may be a stranger's, who learns
    /// only that it is the account's no more.
    pub(crate) async fn complete_email_change(
        &self,
        client: &Client,
        found: &Found,
        session: Option<&Viewer>,
    ) -> Result<(), AddressError> {
        let after: After = found.details()?;
        let email = Email::parse(&after.email).map_err(|_| LinkError::Invalid)?;
        let id = found.user.ok_or(LinkError::Invalid)?;
        let complete = || self.complete_change(client, found, (id, session), &email);
        let outcome = self.db.retry(complete).await;
        self.sessions.forget(id);
        // Somebody was faster: the address is theirs.
        taken(outcome, || LinkError::Invalid.into())
    }

    async fn complete_change(
        &self,
        client: &Client,
        found: &Found,
        (id, session): (UserId, Option<&Viewer>),
        email: &Email,
    ) -> Result<(), AddressError> {
        let now = self.clock.now();
        let txn = self.db.begin().await?;
        let before = store::lock(&txn, id).await?.filter(|user| user.is_active);
        let before = before.ok_or(LinkError::Invalid)?;
        // It may have ended since the request began.
        if let Some(viewer) = session
            && !self.sessions.is_alive(&txn, viewer).await?
        {
            return Err(AddressError::Gone);
        }
        links::take(&txn, found, now).await?;
        let user = User {
            email: email.as_typed().to_owned(),
            email_verified: true,
            updated_at: now,
            ..before.clone()
        };
        store::update_email(&txn, &user, email).await?;
        if links::is_reserved(&txn, email.key(), Some(id), now).await? {
            return Err(LinkError::Invalid.into());
        }
        links::void(&txn, id).await?;
        let told = Letter::to(&user, mail::Kind::EmailChanged, client);
        self.outbox.write(&txn, now, told).await?;
        let told = Letter::to(&before, mail::Kind::EmailChangeUndo, client);
        if before.email_verified {
            let old = Email::parse(&before.email).map_err(|_| LinkError::Invalid)?;
            let purpose = Purpose::EmailChangeUndo;
            let new = links::New { purpose, user: Some(id), email_key: old.key() };
            let details = Before { email: before.email.clone() };
            let token = links::issue_beside(&txn, now, new, Some(&details)).await?;
            let told = Letter { other_address: Some(&user.email), ..told.with(token.expose()) };
            self.outbox.write(&txn, now, told).await?;
        } else {
            self.outbox.write(&txn, now, told).await?;
        }
        audit::record(&txn, now, by_owner(Kind::EmailChanged, id, client)).await?;
        Ok(txn.commit().await?)
    }

    /// Gives an account back the address that it had before a change: it was not its owner who changed
    /// it. So all its sessions end, and its password is one that nobody knows, until the owner chooses
    /// another by mail: whoever changed the address knows the old one.
    pub(crate) async fn undo_email_change(
        &self,
        client: &Client,
        token: Option<&LinkToken>,
    ) -> Result<(), AddressError> {
        self.link_gate().admit(client, token, self.undo_admitted(client, token)).await
    }

    async fn undo_admitted(
        &self,
        client: &Client,
        token: Option<&LinkToken>,
    ) -> Result<(), AddressError> {
        let now = self.clock.now();
        let found = links::find(self.db.reader(), now, token, &[Purpose::EmailChangeUndo]).await?;
        let before: Before = found.details()?;
        let email = Email::parse(&before.email).map_err(|_| LinkError::Invalid)?;
        let id = found.user.ok_or(LinkError::Invalid)?;
        let hash = self.hasher.hash(&unknown_password()?).await?;
        let undo = || self.undo_once(client, &found, id, (&email, &hash));
        let outcome = self.db.retry(undo).await;
        self.sessions.forget(id);
        taken(outcome, || AddressError::Taken)
    }

    async fn undo_once(
        &self,
        client: &Client,
        found: &Found,
        id: UserId,
        (email, hash): (&Email, &PasswordHash),
    ) -> Result<(), AddressError> {
        let now = self.clock.now();
        let txn = self.db.begin().await?;
        let user = store::lock(&txn, id).await?.ok_or(LinkError::Invalid)?;
        links::take(&txn, found, now).await?;
        let email_typed = email.as_typed().to_owned();
        let user = User { email: email_typed, email_verified: true, updated_at: now, ..user };
        store::update_email(&txn, &user, email).await?;
        store::update_password(&txn, id, hash).await?;
        self.sessions.end_all(&txn, id, EndReason::EmailChangeUndone, now).await?;
        links::void_since(&txn, id, found.created_at).await?;
        audit::record(&txn, now, by_owner(Kind::EmailChangeUndone, id, client)).await?;
        Ok(txn.commit().await?)
    }
}

/// What the holder of a link did, whom the mail to the account's address has reached.
fn by_owner(kind: Kind, id: UserId, client: &Client) -> Event<'_> {
    Event { kind, actor: Actor::User(id), target: Some(id.0), session: None, client }
}

/// A password that is told to nobody.
fn unknown_password() -> Result<Password, LinkError> {
    let text = base64url(secret::random::<32>()?);
    Password::parse(&text).map_err(|_| CryptoError("make a password").into())
}

/// What another account holds, the database alone decides.
fn taken(
    outcome: Result<(), AddressError>,
    error: impl FnOnce() -> AddressError,
) -> Result<(), AddressError> {
    match outcome {
        Err(AddressError::Link(LinkError::Db(cause))) if is_unique_violation(&cause) => {
            Err(error())
        }
        outcome => outcome,
    }
}
