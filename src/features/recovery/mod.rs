//! Recovery: what a link in a mail does for whoever reads that mail. It shows that an address is
//! theirs, or lets them choose another password.
//!
//! A mailbox proves an address, and not who chose the password of the account that has it (RS-11). So a link
//! that verifies an address leaves the account as it is only for who also shows that it is theirs, by a session of
//! it or by its password. Anybody else who reads the mail chooses another password, and what was there before
//! is void.
//!
//! None of it signs anybody in. Whether there is an account at all, only mail to its owner tells: a
//! request for such a mail has the same answer, and writes the same rows, either way (EN-04).

pub(crate) mod graphql;
mod store;
mod verification;

use sea_orm::{ConnectionTrait, DbErr};

pub(crate) use self::verification::Claim;
use crate::features::accounts::identity::{Email, Identifier};
use crate::features::accounts::{Accounts, AddressError, CreateError};
use crate::features::audit::{self, Actor, Event, Kind};
use crate::features::links::{self, Found, LinkError, LinkToken, New, Purpose};
use crate::features::login::unlocks::forget_failures;
use crate::features::sessions::EndReason;
use crate::infra::db::DbFailure;
use crate::infra::limits::{By, Counts, Judged, Limit, Limited, Subject};
use crate::infra::mail::{self, Letter};
use crate::infra::passwords::hash::{HashError, PasswordHash};
use crate::kernel::access::{Client, User};
use crate::kernel::id::UserId;
use crate::kernel::invalid::Problem;
use crate::kernel::secret::{hex, sha256};

/// What keeps anybody from being written to again and again (BF-02). What one address asks for leaves others,
/// the owner's among them, something to ask for (BF-12).
const fn requests(names: [&'static str; 3]) -> [Limit; 3] {
    const fn limit(name: &'static str, by: &'static [By], max: u32) -> Limit {
        let counts = Counts::Attempts { at_once: max };
        Limit { name, by, max, window_seconds: 60 * 60, counts }
    }
    [
        limit(names[0], &[By::Ip], 20),
        limit(names[1], &[By::Ip, By::Identifier], 3),
        limit(names[2], &[By::Identifier], 20),
    ]
}

/// How many passwords may be tried, or chosen, with one link: each costs a hash, and whoever reads somebody's mail
/// need not know their password (BF-09).
pub(crate) static LINK_LIMITS: [Limit; 1] = [Limit {
    name: "oneTimeToken.identifier",
    by: &[By::Identifier],
    max: 10,
    window_seconds: 60 * 60,
    counts: Counts::Attempts { at_once: 10 },
}];

/// Of requests to choose another password.
pub(crate) static RESET_LIMITS: [Limit; 3] = requests([
    "requestPasswordReset.ip",
    "requestPasswordReset.ip+identifier",
    "requestPasswordReset.identifier",
]);

/// Of requests to verify an address.
pub(crate) static VERIFICATION_LIMITS: [Limit; 3] = requests([
    "requestEmailVerification.ip",
    "requestEmailVerification.ip+identifier",
    "requestEmailVerification.identifier",
]);

/// Why a link did nothing, or none could be asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoveryError {
    #[error("a field is not acceptable")]
    Invalid(Problem),
    #[error("the password is not the one that was chosen")]
    WrongPassword,
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Registration(#[from] CreateError),
    #[error(transparent)]
    Address(#[from] AddressError),
}

impl From<DbErr> for RecoveryError {
    fn from(error: DbErr) -> Self {
        Self::Link(error.into())
    }
}

impl DbFailure for RecoveryError {
    fn db(&self) -> Option<&DbErr> {
        match self {
            Self::Link(error) => error.db(),
            Self::Registration(error) => error.db(),
            Self::Address(error) => error.db(),
            Self::Invalid(_) | Self::WrongPassword | Self::Limited(_) | Self::Hash(_) => None,
        }
    }
}

impl Judged for RecoveryError {
    fn is_failure(&self) -> bool {
        match self {
            Self::Link(error) => error.is_failure(),
            Self::Registration(error) => error.is_failure(),
            Self::Address(error) => error.is_failure(),
            Self::WrongPassword => true,
            Self::Invalid(_) | Self::Limited(_) | Self::Hash(_) => false,
        }
    }

    fn is_ours(&self) -> bool {
        match self {
            Self::Link(error) => error.is_ours(),
            Self::Registration(error) => error.is_ours(),
            Self::Address(error) => error.is_ours(),
            Self::Hash(_) => true,
            Self::Invalid(_) | Self::WrongPassword | Self::Limited(_) => false,
        }
    }
}

/// Sends links, and does what they are for.
#[derive(Clone)]
pub(crate) struct Recovery {
    pub(crate) accounts: Accounts,
}

impl Recovery {
    /// Mails whom an identifier names, if anybody, a link to choose another password.
    pub(crate) async fn request_reset(
        &self,
        client: &Client,
        identifier: &Identifier,
    ) -> Result<(), RecoveryError> {
        let subject = Subject::of(client).about(identifier.key());
        self.accounts.limits.admit(&RESET_LIMITS, subject).await?.succeeded().await;
        let user = Accounts::identified(self.accounts.db.reader(), identifier).await?;
        let user = user.filter(|user| user.is_active);
        self.accounts.db.retry(|| self.write_reset(client, identifier, user.as_ref())).await
    }

    async fn write_reset(
        &self,
        client: &Client,
        identifier: &Identifier,
        user: Option<&User>,
    ) -> Result<(), RecoveryError> {
        let now = self.accounts.clock.now();
        let txn = self.accounts.db.begin().await?;
        // Locked, or looked for where there is nobody, so that both take as long. And no two requests
        // for nobody wait for each other, as those for somebody else do not.
        let id = user.map_or_else(|| UserId::new(now), |user| user.id);
        let locked = Accounts::lock(&txn, id).await?.filter(|user| user.is_active);
        let address = locked.as_ref().map(address_of).transpose()?;
        let nobody = hex(&sha256(identifier.key().as_bytes()));
        let new = New {
            purpose: if locked.is_some() { Purpose::PasswordReset } else { Purpose::Nothing },
            user: locked.as_ref().map(|user| user.id),
            email_key: address.as_ref().map_or(&nobody, |address| address.key()),
        };
        let token = links::issue(&txn, now, new, None::<&()>).await?;
        let (kind, token) = (mail::Kind::PasswordReset, token.expose());
        match &locked {
            Some(user) => {
                let letter = Letter::to(user, kind, client).with(token);
                self.accounts.outbox.write(&txn, now, letter).await?;
            }
            None => {
                self.accounts
                    .outbox
                    .pretend(&txn, now, Letter::to_nobody(kind, client, token))
                    .await?;
            }
        }
        let target = locked.as_ref().map(|user| user.id);
        audit::record(&txn, now, asked(Kind::PasswordResetRequested, target, client)).await?;
        Ok(txn.commit().await?)
    }

    /// Gives the account of a link another password, ends all its sessions, and opens it to that
    /// password if too many attempts had shut it. Whoever reads its mail owns it, so whatever somebody
    /// else began with it is void (RS-03, RS-09).
    pub(crate) async fn reset_password(
        &self,
        client: &Client,
        token: Option<&LinkToken>,
        password: &str,
    ) -> Result<(), RecoveryError> {
        let reset = self.reset_admitted(client, token, password);
        self.accounts.link_gate().admit(client, token, reset).await
    }

    async fn reset_admitted(
        &self,
        client: &Client,
        token: Option<&LinkToken>,
        password: &str,
    ) -> Result<(), RecoveryError> {
        let now = self.accounts.clock.now();
        let found =
            links::find(self.accounts.db.reader(), now, token, &[Purpose::PasswordReset]).await?;
        let id = found.user.ok_or(LinkError::Invalid)?;
        self.give_password(client, &found, id, password).await
    }

    /// Gives an account the password that the reader of its mail chooses; all else that opened it is void.
    async fn give_password(
        &self,
        client: &Client,
        found: &Found,
        id: UserId,
        password: &str,
    ) -> Result<(), RecoveryError> {
        let user =
            Accounts::find_all(&self.accounts.db, &[id]).await?.pop().ok_or(LinkError::Invalid)?;
        // Before the token is used: who is told to choose a better one still has it.
        let password = self
            .accounts
            .new_password(&user, password)
            .map_err(|invalid| RecoveryError::Invalid(invalid.at("newPassword")))?;
        self.admit_password(client, found).await?;
        let hash = self.accounts.hasher.hash(&password).await?;
        let outcome = self.accounts.db.retry(|| self.reset_once(client, found, id, &hash)).await;
        // Whatever the outcome: a commit whose answer was lost may have happened.
        self.accounts.sessions.forget(id);
        outcome?;
        // The other instances learn it from the database.
        let names = [&user.username, &user.email].map(|name| Identifier::parse(name));
        let names = [names[0].key(), names[1].key()];
        forget_failures(&self.accounts.limits, names, id).await;
        Ok(())
    }

    /// Has a password counted that is tried, or chosen, with a link.
    async fn admit_password(&self, client: &Client, found: &Found) -> Result<(), Limited> {
        let link = found.id.to_string();
        let subject = Subject::of(client).about(&link);
        self.accounts.limits.admit(&LINK_LIMITS, subject).await?.succeeded().await;
        Ok(())
    }

    async fn reset_once(
        &self,
        client: &Client,
        found: &Found,
        id: UserId,
        hash: &PasswordHash,
    ) -> Result<(), RecoveryError> {
        let txn = self.accounts.db.begin().await?;
        let user = lock_addressee(&txn, found, id).await?;
        let now = self.accounts.clock.now();
        links::take(&txn, found, now).await?;
        store::reset_password(&txn, id, hash, now).await?;
        if !user.email_verified {
            store::take_back(&txn, id, now).await?;
        }
        self.accounts.sessions.end_all(&txn, id, EndReason::PasswordChanged, now).await?;
        links::void(&txn, id).await?;
        audit::record(&txn, now, done(Kind::PasswordReset, id, client)).await?;
        let letter = Letter::to(&user, mail::Kind::PasswordChanged, client);
        self.accounts.outbox.write(&txn, now, letter).await?;
        Ok(txn.commit().await?)
    }
}

/// Locks the user a token is about, who is active and still has the address it was sent to (RS-05).
async fn lock_addressee(
    txn: &impl ConnectionTrait,
    found: &Found,
    id: UserId,
) -> Result<User, RecoveryError> {
    let user = Accounts::lock(txn, id).await?.filter(|user| user.is_active);
    let user = user.ok_or(LinkError::Invalid)?;
    match address_of(&user)?.key() == found.email_key {
        true => Ok(user),
        false => Err(LinkError::Invalid.into()),
    }
}

fn address_of(user: &User) -> Result<Email, LinkError> {
    Email::parse(&user.email).map_err(|_| LinkError::Invalid)
}

/// What somebody asked for, who need not be the owner.
fn asked(kind: Kind, target: Option<UserId>, client: &Client) -> Event<'_> {
    let target = target.map(|id| id.0);
    Event { kind, actor: Actor::Unknown, target, session: None, client }
}

/// What the reader of the account's mail did.
fn done(kind: Kind, id: UserId, client: &Client) -> Event<'_> {
    Event { kind, actor: Actor::User(id), target: Some(id.0), session: None, client }
}
