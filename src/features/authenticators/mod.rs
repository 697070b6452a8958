//! Authenticators: what users hold to prove who they are, beside a password and other providers. Seeds of one-time codes
//! ([`totp`]), recovery codes ([`recovery_codes`]) and passkeys ([`passkeys`]) are rows here, and nothing more: which
//! of them a sign-in needs, and what they are worth to it, say the features above.
//!
//! Whoever changes what a user holds has the lock on the user's row.

pub(crate) mod passkeys;
pub(crate) mod recovery_codes;
mod store;
#[cfg(test)]
mod tests;
pub(crate) mod totp;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};

use crate::features::change::Tx;
use crate::kernel::access::Factor;
use crate::kernel::id::UserId;

/// What a user holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// The app that makes one-time codes, if a seed was confirmed.
    pub(crate) totp: Option<HeldTotp>,
    /// Recovery codes that can still be used.
    pub(crate) recovery_codes_left: u64,
    /// All passkeys.
    pub(crate) passkeys: usize,
    /// Those that open the account alone.
    pub(crate) passkeys_alone: usize,
}

/// What is told of a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeldTotp {
    pub(crate) confirmed_at: DateTime<Utc>,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    /// Whether too many wrong codes in a row were tried: then none is accepted.
    pub(crate) is_shut: bool,
}

impl Held {
    /// What can be asked for beside a password, or a provider's word.
    pub(crate) fn second_factors(&self) -> Vec<Factor> {
        let has = [
            (Factor::Passkey, self.passkeys > 0),
            (Factor::Totp, self.totp.is_some_and(|totp| !totp.is_shut)),
            (Factor::RecoveryCode, self.recovery_codes_left > 0),
        ];
        has.into_iter().filter_map(|(factor, is_held)| is_held.then_some(factor)).collect()
    }

    /// Whether the user holds something that is a second factor. Recovery codes stand in for one, and are none without it.
    pub(crate) fn has_second_factor(&self) -> bool {
        self.totp.is_some() || self.passkeys > 0
    }
}

/// What a user holds by now.
pub(crate) async fn held(db: &impl ConnectionTrait, user: UserId) -> Result<Held, DbErr> {
    let passkeys = passkeys::list(db, user).await?;
    Ok(Held {
        totp: totp::held(db, user).await?,
        recovery_codes_left: recovery_codes::count_left(db, user).await?,
        passkeys: passkeys.len(),
        passkeys_alone: passkeys.iter().filter(|passkey| passkey.user_verified).count(),
    })
}

/// Takes all of it from a user, who signs in without a second factor from then on. By which handle passkeys know them stays: an authenticator that is registered again then
/// replaces the passkey that it still has, instead of showing both.
pub(crate) async fn remove_all(tx: &Tx<'_>, user: UserId) -> Result<(), DbErr> {
    turn_off(tx, user).await?;
    totp::remove(tx, user).await?;
    recovery_codes::void(tx, user).await?;
    passkeys::remove_all(tx, user).await
}

/// Takes what a user holds since then, and the recovery codes. Without a second factor that is older they sign in without one.
pub(crate) async fn remove_since(
    tx: &Tx<'_>,
    user: UserId,
    since: DateTime<Utc>,
) -> Result<(), DbErr> {
    passkeys::remove_since(tx, user, since).await?;
    if totp::held(tx, user).await?.is_some_and(|totp| totp.confirmed_at >= since) {
        totp::remove(tx, user).await?;
    }
    recovery_codes::void(tx, user).await?;
    if !held(tx, user).await?.has_second_factor() {
        turn_off(tx, user).await?;
    }
    Ok(())
}

/// Has a user sign in with a second factor from now on; says whether they did not before.
pub(crate) async fn turn_on(tx: &Tx<'_>, user: UserId) -> Result<bool, DbErr> {
    store::set_second_factor(tx, user, true).await
}

/// Has a user sign in without a second factor from now on; says whether they needed one before.
pub(crate) async fn turn_off(tx: &Tx<'_>, user: UserId) -> Result<bool, DbErr> {
    store::set_second_factor(tx, user, false).await
}
