//! A factor as somebody shows it: for a sign-in that waits for it, or to prove anew who a caller is.

use uuid::Uuid;

use super::passkeys::ShownPasskey;
use super::{FactorError, Factors};
use crate::features::accounts::Accounts;
use crate::features::audit::kind;
use crate::features::authenticators::recovery_codes::{self, RecoveryCode};
use crate::features::authenticators::totp::{self, RedeemError};
use crate::features::change::{Record, Tx};
use crate::features::sessions::{Awaited, PresentedChallenge, Tokens};
use crate::infra::limits::{self, Admission, Counted, Ip, Limit, Limited};
use crate::infra::mail::{Letter, MailKind};
use crate::infra::totp::Code;
use crate::kernel::access::{Level, Origin, Proofs, Proven, User, Viewer};
use crate::kernel::acting::Acting;
use crate::kernel::id::UserId;

/// What slows down whoever answers challenges that are none, or wrongly (BF-09).
pub(crate) static CHALLENGES: Limit<Ip> = Limit::failures("completeSignIn.ip", 30, 60);
/// What slows down guessing at the codes of an app, however often and from wherever somebody signs in anew (MF-05).
pub(crate) static TOTP_CODES: Limit<limits::User> = Limit::failures("totp.user", 5, 15 * 60);
/// The same of recovery codes. Beside: who guesses at the one leaves the owner the other.
pub(crate) static RECOVERY_CODES: Limit<limits::User> =
    Limit::failures("recoveryCode.user", 5, 15 * 60);

/// What the answer to a challenge counts under: [`CHALLENGES`], [`TOTP_CODES`] and [`RECOVERY_CODES`].
pub(crate) type AnswerLimits<'a> =
    (&'a Limit<Ip>, &'a Limit<limits::User>, &'a Limit<limits::User>);

/// What a caller's proof counts under: [`TOTP_CODES`] and [`RECOVERY_CODES`].
pub(crate) type ProofLimits<'a> = (&'a Limit<limits::User>, &'a Limit<limits::User>);

/// After so few recovery codes are left their owner is told to make new ones.
const FEW: u64 = 3;

/// What somebody shows.
pub(crate) enum Shown {
    Totp(Code),
    RecoveryCode(RecoveryCode),
    Passkey(ShownPasskey),
}

/// What came of a caller's proof. Each is committed: what was shown is used up.
#[expect(clippy::large_enum_variant, reason = "made once a request, to be taken apart at once")]
enum Proved {
    Enough(User, Tokens),
    TooLittle,
    Nothing,
}

impl Shown {
    /// What counts its failures. A passkey cannot be guessed.
    fn counted(&self, (totp, recovery): ProofLimits<'_>, user: UserId) -> Option<Counted> {
        match self {
            Self::Totp(_) => Some(totp.of(user)),
            Self::RecoveryCode(_) => Some(recovery.of(user)),
            Self::Passkey(_) => None,
        }
    }
}

impl Factors {
    /// Completes a sign-in with the second factor that was asked for.
    pub(crate) async fn complete_sign_in(
        &self,
        origin: &Origin,
        challenge: &str,
        shown: &Shown,
        (by_ip, totp, recovery): AnswerLimits<'_>,
    ) -> Result<(User, Tokens), FactorError> {
        let admission = self.limits.attempt([by_ip.of(origin.ip)]).await?;
        let outcome = self.answer(origin, challenge, shown, (totp, recovery)).await;
        admission.settle(&outcome).await;
        outcome
    }

    async fn answer(
        &self,
        origin: &Origin,
        challenge: &str,
        shown: &Shown,
        limits: ProofLimits<'_>,
    ) -> Result<(User, Tokens), FactorError> {
        let challenge = PresentedChallenge::parse(Awaited::SecondFactor, challenge);
        let challenge = challenge.ok_or(FactorError::Challenge)?;
        let (db, now) = (self.db.reader(), self.clock.now());
        let user = self.sessions.unfinished(db, &challenge, now).await?;
        let user = user.ok_or(FactorError::Challenge)?.user;
        let admission = self.admit(shown.counted(limits, user)).await?;
        let complete = async |tx: Tx<'_>| -> Result<_, FactorError> {
            let user = Accounts::lock(&tx, user).await?.filter(|user| user.is_active);
            let user = user.ok_or(FactorError::Challenge)?;
            // Another answer may have used it up until the lock was got.
            let unfinished = self.sessions.unfinished(&tx, &challenge, tx.now()).await?;
            let unfinished = unfinished.ok_or(FactorError::Challenge)?;
            let bound_to = unfinished.id.0;
            let Some(proofs) = self.prove(&tx, &user, shown, bound_to).await? else {
                self.sessions.fail(&tx, &unfinished).await?;
                return Ok(tx.commit(Err(FactorError::Wrong { account: Some(user.id) })).await?);
            };
            let user = Accounts::note_sign_in(&tx, user).await?;
            let tokens = self.sessions.complete(&tx, &user, &unfinished, proofs).await?;
            Ok(tx.commit(Ok((user, tokens))).await?)
        };
        let acting = Acting::unknown(origin);
        let outcome = self.changes.run("complete a sign-in", acting, complete).await.flatten();
        if let Some(admission) = admission {
            admission.settle(&outcome).await;
        }
        outcome
    }

    /// Another credential for a caller who shows a factor: the session they call from stays theirs, with what the factor adds.
    pub(crate) async fn reauthenticate(
        &self,
        acting: Acting<'_>,
        cookie: Option<&str>,
        shown: &Shown,
        limits: ProofLimits<'_>,
    ) -> Result<(User, Tokens), FactorError> {
        let viewer = acting.caller()?;
        // Before a recovery code is used up for nothing.
        let is_code = matches!(shown, Shown::Totp(_) | Shown::RecoveryCode(_));
        if is_code && !viewer.proven.by.has_first_factor() {
            return Err(FactorError::Insufficient);
        }
        let admission = self.admit(shown.counted(limits, viewer.user.id)).await?;
        let prove = async |tx: Tx<'_>| -> Result<_, FactorError> {
            let user = User::clone(&self.sessions.caller(&tx).await?.user);
            let bound_to = viewer.session_id.0;
            let Some(proofs) = self.prove(&tx, &user, shown, bound_to).await? else {
                return Ok(tx.commit(Proved::Nothing).await?);
            };
            let level = viewer.proven.by.renewed_by(proofs).level();
            if self.sessions.needs_two_factors(&user) && level == Level::Aal1 {
                return Ok(tx.commit(Proved::TooLittle).await?);
            }
            let proven = Proven { at: tx.now(), by: proofs };
            let record = Record::of(kind::REAUTHENTICATED);
            let tokens = self.sessions.renew(&tx, &user, (viewer, cookie), record, proven).await?;
            Ok(tx.commit(Proved::Enough(user, tokens)).await?)
        };
        let outcome = match self.changes.run("prove with a factor", acting, prove).await {
            Ok(Proved::Enough(user, tokens)) => Ok((user, tokens)),
            Ok(Proved::TooLittle) => Err(FactorError::Insufficient),
            Ok(Proved::Nothing) => Err(self.failed(acting, viewer).await?),
            Err(error) => Err(error),
        };
        if let Some(admission) = admission {
            admission.settle(&outcome).await;
        }
        outcome
    }

    async fn admit(&self, counted: Option<Counted>) -> Result<Option<Admission>, Limited> {
        let Some(counted) = counted else { return Ok(None) };
        Ok(Some(self.limits.attempt([counted]).await?))
    }

    /// Counts a wrong proof for the session of whoever gave it, which ends with the last one that it has.
    async fn failed(
        &self,
        acting: Acting<'_>,
        viewer: &Viewer,
    ) -> Result<FactorError, FactorError> {
        let (session, user) = (viewer.session_id, viewer.user.id);
        self.sessions.count_failed_proof(acting.origin, session, user).await?;
        Ok(FactorError::Wrong { account: Some(user) })
    }

    /// What is shown proves of a user whose row the transaction has locked; `None` if it is wrong, which is counted.
    async fn prove(
        &self,
        tx: &Tx<'_>,
        user: &User,
        shown: &Shown,
        bound_to: Uuid,
    ) -> Result<Option<Proofs>, FactorError> {
        match shown {
            Shown::Passkey(passkey) => self.prove_by_passkey(tx, user, passkey, bound_to).await,
            Shown::Totp(code) => self.prove_by_app(tx, user, code).await,
            Shown::RecoveryCode(code) => {
                if !recovery_codes::redeem(tx, user.id, code).await? {
                    return Ok(None);
                }
                // Whoever has one is the owner, and not who has guessed at the app's codes.
                totp::reset_failures(tx, user.id).await?;
                tx.note(Record::of(kind::RECOVERY_CODE_USED).about(user.id).by(user.id));
                let kind = match recovery_codes::count_left(tx, user.id).await? <= FEW {
                    true => MailKind::RecoveryCodesLow,
                    false => MailKind::RecoveryCodeUsed,
                };
                tx.write(Letter::to(user, kind, tx.acting().origin)).await?;
                Ok(Some(Proofs::ONE_TIME_CODE))
            }
        }
    }

    async fn prove_by_app(
        &self,
        tx: &Tx<'_>,
        user: &User,
        code: &Code,
    ) -> Result<Option<Proofs>, FactorError> {
        match totp::redeem(tx, &self.master, user.id, code).await {
            Ok(()) => return Ok(Some(Proofs::ONE_TIME_CODE)),
            // A code that was right once is no guess.
            Err(RedeemError::NotEnrolled | RedeemError::Used | RedeemError::Shut) => {}
            Err(RedeemError::WrongCode) => {
                if totp::count_failure(tx, user.id).await? {
                    tx.record(kind::TOTP_LOCKED, user.id);
                    tx.write(Letter::to(user, MailKind::TotpLocked, tx.acting().origin)).await?;
                    tracing::warn!(user.id = %user.id, "too many wrong codes in a row: the authenticator app is locked");
                }
            }
            Err(RedeemError::Fault(fault)) => return Err(fault.into()),
        }
        Ok(None)
    }
}
