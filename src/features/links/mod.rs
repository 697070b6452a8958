//! What the links in mails carry: one-time tokens.
//!
//! A token is random, stored only as a digest, bound to one purpose, one address and, where there is
//! one, one account (RS-01, RS-05). It is used by marking its row, which happens once; a second use is told so
//! until the token would have expired. Whoever issues and uses one does so in the transaction of what it is
//! for, with the user's row locked where there is a user: so a token and a change that voids it never miss
//! each other. (Registrations lock nobody who could be: those for one address live side by side, and one wins.)

mod purpose;
mod store;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use self::purpose::Purpose;
use crate::features::change::{Fault, with_fault};
use crate::infra::db::{Db, in_batches};
use crate::infra::limits::{Ip, Judged, Limit, Limited, Limits};
use crate::infra::mail;
use crate::kernel::access::{Origin, User};
use crate::kernel::clock::Clock;
use crate::kernel::id::{LinkTokenId, UserId};
use crate::kernel::secret::OpaqueToken;

/// Lets people and secret scanners tell what they have found. Never change it.
const PREFIX: &str = "pco_";

/// What slows down whoever presents tokens that are none (BF-09).
pub(crate) static FAILURES: Limit<Ip> = Limit::failures("oneTimeToken.ip", 30, 60);

/// Tokens to one address that are looked at: more than the limits let anybody send there in the day that they live.
const TOKENS_TO_ONE_MAX: u64 = 2_000;

/// A token as its holder has it. Never logged, never stored.
#[derive(Clone, Debug)]
pub(crate) struct LinkToken(OpaqueToken);

impl LinkToken {
    /// Reads a token as presented; `None` for whatever cannot be one of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        OpaqueToken::parse(PREFIX, text).map(Self)
    }
}

/// A token that was issued.
pub(crate) struct IssuedLink {
    pub(crate) id: LinkTokenId,
    pub(crate) expires_at: DateTime<Utc>,
    token: OpaqueToken,
}

impl IssuedLink {
    /// The token itself, for its holder.
    pub(crate) fn expose(&self) -> &str {
        self.token.expose()
    }
}

/// A token to be issued.
#[derive(Clone, Copy)]
pub(crate) struct New<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) user: Option<UserId>,
    /// The canonical form of the address it is sent to.
    pub(crate) email_key: &'a str,
}

/// A token that was found and has not expired, used or not.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) id: LinkTokenId,
    pub(crate) purpose: Purpose,
    pub(crate) user: Option<UserId>,
    pub(crate) email_key: String,
    details: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
    is_used: bool,
}

impl Found {
    /// What the use of the token needs, as it was given to [`issue`].
    pub(crate) fn details<T: DeserializeOwned>(&self) -> Result<T, LinkError> {
        let text = self.details.as_deref().ok_or(LinkError::Invalid)?;
        // Only another version of this program writes it differently.
        serde_json::from_str(text).map_err(|_| LinkError::Invalid)
    }
}

/// Why a token gives nothing, or could not be issued.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("the token is malformed, unknown, expired or void, or has another purpose")]
    Invalid,
    #[error("the token was already used")]
    Used,
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(LinkError);

/// Issues a token inside the caller's transaction. Older ones of its purpose are void (RS-02): those about
/// the same account, or to the same address where there is no account yet.
pub(crate) async fn issue(
    txn: &impl ConnectionTrait,
    now: DateTime<Utc>,
    new: New<'_>,
    details: Option<&impl Serialize>,
) -> Result<IssuedLink, Fault> {
    store::delete_like(txn, &new).await?;
    issue_beside(txn, now, new, details).await
}

/// Issues a token beside older ones of its purpose: where these lead elsewhere, or where whoever asks for it need
/// not be who asked for those.
pub(crate) async fn issue_beside(
    txn: &impl ConnectionTrait,
    now: DateTime<Utc>,
    new: New<'_>,
    details: Option<&impl Serialize>,
) -> Result<IssuedLink, Fault> {
    let details = details.map(serde_json::to_string).transpose()?;
    let token = OpaqueToken::generate(PREFIX)?;
    let expires_at = now + new.purpose.ttl();
    let id = store::insert(txn, now, &new, token.hash(), (details, expires_at)).await?;
    Ok(IssuedLink { id, expires_at, token })
}

/// The newest registration that awaits the proof of this address.
pub(crate) async fn find_registration(
    txn: &impl ConnectionTrait,
    now: DateTime<Utc>,
    email_key: &str,
) -> Result<Option<Found>, DbErr> {
    store::find_registration(txn, email_key, now).await
}

/// Issues another token for a registration, for what is left of its day. Those that were mailed before go on
/// working, since whoever asks for another need not be who reads the mail (RS-11). The same work as [`issue`].
pub(crate) async fn issue_again(
    txn: &impl ConnectionTrait,
    now: DateTime<Utc>,
    registration: &Found,
) -> Result<IssuedLink, Fault> {
    let Found { purpose, user, email_key, details, expires_at, .. } = registration;
    store::delete_like(txn, &New { purpose: Purpose::Nothing, user: *user, email_key }).await?;
    let token = OpaqueToken::generate(PREFIX)?;
    let again = New { purpose: *purpose, user: *user, email_key };
    let expires_at = *expires_at;
    let id = store::insert(txn, now, &again, token.hash(), (details.clone(), expires_at)).await?;
    Ok(IssuedLink { id, expires_at, token })
}

/// The living token of one of `purposes` that was presented; using it is for [`take`].
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    token: Option<&LinkToken>,
    purposes: &[Purpose],
) -> Result<Found, LinkError> {
    let token = token.ok_or(LinkError::Invalid)?;
    let found = store::find(db, token.0.hash(), now).await?;
    let found = found.filter(|found| purposes.contains(&found.purpose));
    match found.ok_or(LinkError::Invalid)? {
        found if found.is_used => Err(LinkError::Used),
        found => Ok(found),
    }
}

/// Whether a token that waits for its mail would still do something.
pub(crate) fn works<'a>(db: &'a Db, now: DateTime<Utc>, token: &'a str) -> mail::Answer<'a> {
    Box::pin(async move {
        let Some(token) = LinkToken::parse(token) else { return Ok(false) };
        let found = store::find(db.reader(), token.0.hash(), now).await?;
        Ok(found.is_some_and(|found| !found.is_used))
    })
}

/// Uses a token inside the caller's transaction. Of many at once, one does (RS-01). With a registration all are
/// used that await the proof of its address: it has an account then.
pub(crate) async fn take(
    txn: &impl ConnectionTrait,
    found: &Found,
    now: DateTime<Utc>,
) -> Result<(), LinkError> {
    if found.purpose == Purpose::Registration {
        let ids = store::lock_registrations(txn, &found.email_key).await?;
        if ids.contains(&found.id) {
            store::mark_used(txn, ids, now).await?;
            return Ok(());
        }
    } else if store::mark_used(txn, vec![found.id], now).await? {
        return Ok(());
    }
    match store::is_used(txn, found.id).await? {
        true => Err(LinkError::Used),
        false => Err(LinkError::Invalid),
    }
}

/// Voids what was mailed about an account when its password or address changes (RS-02), inside the
/// caller's transaction. What undoes a change of address stays: whoever changed the one may have
/// changed the other.
pub(crate) async fn void(txn: &impl ConnectionTrait, user: UserId) -> Result<(), DbErr> {
    store::delete_of(txn, user, &[Purpose::EmailChangeUndo]).await
}

/// The same at the hands of whoever holds a session. As long as the address is not verified they need not be who
/// reads its mail, to whom the account belongs then: what was mailed there goes on working (RS-11).
pub(crate) async fn void_by_holder(txn: &impl ConnectionTrait, holder: &User) -> Result<(), DbErr> {
    if holder.email_verified {
        return void(txn, holder.id).await;
    }
    let kept = [Purpose::EmailChangeUndo, Purpose::Verification, Purpose::PasswordReset];
    store::delete_of(txn, holder.id, &kept).await
}

/// Voids one token inside the caller's transaction; says whether it could still be used.
pub(crate) async fn revoke(txn: &impl ConnectionTrait, id: LinkTokenId) -> Result<bool, DbErr> {
    store::delete_unused(txn, id).await
}

/// Voids a change of address that is still to be confirmed, inside the caller's transaction; also one
/// to an address that is taken, which looks the same from outside (EN-05).
pub(crate) async fn void_change(txn: &impl ConnectionTrait, user: UserId) -> Result<(), DbErr> {
    store::delete_changes(txn, user).await
}

/// The newest change of address that waits for its confirmation, or pretends to: of one to an address that is taken there
/// is a row of the same kind, and nobody may learn which it is (EN-05). So neither ends as its own row says, but
/// [`Purpose::EmailChange`] after [`Found::created_at`].
pub(crate) async fn find_change(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    user: UserId,
) -> Result<Option<Found>, DbErr> {
    store::find_change(db, user, now - Purpose::EmailChange.ttl()).await
}

/// The tokens of one purpose that can still be used: the newest of them, or of those older than one, at most `limit`.
pub(crate) async fn list_unused(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    purpose: Purpose,
    before: Option<LinkTokenId>,
    limit: u64,
) -> Result<Vec<Found>, DbErr> {
    store::list_unused(db, purpose, now, before, limit).await
}

/// The same of those with one of some ids, in no particular order.
pub(crate) async fn find_unused(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    purpose: Purpose,
    ids: &[LinkTokenId],
) -> Result<Vec<Found>, DbErr> {
    store::find_unused(db, purpose, now, ids).await
}

/// The same of those that were sent to one address, in no particular order.
pub(crate) async fn list_unused_to(
    db: &impl ConnectionTrait,
    now: DateTime<Utc>,
    purpose: Purpose,
    email_key: &str,
) -> Result<Vec<Found>, DbErr> {
    let mut found = store::list_unused_to(db, email_key, now, TOKENS_TO_ONE_MAX).await?;
    found.retain(|token| token.purpose == purpose);
    Ok(found)
}

/// Whether the owner of an address may still take back that another account no longer has it. Until
/// then it is no one else's.
pub(crate) async fn is_reserved(
    txn: &impl ConnectionTrait,
    email_key: &str,
    but_for: Option<UserId>,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    store::is_undoable(txn, email_key, but_for, now).await
}

/// Voids, beside everything else, what undoes changes of address made at `since` or later.
pub(crate) async fn void_since(
    txn: &impl ConnectionTrait,
    user: UserId,
    since: DateTime<Utc>,
) -> Result<(), DbErr> {
    void(txn, user).await?;
    store::delete_undoing(txn, user, since).await
}

/// Voids the registrations that await the proof of an address, inside the caller's transaction: it has an
/// account now.
pub(crate) async fn void_registrations(
    txn: &impl ConnectionTrait,
    email_key: &str,
) -> Result<(), DbErr> {
    store::delete_registrations(txn, email_key).await
}

/// Erases whatever was mailed to an address that is about no account, inside the caller's transaction: the
/// account it had is gone.
pub(crate) async fn erase(txn: &impl ConnectionTrait, email_key: &str) -> Result<(), DbErr> {
    store::delete_to(txn, email_key).await
}

impl Judged for LinkError {
    fn is_ours(&self) -> bool {
        matches!(self, Self::Fault(fault) if fault.is_ours())
    }

    fn is_failure(&self) -> bool {
        matches!(self, Self::Invalid)
    }
}

/// What the use of a token passes.
#[derive(Clone)]
pub(crate) struct Gate {
    db: Db,
    clock: Clock,
    limits: Limits,
}

impl Gate {
    pub(crate) fn new(db: Db, clock: Clock, limits: Limits) -> Self {
        Self { db, clock, limits }
    }

    /// Has the use of a token counted: as a failure if it is none, whatever else is wrong.
    /// Whoever presents a living one is not held up by those who share their address.
    pub(crate) async fn admit<T, E: Judged + From<Limited> + From<DbErr>>(
        &self,
        origin: &Origin,
        token: Option<&LinkToken>,
        failures: &Limit<Ip>,
        use_token: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        // What uses a token is long, and would be copied from hand to hand.
        let use_token = Box::pin(use_token);
        let admission = match self.limits.attempt([failures.of(origin.ip)]).await {
            Ok(admission) => admission,
            Err(limited) => {
                let Some(token) = token else { return Err(limited.into()) };
                let (db, now) = (self.db.reader(), self.clock.now());
                return match store::find(db, token.0.hash(), now).await? {
                    Some(_) => use_token.await,
                    None => Err(limited.into()),
                };
            }
        };
        let outcome = use_token.await;
        admission.settle(&outcome).await;
        outcome
    }
}

/// Voids what was mailed to anybody, but for what undoes a change of address.
pub(crate) async fn void_all(txn: &impl ConnectionTrait) -> Result<(), DbErr> {
    store::delete_all(txn, &[Purpose::EmailChangeUndo]).await
}

/// Deletes tokens, and with them registrations, that have expired.
pub(crate) async fn purge(db: &Db, now: DateTime<Utc>) -> Result<u64, DbErr> {
    in_batches(|batch| store::delete_expired(db, now, batch)).await
}
