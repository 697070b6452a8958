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

mod store;
mod verification;

use sea_orm::ConnectionTrait;

pub(crate) use self::verification::Claim;
use crate::features::accounts::identity::{Email, Identifier};
use crate::features::accounts::{Accounts, AddressError, CreateError};
use crate::features::audit::{Kind, kind};
use crate::features::authenticators;
use crate::features::change::{Changes, Fault, Record, Tx, with_fault};
use crate::features::identities;
use crate::features::links::{self, Found, LinkError, LinkToken, New, Purpose};
use crate::features::login::unlocks::forget_failures;
use crate::features::sessions::{EndReason, Sessions, Tools};
use crate::infra::db::Db;
use crate::infra::limits::{self, Counted, Ip, Judged, Limit, Limited, Limits};
use crate::infra::mail::{Letter, MailKind};
use crate::infra::passwords::hash::{HashError, Hasher};
use crate::kernel::access::{Grants, Origin, Role, User};
use crate::kernel::acting::Acting;
use crate::kernel::clock::Clock;
use crate::kernel::id::UserId;
use crate::kernel::invalid::Problem;
use crate::kernel::secret::{hex, sha256};

/// What keeps anybody from being written to again and again (BF-02). What one address asks for leaves others,
/// the owner's among them, something to ask for (BF-12).
pub(crate) struct Requests {
    pub(crate) ip: Limit<Ip>,
    pub(crate) ip_and_identifier: Limit<(Ip, limits::Identifier)>,
    pub(crate) identifier: Limit<limits::Identifier>,
}

impl Requests {
    const fn new([ip, both, identifier]: [&'static str; 3]) -> Self {
        Self {
            ip: Limit::quota(ip, 20, 60 * 60),
            ip_and_identifier: Limit::quota(both, 3, 60 * 60),
            identifier: Limit::quota(identifier, 20, 60 * 60),
        }
    }
}

/// What one request for a mail counts under, as [`Requests`] has it.
pub(crate) type RequestLimits<'a> =
    (&'a Limit<Ip>, &'a Limit<(Ip, limits::Identifier)>, &'a Limit<limits::Identifier>);

/// A request of a client for a mail to whom an identifier means.
fn requested(
    (by_ip, by_ip_for, of_identifier): RequestLimits<'_>,
    origin: &Origin,
    identifier: &str,
) -> [Counted; 3] {
    [by_ip.of(origin.ip), by_ip_for.of((origin.ip, identifier)), of_identifier.of(identifier)]
}

/// What the use of a link with a password counts under: [`links::FAILURES`] and [`PASSWORDS_OF_LINKS`].
pub(crate) type LinkLimits<'a> = (&'a Limit<Ip>, &'a Limit<limits::Identifier>);

/// How many passwords may be tried, or chosen, with the links to one address: each costs a hash, and whoever reads
/// somebody's mail need not know their password (BF-09). By the address, since another link to it is to be had.
pub(crate) static PASSWORDS_OF_LINKS: Limit<limits::Identifier> =
    Limit::quota("oneTimeToken.identifier", 10, 60 * 60);

/// Of requests to choose another password.
pub(crate) static RESETS: Requests = Requests::new([
    "requestPasswordReset.ip",
    "requestPasswordReset.ip+identifier",
    "requestPasswordReset.identifier",
]);

/// Of requests to verify an address.
pub(crate) static VERIFICATIONS: Requests = Requests::new([
    "requestEmailVerification.ip",
    "requestEmailVerification.ip+identifier",
    "requestEmailVerification.identifier",
]);

/// Why a link did nothing, or none could be asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoveryError {
    #[error("a field is invalid")]
    Invalid(Problem),
    #[error("the password is wrong")]
    WrongPassword,
    #[error(transparent)]
    Limited(#[from] Limited),
    /// The link does nothing.
    #[error(transparent)]
    Link(LinkError),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Registration(#[from] CreateError),
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Fault(Fault),
}

impl From<LinkError> for RecoveryError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Fault(fault) => Self::Fault(fault),
            LinkError::Invalid | LinkError::Used => Self::Link(error),
        }
    }
}

with_fault!(RecoveryError);

impl Judged for RecoveryError {
    fn is_failure(&self) -> bool {
        match self {
            Self::Link(error) => error.is_failure(),
            Self::Registration(error) => error.is_failure(),
            Self::Address(error) => error.is_failure(),
            Self::WrongPassword => true,
            Self::Invalid(_) | Self::Limited(_) | Self::Hash(_) | Self::Fault(_) => false,
        }
    }

    fn is_ours(&self) -> bool {
        match self {
            Self::Registration(error) => error.is_ours(),
            Self::Address(error) => error.is_ours(),
            Self::Fault(fault) => fault.is_ours(),
            Self::Hash(_) => true,
            Self::Invalid(_) | Self::WrongPassword | Self::Limited(_) | Self::Link(_) => false,
        }
    }
}

/// Sends links, and does what they are for.
#[derive(Clone)]
pub(crate) struct Recovery {
    db: Db,
    clock: Clock,
    hasher: Hasher,
    limits: Limits,
    link_gate: links::Gate,
    changes: Changes,
    sessions: Sessions,
    accounts: Accounts,
}

impl Recovery {
    pub(crate) fn new(tools: Tools, accounts: Accounts) -> Self {
        let Tools { db, clock, hasher, limits, link_gate, changes, sessions, .. } = tools;
        Self { db, clock, hasher, limits, link_gate, changes, sessions, accounts }
    }

    /// Mails whom an identifier names, if anybody, a link to choose another password.
    pub(crate) async fn request_reset(
        &self,
        origin: &Origin,
        identifier: &Identifier,
        limits: RequestLimits<'_>,
    ) -> Result<(), RecoveryError> {
        self.limits.take(requested(limits, origin, identifier.key())).await?;
        let user = Accounts::identified(self.db.reader(), identifier).await?;
        let user = user.filter(|user| user.is_active);
        let write = async |tx: Tx<'_>| {
            let (now, origin) = (tx.now(), tx.acting().origin);
            // Locked, or looked for where there is nobody, so that both take as long. And no two requests
            // for nobody wait for each other, as those for somebody else do not.
            let id = user.as_ref().map_or_else(|| UserId::new(now), |user| user.id);
            let locked = Accounts::lock(&tx, id).await?.filter(|user| user.is_active);
            let address = locked.as_ref().map(address_of).transpose()?;
            let nobody = hex(&sha256(identifier.key().as_bytes()));
            let new = New {
                purpose: if locked.is_some() { Purpose::PasswordReset } else { Purpose::Nothing },
                user: locked.as_ref().map(|user| user.id),
                email_key: address.as_ref().map_or(&nobody, |address| address.key()),
            };
            let token = links::issue(&tx, now, new, None::<&()>).await?;
            let (kind, token) = (MailKind::PasswordReset, token.expose());
            match &locked {
                Some(user) => tx.write(Letter::to(user, kind, origin).with(token)).await?,
                None => tx.pretend(Letter::to_nobody(kind, origin, token)).await?,
            }
            tx.note(asked(kind::PASSWORD_RESET_REQUESTED, locked.map(|user| user.id)));
            Ok(tx.commit(()).await?)
        };
        self.changes.run("ask for a reset", Acting::unknown(origin), write).await
    }

    /// Gives the account of a link another password, ends all its sessions, and opens it to that
    /// password if too many attempts had shut it. Whoever reads its mail owns it, so whatever somebody
    /// else began with it is void (RS-03, RS-09). Returns its username.
    pub(crate) async fn reset_password(
        &self,
        origin: &Origin,
        token: Option<&LinkToken>,
        password: &str,
        (failures, passwords): LinkLimits<'_>,
    ) -> Result<String, RecoveryError> {
        let reset = self.reset_admitted(origin, token, password, passwords);
        self.link_gate.admit(origin, token, failures, reset).await
    }

    async fn reset_admitted(
        &self,
        origin: &Origin,
        token: Option<&LinkToken>,
        password: &str,
        passwords: &Limit<limits::Identifier>,
    ) -> Result<String, RecoveryError> {
        let now = self.clock.now();
        let found = links::find(self.db.reader(), now, token, &[Purpose::PasswordReset]).await?;
        let id = found.user.ok_or(LinkError::Invalid)?;
        self.give_password(origin, &found, id, password, passwords).await
    }

    /// Gives an account the password that the reader of its mail chooses, and ends its sessions. Identities of an account whose
    /// address was proven before stay: their owner linked them, and was told by mail. Returns its username.
    async fn give_password(
        &self,
        origin: &Origin,
        found: &Found,
        id: UserId,
        password: &str,
        passwords: &Limit<limits::Identifier>,
    ) -> Result<String, RecoveryError> {
        let user = Accounts::find_all(&self.db, &[id]).await?.pop().ok_or(LinkError::Invalid)?;
        // Before the token is used: who is told to choose a better one still has it.
        let password = self
            .accounts
            .new_password(&user, password)
            .map_err(|invalid| RecoveryError::Invalid(invalid.at("input.newPassword")))?;
        self.limits.take([passwords.of(&found.email_key)]).await?;
        let hash = self.hasher.hash(&password).await?;
        let reset = async |tx: Tx<'_>| {
            let user = lock_addressee(&tx, found, id).await?;
            links::take(&tx, found, tx.now()).await?;
            store::reset_password(&tx, id, &hash).await?;
            if !user.email_verified {
                store::take_back(&tx, id).await?;
                identities::remove_all(&tx, id).await?;
                // Nobody gives rights to an account that a stranger has made for somebody else's address: that of an admin keeps its
                // factors, so that their mailbox alone does not open it.
                if user.role == Role::User && user.grants == Grants::default() {
                    authenticators::remove_all(&tx, id).await?;
                }
            }
            self.sessions.end_all(&tx, id, EndReason::PasswordChanged).await?;
            links::void(&tx, id).await?;
            tx.record(kind::PASSWORD_RESET, id);
            tx.write(Letter::to(&user, MailKind::PasswordChanged, tx.acting().origin)).await?;
            // The other instances learn it from the database.
            let limits = self.limits.clone();
            let username = user.username.clone();
            tx.then(async move {
                let names = [&user.username, &user.email].map(|name| Identifier::parse(name));
                forget_failures(&limits, [names[0].key(), names[1].key()], id).await;
            });
            Ok(tx.commit(username).await?)
        };
        self.changes.run("reset a password", Acting::user(id, origin), reset).await
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

/// What somebody asked for, who need not be the owner, if there is one.
fn asked(kind: Kind, target: Option<UserId>) -> Record {
    match target {
        Some(target) => Record::of(kind).about(target),
        None => Record::of(kind),
    }
}
