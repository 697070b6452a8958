//! Seeds of one-time codes.
//!
//! A seed counts once its owner has shown a code of it, and until then the one before does (MF-02). Each step is accepted
//! once, which one conditional `UPDATE` settles (MF-03). Seeds are sealed under a key of their own, for their user alone
//! (MF-01).

mod reseal;
mod store;

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use self::store::Row;
use super::HeldTotp;
use crate::features::change::{Fault, Tx, with_fault};
use crate::infra::keys::Master;
use crate::infra::totp::{Code, Seed};
use crate::kernel::id::UserId;
use crate::kernel::secret::CryptoError;

pub(crate) use self::reseal::{RESEAL, Unsealed, count_unsealed};

/// How long a seed waits for its first code.
pub(crate) const ENROLLMENT_TTL_SECONDS: u32 = 600;
pub(super) const ENROLLMENT: TimeDelta = TimeDelta::seconds(ENROLLMENT_TTL_SECONDS as i64);
/// Wrong codes in a row after which none is accepted any more (MF-05): with three valid ones of a million, they find one
/// in 3,300 accounts.
pub(crate) const FAILURES_MAX: i32 = 100;

/// Why a seed was not confirmed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfirmError {
    #[error("the enrollment does not exist, has expired, or began in another session")]
    NotBegun,
    #[error("the code is wrong or has expired")]
    WrongCode,
    #[error(transparent)]
    Fault(Fault),
}

/// Why a code was not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedeemError {
    #[error("the user has no confirmed seed")]
    NotEnrolled,
    #[error("the code is wrong or has expired")]
    WrongCode,
    /// It, or a later one. It was right, so it is no guess.
    #[error("the code was already used")]
    Used,
    /// None is, until another seed is confirmed or the failures are forgotten.
    #[error("too many wrong codes in a row")]
    Shut,
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(ConfirmError, RedeemError);

/// Begins an enrollment, instead of one that is under way, and returns the seed, which is told this once. `begun_by` is the
/// session or the challenge that alone may finish it.
pub(crate) async fn begin(
    tx: &Tx<'_>,
    master: &Master,
    user: UserId,
    begun_by: Uuid,
) -> Result<Seed, Fault> {
    let seed = Seed::generate()?;
    let sealed = master.seeds().seal(&context(user), seed.as_bytes())?;
    store::keep_pending(tx, user, sealed, tx.now() + ENROLLMENT, begun_by).await?;
    Ok(seed)
}

/// Finishes an enrollment by a code: its seed takes the place of the one before. That code is used, and failures before are
/// forgotten.
pub(crate) async fn confirm(
    tx: &Tx<'_>,
    master: &Master,
    user: UserId,
    begun_by: Uuid,
    code: &Code,
) -> Result<(), ConfirmError> {
    let now = tx.now();
    let row = store::find(tx, user).await?.ok_or(ConfirmError::NotBegun)?;
    let is_under_way =
        row.pending_for == Some(begun_by) && row.pending_until.is_some_and(|until| now < until);
    let pending = row.pending_secret.filter(|_| is_under_way).ok_or(ConfirmError::NotBegun)?;
    let seed = open(master, user, &pending)?;
    let step = seed.matching_step(code, now).ok_or(ConfirmError::WrongCode)?;
    match store::activate(tx, user, pending, step, now).await? {
        true => Ok(()),
        false => Err(ConfirmError::NotBegun),
    }
}

/// Uses a code. Of many at once with the same step one is accepted, on however many instances; failures before are
/// forgotten then.
///
/// Whoever presents a wrong one has that counted with [`count_failure`], in a transaction that is committed. Under the lock
/// of the user's row both are one step, and no guess is free.
pub(crate) async fn redeem(
    tx: &Tx<'_>,
    master: &Master,
    user: UserId,
    code: &Code,
) -> Result<(), RedeemError> {
    let row = store::find(tx, user).await?.ok_or(RedeemError::NotEnrolled)?;
    let is_shut = is_shut(&row);
    let sealed = row.sealed_secret.ok_or(RedeemError::NotEnrolled)?;
    if is_shut {
        return Err(RedeemError::Shut);
    }
    let seed = open(master, user, &sealed)?;
    let step = seed.matching_step(code, tx.now()).ok_or(RedeemError::WrongCode)?;
    match store::accept(tx, user, sealed, step, tx.now()).await? {
        true => Ok(()),
        false => Err(RedeemError::Used),
    }
}

/// Counts a wrong code, up to [`FAILURES_MAX`]; says whether this was the one that reached it.
pub(crate) async fn count_failure(db: &impl ConnectionTrait, user: UserId) -> Result<bool, DbErr> {
    store::count_failure(db, user, FAILURES_MAX).await
}

/// Forgets wrong codes: their owner has shown otherwise who they are.
pub(crate) async fn reset_failures(tx: &Tx<'_>, user: UserId) -> Result<(), DbErr> {
    store::reset_failures(tx, user).await
}

/// Takes the seed from a user, and one that is being enrolled; says whether they had one that counted.
pub(crate) async fn remove(tx: &Tx<'_>, user: UserId) -> Result<bool, DbErr> {
    let held = held(tx, user).await?;
    store::delete(tx, user).await?;
    Ok(held.is_some())
}

/// What is told of a user's seed, if one was confirmed.
pub(super) async fn held(
    db: &impl ConnectionTrait,
    user: UserId,
) -> Result<Option<HeldTotp>, DbErr> {
    let row = store::find(db, user).await?;
    Ok(row.and_then(|row| {
        let is_shut = is_shut(&row);
        let Row { confirmed_at, last_used_at, .. } = row;
        Some(HeldTotp { confirmed_at: confirmed_at?, last_used_at, is_shut })
    }))
}

fn is_shut(row: &Row) -> bool {
    row.failures >= FAILURES_MAX
}

fn open(master: &Master, user: UserId, sealed: &[u8]) -> Result<Seed, CryptoError> {
    let bytes = master.seeds().open(&context(user), sealed);
    bytes.and_then(|bytes| Seed::from_bytes(&bytes)).ok_or(CryptoError("open a seed"))
}

/// What a sealed seed is bound to: it opens as this user's.
fn context(user: UserId) -> String {
    format!("totp/{user}")
}
