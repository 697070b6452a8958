//! How factors are given up or replaced. Each takes a proof with a second factor (MF-08), which the rule `fresh` asks for.

use super::{FactorError, Factors};
use crate::features::audit::kind;
use crate::features::authenticators;
use crate::features::authenticators::recovery_codes::{self, RecoveryCode};
use crate::features::authenticators::totp;
use crate::features::change::Tx;
use crate::infra::mail::{Letter, MailKind};
use crate::kernel::access::User;
use crate::kernel::acting::Acting;

impl Factors {
    /// Takes the authenticator app from the caller's account. Without another factor sign-ins ask for none any more.
    pub(crate) async fn disable_totp(&self, acting: Acting<'_>) -> Result<User, FactorError> {
        let disable = async |tx: Tx<'_>| {
            let user = self.holder(&tx).await?;
            if !totp::remove(&tx, user.id).await? {
                return Err(FactorError::NoTotp);
            }
            tx.record(kind::TOTP_REMOVED, user.id);
            let user = self.without_unheld(&tx, user).await?;
            if user.second_factor {
                let kind = MailKind::SecondFactorChanged;
                tx.write(Letter::to(&user, kind, tx.acting().origin)).await?;
            }
            Ok(tx.commit(user).await?)
        };
        self.changes.run("give codes up", acting, disable).await
    }

    /// Has sign-ins ask for no second factor any more. Passkeys stay, as a way in.
    pub(crate) async fn turn_off(&self, acting: Acting<'_>) -> Result<User, FactorError> {
        let turn_off = async |tx: Tx<'_>| {
            let user = self.holder(&tx).await?;
            if !user.second_factor {
                return Err(FactorError::Off);
            }
            let user = self.off(&tx, user).await?;
            Ok(tx.commit(user).await?)
        };
        self.changes.run("turn a second factor off", acting, turn_off).await
    }

    /// Gives the caller other recovery codes. Those before are void (MF-07).
    pub(crate) async fn replace_recovery_codes(
        &self,
        acting: Acting<'_>,
    ) -> Result<(User, Vec<RecoveryCode>), FactorError> {
        let replace = async |tx: Tx<'_>| {
            let user = self.holder(&tx).await?;
            if !user.second_factor {
                return Err(FactorError::Off);
            }
            let codes = recovery_codes::issue(&tx, user.id).await?;
            self.sessions.void_challenges(&tx, user.id).await?;
            tx.record(kind::RECOVERY_CODES_ISSUED, user.id);
            let origin = tx.acting().origin;
            tx.write(Letter::to(&user, MailKind::RecoveryCodesReplaced, origin)).await?;
            Ok(tx.commit((user, codes)).await?)
        };
        self.changes.run("replace recovery codes", acting, replace).await
    }

    /// The caller, with their row locked.
    pub(super) async fn holder(&self, tx: &Tx<'_>) -> Result<User, FactorError> {
        Ok(User::clone(&self.sessions.caller(tx).await?.user))
    }

    /// Turns the second factor of an account off that has lost its last one.
    pub(super) async fn without_unheld(
        &self,
        tx: &Tx<'_>,
        user: User,
    ) -> Result<User, FactorError> {
        let held = authenticators::held(tx, user.id).await?;
        self.sessions.void_challenges(tx, user.id).await?;
        if held.has_second_factor() {
            return Ok(user);
        }
        if self.requirement.binds(user.role) {
            return Err(FactorError::Required);
        }
        match user.second_factor {
            true => self.off(tx, user).await,
            false => Ok(user),
        }
    }

    async fn off(&self, tx: &Tx<'_>, user: User) -> Result<User, FactorError> {
        if self.requirement.binds(user.role) {
            return Err(FactorError::Required);
        }
        authenticators::turn_off(tx, user.id).await?;
        totp::remove(tx, user.id).await?;
        recovery_codes::void(tx, user.id).await?;
        self.sessions.void_challenges(tx, user.id).await?;
        tx.record(kind::SECOND_FACTOR_TURNED_OFF, user.id);
        tx.write(Letter::to(&user, MailKind::SecondFactorOff, tx.acting().origin)).await?;
        Ok(User { second_factor: false, ..user })
    }
}
