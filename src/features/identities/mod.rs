//! Identities: who a user is to other providers. A provider vouches for a subject, and the issuer with that subject
//! is the identity (OI-05); the address that it tells beside is never what somebody is known by.
//!
//! Whoever changes what identities a user has holds the lock on the user's row. How somebody signs in with one is
//! [`provider_login`](super::provider_login).

mod store;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};

use crate::features::change::{Fault, Tx, with_fault};
use crate::kernel::id::{IdentityId, UserId};

/// What is known of an identity that is linked to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) id: IdentityId,
    pub(crate) user: UserId,
    /// By which provider it was linked.
    pub(crate) provider: String,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    /// The address that the provider told when it was linked.
    pub(crate) email: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) last_used_at: DateTime<Utc>,
}

/// Who somebody is, as a provider says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vouched<'a> {
    /// The provider, as PROVIDERS_FILE calls it.
    pub(crate) provider: &'a str,
    pub(crate) issuer: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) email: Option<&'a str>,
}

/// Why an identity was not linked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkingError {
    /// The unique constraint settles who was first, not a look before.
    #[error("the identity is already linked to an account")]
    Taken,
    #[error("the account has too many identities")]
    TooMany,
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(LinkingError);

/// Identities that a user has at most: more than there are providers.
const IDENTITIES_MAX: usize = 20;

/// The identity that a provider vouches for, if it is linked to anybody.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    issuer: &str,
    subject: &str,
) -> Result<Option<Identity>, DbErr> {
    store::find(db, issuer, subject).await
}

/// All that a user has, the oldest first.
pub(crate) async fn list(db: &impl ConnectionTrait, user: UserId) -> Result<Vec<Identity>, DbErr> {
    store::list(db, user).await
}

/// Links one to a user.
pub(crate) async fn link(
    tx: &Tx<'_>,
    user: UserId,
    vouched: Vouched<'_>,
) -> Result<Identity, LinkingError> {
    if store::list(tx, user).await?.len() >= IDENTITIES_MAX {
        return Err(LinkingError::TooMany);
    }
    let now = tx.now();
    let identity = Identity {
        id: IdentityId::new(now),
        user,
        provider: vouched.provider.to_owned(),
        issuer: vouched.issuer.to_owned(),
        subject: vouched.subject.to_owned(),
        email: vouched.email.map(str::to_owned),
        created_at: now,
        last_used_at: now,
    };
    store::insert(tx, &identity).await?;
    Ok(identity)
}

/// Remembers when somebody proved to be one.
pub(crate) async fn touch(tx: &Tx<'_>, id: IdentityId) -> Result<(), DbErr> {
    store::touch(tx, id, tx.now()).await
}

/// Takes one from a user, and remembers that none of its issuer is theirs unless they say so.
pub(crate) async fn unlink(tx: &Tx<'_>, identity: &Identity) -> Result<(), DbErr> {
    store::delete(tx, identity.id).await?;
    if !store::was_unlinked(tx, identity.user, &identity.issuer).await? {
        store::note_unlinked(tx, identity.user, &identity.issuer).await?;
    }
    Ok(())
}

/// Whether a user has unlinked an identity of an issuer.
pub(crate) async fn was_unlinked(
    db: &impl ConnectionTrait,
    user: UserId,
    issuer: &str,
) -> Result<bool, DbErr> {
    store::was_unlinked(db, user, issuer).await
}

/// Takes all of them from a user: somebody else may have linked them, before the address was proven (RS-09) or with a session
/// that was not theirs.
pub(crate) async fn remove_all(tx: &Tx<'_>, user: UserId) -> Result<(), DbErr> {
    store::delete_all(tx, user).await
}
