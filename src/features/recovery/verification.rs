//! What a link to verify an address does, and for whom.

use chrono::TimeDelta;

use crate::features::accounts::identity::{Email, Identifier};
use crate::features::accounts::{Accounts, Choice, PendingAccount, verification};
use crate::features::audit::kind;
use crate::features::change::Tx;
use crate::features::links::{self, Found, LinkError, LinkToken, New, Purpose};
use crate::infra::limits::{self, Limit};
use crate::infra::mail::{Letter, MailKind};
use crate::infra::passwords::hash::{PasswordHash, Verdict};
use crate::infra::passwords::policy::Password;
use crate::kernel::access::{Origin, Viewer};
use crate::kernel::acting::Acting;
use crate::kernel::id::UserId;
use crate::kernel::invalid::{Invalid, Reason};

use super::{
    LinkLimits, Recovery, RecoveryError, RequestLimits, asked, lock_addressee, requested, store,
};

/// What shows whose an account is, beside the link.
#[derive(Clone, Copy)]
pub(crate) struct Claim<'a> {
    /// The caller, if they are signed in.
    pub(crate) viewer: Option<&'a Viewer>,
    /// The password that the account, or the registration, has.
    pub(crate) password: Option<&'a Password>,
    /// Another one, for who has not chosen that.
    pub(crate) new_password: Option<&'a str>,
    /// Another username for a registration.
    pub(crate) username: Option<&'a str>,
}

/// How.
#[derive(Clone, Copy)]
enum Proof<'a> {
    Session(&'a Viewer),
    Password,
}

impl<'a> Proof<'a> {
    fn session(self) -> Option<&'a Viewer> {
        match self {
            Self::Session(viewer) => Some(viewer),
            Self::Password => None,
        }
    }
}

/// For so long a link that verifies the address of an account may give it another password: as long as nothing
/// else that is mailed takes over an account that somebody uses (RS-01).
const CHOICE_MAX: TimeDelta = TimeDelta::hours(1);

impl Recovery {
    /// Mails an address whose account, or registration, waits for its proof another link.
    pub(crate) async fn request_verification(
        &self,
        origin: &Origin,
        email: &str,
        limits: RequestLimits<'_>,
    ) -> Result<(), RecoveryError> {
        let email = Email::parse(email)
            .map_err(|invalid| RecoveryError::Invalid(invalid.at("input.email")))?;
        self.limits.take(requested(limits, origin, email.key())).await?;
        let write = async |tx: Tx<'_>| {
            let (now, origin) = (tx.now(), tx.acting().origin);
            let owner =
                Accounts::identified(&tx, &Identifier::Email(email.key().to_owned())).await?;
            let id = owner.map_or_else(|| UserId::new(now), |owner| owner.id);
            let owner = Accounts::lock(&tx, id).await?;
            let registration = links::find_registration(&tx, now, email.key()).await?;
            let waiting = owner.as_ref().filter(|user| user.is_active && !user.email_verified);
            let new = New {
                purpose: if waiting.is_some() { Purpose::Verification } else { Purpose::Nothing },
                user: waiting.map(|user| user.id),
                email_key: email.key(),
            };
            let registration = registration.filter(|_| waiting.is_none());
            let token = match &registration {
                Some(registration) => links::issue_again(&tx, now, registration).await?,
                None => links::issue(&tx, now, new, None::<&()>).await?,
            };
            if let Some(user) = waiting {
                let letter = Letter::to(user, MailKind::VerifyEmail, origin);
                tx.write(letter.with(token.expose())).await?;
            } else if let Some(registration) = registration {
                let pending: PendingAccount = registration.details()?;
                tx.write(verification(&pending, origin, token.expose())).await?;
            } else {
                let letter = Letter::to_nobody(MailKind::VerifyEmail, origin, token.expose());
                tx.pretend(letter).await?;
            }
            tx.note(asked(kind::VERIFICATION_REQUESTED, waiting.map(|user| user.id)));
            Ok(tx.commit(()).await?)
        };
        self.changes.run("ask for a verification", Acting::unknown(origin), write).await
    }

    /// Does what a link to verify an address is for: makes the account that was waiting for it, or marks
    /// the address of an account as its owner's, or gives an account the address. Whose account it is, the
    /// claim says.
    pub(crate) async fn verify(
        &self,
        origin: &Origin,
        token: Option<&LinkToken>,
        claim: Claim<'_>,
        (failures, passwords): LinkLimits<'_>,
    ) -> Result<(), RecoveryError> {
        let verify = self.verify_admitted(origin, token, claim, passwords);
        self.link_gate.admit(origin, token, failures, verify).await
    }

    async fn verify_admitted(
        &self,
        origin: &Origin,
        token: Option<&LinkToken>,
        claim: Claim<'_>,
        passwords: &Limit<limits::Identifier>,
    ) -> Result<(), RecoveryError> {
        let purposes = [Purpose::Registration, Purpose::Verification, Purpose::EmailChange];
        let now = self.clock.now();
        let found = links::find(self.db.reader(), now, token, &purposes).await?;
        match (found.purpose, found.user) {
            (Purpose::Registration, _) => {
                self.verify_registration(origin, &found, claim, passwords).await
            }
            (Purpose::EmailChange, Some(id)) => {
                let proof = self.check_claim(&found, id, claim, passwords).await?;
                let proof = proof.ok_or_else(|| {
                    let message = "Enter the password of this account, or sign in to it first.";
                    let required = Invalid::new(Reason::Required, message);
                    RecoveryError::Invalid(required.at("input.password"))
                })?;
                Ok(self.accounts.complete_email_change(origin, &found, proof.session()).await?)
            }
            (_, Some(id)) => {
                let proof = self.check_claim(&found, id, claim, passwords).await?;
                match (proof, claim.new_password) {
                    (Some(proof), _) => {
                        let verify = |tx| self.verify_address(tx, &found, id, proof);
                        let acting = Acting::user(id, origin);
                        self.changes.run("verify an address", acting, verify).await
                    }
                    (None, Some(_)) if now - found.created_at >= CHOICE_MAX => {
                        let message = "This link is too old to choose a new password. Request a mail to \
                                       reset it.";
                        let expired = Invalid::new(Reason::Expired, message);
                        Err(RecoveryError::Invalid(expired.at("input.newPassword")))
                    }
                    (None, Some(new)) => {
                        self.give_password(origin, &found, id, new, passwords).await.map(drop)
                    }
                    (None, None) => Err(password_required()),
                }
            }
            (_, None) => Err(LinkError::Invalid.into()),
        }
    }

    async fn verify_registration(
        &self,
        origin: &Origin,
        found: &Found,
        claim: Claim<'_>,
        passwords: &Limit<limits::Identifier>,
    ) -> Result<(), RecoveryError> {
        let pending: PendingAccount = found.details()?;
        let choice = match (claim.password, claim.new_password) {
            (Some(password), _) => {
                self.limits.take([passwords.of(&found.email_key)]).await?;
                self.check_password(password, pending.password_hash()).await?;
                Choice::AsTyped { username: claim.username }
            }
            (None, Some(password)) => {
                self.limits.take([passwords.of(&found.email_key)]).await?;
                Choice::Anew { username: claim.username, password }
            }
            (None, None) => return Err(password_required()),
        };
        self.accounts.complete_registration(origin, found, pending, choice).await?;
        Ok(())
    }

    /// What shows that the account is the caller's: a session of it or its password; `None` where neither is
    /// given.
    async fn check_claim<'a>(
        &self,
        found: &Found,
        id: UserId,
        claim: Claim<'a>,
        passwords: &Limit<limits::Identifier>,
    ) -> Result<Option<Proof<'a>>, RecoveryError> {
        if let Some(viewer) = claim.viewer.filter(|viewer| viewer.user.id == id) {
            return Ok(Some(Proof::Session(viewer)));
        }
        let Some(password) = claim.password else { return Ok(None) };
        self.limits.take([passwords.of(&found.email_key)]).await?;
        let hash = store::find_password(self.db.reader(), id).await?;
        self.check_password(password, hash.ok_or(LinkError::Invalid)?).await?;
        Ok(Some(Proof::Password))
    }

    async fn check_password(
        &self,
        password: &Password,
        hash: PasswordHash,
    ) -> Result<(), RecoveryError> {
        match self.hasher.verify(password, Some(&hash)).await? {
            Verdict::Right | Verdict::RightButOutdated => Ok(()),
            Verdict::Wrong => Err(RecoveryError::WrongPassword),
        }
    }

    async fn verify_address(
        &self,
        tx: Tx<'_>,
        found: &Found,
        id: UserId,
        proof: Proof<'_>,
    ) -> Result<(), RecoveryError> {
        lock_addressee(&tx, found, id).await?;
        // It may have ended since the request began.
        if let Some(viewer) = proof.session()
            && !self.sessions.is_alive(&tx, viewer).await?
        {
            return Err(password_required());
        }
        links::take(&tx, found, tx.now()).await?;
        store::verify_email(&tx, id).await?;
        tx.record(kind::EMAIL_VERIFIED, id);
        Ok(tx.commit(()).await?)
    }
}

/// Of the reader of a mail is known that the address is theirs, and not yet that the account is.
fn password_required() -> RecoveryError {
    let message =
        "Enter the password of this account, or choose a new one if you did not choose it.";
    RecoveryError::Invalid(Invalid::new(Reason::Required, message).at("input.password"))
}
