//! How an account gets a second factor: its owner sets one up, signed in or because a sign-in asks for one.

use uuid::Uuid;
use zeroize::Zeroizing;

use super::{FactorError, Factors};
use crate::features::audit::kind;
use crate::features::authenticators::recovery_codes::{self, RecoveryCode};
use crate::features::authenticators::totp::{self, ConfirmError};
use crate::features::change::Tx;
use crate::features::sessions::{
    Awaited, EndReason, MailedCode, PresentedChallenge, Sessions, Tokens, Unfinished,
};
use crate::features::{accounts::Accounts, authenticators};
use crate::infra::limits::{self, Ip, Limit};
use crate::infra::mail::{Letter, MailKind};
use crate::infra::totp::Code;
use crate::kernel::access::{Level, Origin, Proofs, User, Viewer};
use crate::kernel::acting::Acting;
use crate::kernel::id::UserId;

/// What setting a factor up counts under: by the address, and of newcomers by their account.
pub(crate) type EnrollmentLimits<'a> = (&'a Limit<Ip>, &'a Limit<limits::User>);

/// Who sets a factor up.
#[derive(Clone, Copy)]
pub(crate) enum Enroller<'a> {
    /// A caller in their session.
    Holder(&'a Viewer, &'a Origin),
    /// Somebody whose sign-in asks for it, with what that answered and the code that was mailed, if one was.
    Newcomer { origin: &'a Origin, enrollment: &'a str, mailed_code: Option<&'a str> },
}

/// What sets up an authenticator app.
pub(crate) struct TotpSetup {
    /// To be typed, in base32.
    pub(crate) secret: Zeroizing<String>,
    /// What the app reads from a QR code.
    pub(crate) otpauth_url: Zeroizing<String>,
}

/// What somebody gets who has set a factor up.
pub(crate) struct Enrolled {
    pub(crate) user: User,
    /// Those that the account has from now on; none if those before stay valid.
    pub(crate) recovery_codes: Option<Vec<RecoveryCode>>,
    /// The session of a sign-in that asked for the factor.
    pub(crate) tokens: Option<Tokens>,
}

impl Enrolled {
    /// Of somebody who was signed in, and whose account has what it had beside.
    pub(super) fn nothing_more(user: User) -> Self {
        Self { user, recovery_codes: None, tokens: None }
    }
}

/// Who sets a factor up, as the transaction has locked them.
pub(super) struct Enrolling {
    pub(super) user: User,
    /// What has to begin and to finish the set-up: a session, or a sign-in.
    pub(super) bound_to: Uuid,
    unfinished: Option<(Unfinished, PresentedChallenge)>,
}

impl<'a> Enroller<'a> {
    pub(super) fn acting(self) -> Acting<'a> {
        match self {
            Self::Holder(viewer, origin) => Acting::viewer(viewer, origin),
            Self::Newcomer { origin, .. } => Acting::unknown(origin),
        }
    }
}

impl Factors {
    /// Draws a seed for an authenticator app. It tells no valid codes until one of them is confirmed, and one that the account
    /// has stays valid until then (MF-02).
    pub(crate) async fn start_totp(
        &self,
        enroller: Enroller<'_>,
        failures: &Limit<Ip>,
    ) -> Result<TotpSetup, FactorError> {
        let admission = self.limits.attempt([failures.of(enroller.acting().origin.ip)]).await?;
        let outcome = self.draw_seed(enroller).await;
        admission.settle(&outcome).await;
        outcome
    }

    async fn draw_seed(&self, enroller: Enroller<'_>) -> Result<TotpSetup, FactorError> {
        self.newcomer(enroller).await?;
        let start = async |tx: Tx<'_>| {
            let Enrolling { user, bound_to, .. } = self.enrolling(&tx, enroller).await?;
            let seed = totp::begin(&tx, &self.master, user.id, bound_to).await?;
            let otpauth_url = seed.otpauth_url(&self.issuer, &user.username)?;
            Ok(tx.commit(TotpSetup { secret: seed.base32(), otpauth_url }).await?)
        };
        self.changes.run("set up codes", enroller.acting(), start).await
    }

    /// Confirms with a code that an app has the seed, which counts from then on.
    pub(crate) async fn confirm_totp(
        &self,
        enroller: Enroller<'_>,
        code: &Code,
        limits: EnrollmentLimits<'_>,
    ) -> Result<Enrolled, FactorError> {
        self.admitted(enroller, limits, self.confirm(enroller, code)).await
    }

    /// Sets something up under the limits: by the address, and of a newcomer by their account.
    pub(super) async fn admitted<T>(
        &self,
        enroller: Enroller<'_>,
        (failures, codes): EnrollmentLimits<'_>,
        set_up: impl Future<Output = Result<T, FactorError>>,
    ) -> Result<T, FactorError> {
        let admission = self.limits.attempt([failures.of(enroller.acting().origin.ip)]).await?;
        let of_account = async {
            let Some(user) = self.newcomer(enroller).await? else { return set_up.await };
            let admission = self.limits.attempt([codes.of(user)]).await?;
            let outcome = set_up.await;
            admission.settle(&outcome).await;
            outcome
        };
        let outcome = Box::pin(of_account).await;
        admission.settle(&outcome).await;
        outcome
    }

    /// The account of a newcomer. A look that costs no lock: it is judged again under one.
    pub(super) async fn newcomer(
        &self,
        enroller: Enroller<'_>,
    ) -> Result<Option<UserId>, FactorError> {
        let Enroller::Newcomer { enrollment, .. } = enroller else { return Ok(None) };
        let presented = PresentedChallenge::parse(Awaited::Enrollment, enrollment);
        let presented = presented.ok_or(FactorError::Challenge)?;
        let (db, now) = (self.db.reader(), self.clock.now());
        let found = self.sessions.unfinished(db, &presented, now).await?;
        Ok(Some(found.ok_or(FactorError::Challenge)?.user))
    }

    async fn confirm(&self, enroller: Enroller<'_>, code: &Code) -> Result<Enrolled, FactorError> {
        let confirm = async |tx: Tx<'_>| -> Result<Result<Enrolled, FactorError>, FactorError> {
            let enrolling = self.enrolling(&tx, enroller).await?;
            if let Some(refused) = self.refused_code(&tx, enroller, &enrolling).await? {
                return Ok(tx.commit(Err(refused)).await?);
            }
            let (id, bound_to) = (enrolling.user.id, enrolling.bound_to);
            match totp::confirm(&tx, &self.master, id, bound_to, code).await {
                Ok(()) => {}
                Err(ConfirmError::NotBegun) => return Err(FactorError::NotEnrolling),
                Err(ConfirmError::WrongCode) => {
                    if let Some((unfinished, _)) = &enrolling.unfinished {
                        self.sessions.fail(&tx, unfinished).await?;
                    }
                    return Ok(tx.commit(Err(FactorError::Wrong { account: Some(id) })).await?);
                }
                Err(ConfirmError::Fault(fault)) => return Err(fault.into()),
            }
            if enrolling.user.second_factor {
                let kind = MailKind::SecondFactorChanged;
                tx.write(Letter::to(&enrolling.user, kind, tx.acting().origin)).await?;
            }
            tx.record(kind::TOTP_CONFIRMED, id);
            let led_to = self.enrolled(&tx, enroller, enrolling, Proofs::ONE_TIME_CODE).await?;
            Ok(tx.commit(Ok(led_to)).await?)
        };
        self.changes.run("confirm codes", enroller.acting(), confirm).await.flatten()
    }

    /// Has sign-ins ask for a passkey of the caller's as second factor.
    pub(crate) async fn turn_on(
        &self,
        acting: Acting<'_>,
    ) -> Result<(User, Vec<RecoveryCode>), FactorError> {
        let caller = acting.caller()?;
        let turn_on = async |tx: Tx<'_>| {
            let user = self.holder(&tx).await?;
            if user.second_factor {
                return Err(FactorError::On);
            }
            if authenticators::held(&tx, user.id).await?.passkeys == 0 {
                return Err(FactorError::NothingToAskFor);
            }
            let turned_on = self.on(&tx, user, Some(caller)).await?;
            Ok(tx.commit(turned_on).await?)
        };
        self.changes.run("turn a second factor on", acting, turn_on).await
    }

    /// Locks who sets a factor up.
    pub(super) async fn enrolling(
        &self,
        tx: &Tx<'_>,
        enroller: Enroller<'_>,
    ) -> Result<Enrolling, FactorError> {
        let enrollment = match enroller {
            Enroller::Holder(viewer, _) => {
                let user = User::clone(&self.sessions.caller(tx).await?.user);
                // What began before the account had a second factor may be a stranger's.
                if user.second_factor && viewer.proven.level(tx.now()) < Level::Aal2 {
                    return Err(FactorError::Insufficient);
                }
                let bound_to = viewer.session_id.0;
                return Ok(Enrolling { user, bound_to, unfinished: None });
            }
            Enroller::Newcomer { enrollment, .. } => enrollment,
        };
        let presented = PresentedChallenge::parse(Awaited::Enrollment, enrollment);
        let presented = presented.ok_or(FactorError::Challenge)?;
        let now = tx.now();
        let found = self.sessions.unfinished(tx, &presented, now).await?;
        let user = found.ok_or(FactorError::Challenge)?.user;
        let user = Accounts::lock(tx, user).await?.filter(|user| user.is_active);
        let user = user.ok_or(FactorError::Challenge)?;
        // Until the lock was got it may have been used up.
        let unfinished = self.sessions.unfinished(tx, &presented, now).await?;
        let unfinished = unfinished.ok_or(FactorError::Challenge)?;
        let bound_to = unfinished.id.0;
        Ok(Enrolling { user, bound_to, unfinished: Some((unfinished, presented)) })
    }

    /// Why a newcomer may not go on: the code that was mailed to them is another one, which is counted.
    pub(super) async fn refused_code(
        &self,
        tx: &Tx<'_>,
        enroller: Enroller<'_>,
        enrolling: &Enrolling,
    ) -> Result<Option<FactorError>, FactorError> {
        let Enroller::Newcomer { mailed_code, .. } = enroller else { return Ok(None) };
        let Some((unfinished, presented)) = &enrolling.unfinished else { return Ok(None) };
        let code = mailed_code.and_then(MailedCode::parse);
        if Sessions::is_mailed(unfinished, presented, code.as_ref()) {
            return Ok(None);
        }
        self.sessions.fail(tx, unfinished).await?;
        Ok(Some(FactorError::WrongMailedCode))
    }

    /// Turns the second factor on, if it was off, and completes the sign-in that has asked for it.
    pub(super) async fn enrolled(
        &self,
        tx: &Tx<'_>,
        enroller: Enroller<'_>,
        Enrolling { mut user, unfinished, .. }: Enrolling,
        shown: Proofs,
    ) -> Result<Enrolled, FactorError> {
        let mut recovery_codes = None;
        if !user.second_factor {
            let holder = match enroller {
                Enroller::Holder(viewer, _) => Some(viewer),
                Enroller::Newcomer { .. } => None,
            };
            let (turned_on, codes) = self.on(tx, user, holder).await?;
            (user, recovery_codes) = (turned_on, Some(codes));
        }
        let tokens = match &unfinished {
            None => None,
            Some((unfinished, _)) => {
                user = Accounts::note_sign_in(tx, user).await?;
                if unfinished.proves_address() && !user.email_verified {
                    // Whoever has typed the code reads the mail, and knew the password.
                    Accounts::verify(tx, &user).await?;
                    tx.record(kind::EMAIL_VERIFIED, user.id);
                    user.email_verified = true;
                }
                let tokens = self.sessions.complete_enrollment(tx, &user, unfinished, shown);
                Some(tokens.await?)
            }
        };
        self.sessions.void_challenges(tx, user.id).await?;
        Ok(Enrolled { user, recovery_codes, tokens })
    }

    /// Turns the second factor of an account on. Of a caller who does so all other sessions end: they began with less.
    async fn on(
        &self,
        tx: &Tx<'_>,
        user: User,
        holder: Option<&Viewer>,
    ) -> Result<(User, Vec<RecoveryCode>), FactorError> {
        authenticators::turn_on(tx, user.id).await?;
        let codes = recovery_codes::issue(tx, user.id).await?;
        tx.record(kind::SECOND_FACTOR_TURNED_ON, user.id);
        tx.write(Letter::to(&user, MailKind::SecondFactorOn, tx.acting().origin)).await?;
        if let Some(viewer) = holder {
            let (kept, reason) = (viewer.session_id, EndReason::SecondFactorChanged);
            self.sessions.end_others(tx, user.id, kept, reason).await?;
        }
        Ok((User { second_factor: true, ..user }, codes))
    }
}
