//! What a signed-in caller's password is good for: proving again who they are, and choosing another.
//!
//! Whoever holds a session is no stranger: what strangers guess does not hold them up, and too many wrong
//! passwords end the session, so that a stolen access token guesses ten times (PW-10, BF-11).

use super::guesses::HolderLimits;
use super::{Attempt, CHECKS_MAX, Guesser, Login, LoginError, store};
use crate::features::accounts::Accounts;
use crate::features::accounts::identity::Identifier;
use crate::features::audit::kind;
use crate::features::change::{Fault, Tx, with_fault};
use crate::features::links;
use crate::features::sessions::{Admitted, EndReason, Tokens};
use crate::infra::limits::{Admission, Judged, Limited};
use crate::infra::mail::{Letter, MailKind};
use crate::infra::passwords::hash::{HashError, PasswordHash};
use crate::infra::passwords::policy::Password;
use crate::kernel::access::{Level, Origin, Proofs, Proven, User, Viewer};
use crate::kernel::acting::Acting;
use crate::kernel::invalid::Problem;

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("the new password is invalid")]
    Invalid(Problem),
    #[error("the account already has a password: change it instead")]
    HasPassword,
    #[error(transparent)]
    Login(LoginError),
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(ChangeError);

impl From<LoginError> for ChangeError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Fault(fault) => Self::Fault(fault),
            error => Self::Login(error),
        }
    }
}

impl From<HashError> for ChangeError {
    fn from(error: HashError) -> Self {
        Self::Login(error.into())
    }
}

impl Judged for ChangeError {
    fn is_ours(&self) -> bool {
        match self {
            Self::Login(error) => error.is_ours(),
            Self::Fault(fault) => fault.is_ours(),
            Self::Invalid(_) | Self::HasPassword => false,
        }
    }

    fn is_failure(&self) -> bool {
        !matches!(self, Self::Fault(_) | Self::HasPassword)
    }
}

impl Login {
    /// Exchanges the caller's password, and the session they call from, for another session: what
    /// was known of the old one is worth nothing afterwards (RT-13). Where a cookie is the session, another cookie takes its
    /// place.
    pub(crate) async fn reauthenticate(
        &self,
        acting: Acting<'_>,
        cookie: Option<&str>,
        password: &Password,
        limits: HolderLimits<'_>,
    ) -> Result<(User, Tokens), LoginError> {
        let (viewer, origin) = (acting.caller()?, acting.origin);
        if self.sessions.needs_two_factors(&viewer.user) {
            return Err(LoginError::SecondFactorNeeded);
        }
        let admission = self.admit_holder(viewer, limits).await?;
        let guesser = Guesser::Session(viewer, cookie);
        let outcome = self.sign_in(origin, &identifier_of(viewer), password, guesser).await;
        admission.settle(&outcome).await;
        match outcome? {
            (user, Admitted::Session(tokens)) => Ok((user, tokens)),
            (_, Admitted::SecondFactorRequired(_) | Admitted::EnrollmentRequired(_)) => {
                Err(LoginError::SecondFactorNeeded)
            }
        }
    }

    /// The password that the caller chooses, if it is good enough.
    fn acceptable(&self, viewer: &Viewer, new: &str) -> Result<Password, ChangeError> {
        let new = self.accounts.new_password(&viewer.user, new);
        new.map_err(|invalid| ChangeError::Invalid(invalid.at("input.newPassword")))
    }

    async fn admit_holder(
        &self,
        viewer: &Viewer,
        (of_user, in_session): HolderLimits<'_>,
    ) -> Result<Admission, Limited> {
        let holder = [of_user.of(viewer.user.id), in_session.of(viewer.session_id)];
        self.limits.attempt(holder).await
    }

    /// Gives the caller the password they choose, and ends their other sessions: whoever knew the old
    /// one may be signed in with it. A cookie is replaced, since somebody may have copied it.
    pub(crate) async fn change_password(
        &self,
        acting: Acting<'_>,
        cookie: Option<&str>,
        current: &Password,
        new: &str,
        limits: HolderLimits<'_>,
    ) -> Result<(User, Option<Tokens>), ChangeError> {
        let (viewer, origin) = (acting.caller()?, acting.origin);
        let new = self.acceptable(viewer, new)?;
        let admission = self.admit_holder(viewer, limits).await.map_err(LoginError::from)?;
        let outcome = self.change_admitted(origin, (viewer, cookie), current, &new).await;
        admission.settle(&outcome).await;
        outcome
    }

    /// Gives the caller a password, if they have none, and ends their other sessions: whoever can choose one may have been
    /// somebody else until now.
    pub(crate) async fn set_password(
        &self,
        acting: Acting<'_>,
        cookie: Option<&str>,
        new: &str,
        limits: HolderLimits<'_>,
    ) -> Result<(User, Option<Tokens>), ChangeError> {
        let (viewer, origin) = (acting.caller()?, acting.origin);
        let new = self.acceptable(viewer, new)?;
        if Accounts::has_password(self.db.reader(), viewer.user.id).await? {
            return Err(ChangeError::HasPassword);
        }
        let admission = self.admit_holder(viewer, limits).await.map_err(LoginError::from)?;
        let set = async {
            let hash = self.hasher.hash(&new).await?;
            let replacement = (&PasswordHash::none(), &hash);
            let set = self.replace(origin, (viewer, cookie), &viewer.user, replacement).await?;
            let raised = set.ok_or(ChangeError::HasPassword)?;
            Ok((User::clone(&viewer.user), raised))
        };
        let outcome = set.await;
        admission.settle(&outcome).await;
        outcome
    }

    async fn change_admitted(
        &self,
        origin: &Origin,
        (viewer, cookie): (&Viewer, Option<&str>),
        current: &Password,
        new: &Password,
    ) -> Result<(User, Option<Tokens>), ChangeError> {
        let hash = self.hasher.hash(new).await?;
        let mut account = None;
        let identifier = identifier_of(viewer);
        let attempt = Attempt {
            origin,
            identifier: &identifier,
            password: current,
            guesser: Guesser::Session(viewer, None),
            is_paused: false,
        };
        for _ in 0..CHECKS_MAX {
            let found = store::find(&self.db, &identifier).await?;
            let verified = self.verify(&attempt, found).await?;
            account = Some(verified.user.id);
            let (user, replacement) = (&verified.user, (&verified.hash, &hash));
            // Another sign-in may have rewritten an outdated hash meanwhile: then the password is checked again.
            if let Some(raised) = self.replace(origin, (viewer, cookie), user, replacement).await? {
                return Ok((verified.user, raised));
            }
        }
        Err(LoginError::InvalidCredentials { account }.into())
    }

    /// Writes another hash in the place of the one that the caller has; `None` if they have another by now.
    async fn replace(
        &self,
        origin: &Origin,
        (viewer, cookie): (&Viewer, Option<&str>),
        user: &User,
        (before, hash): (&PasswordHash, &PasswordHash),
    ) -> Result<Option<Option<Tokens>>, ChangeError> {
        let change = async |tx: Tx<'_>| -> Result<Option<Option<Tokens>>, ChangeError> {
            if !store::update_password(&tx, user.id, before, hash).await? {
                return Ok(None);
            }
            self.sessions.confirmed(&tx, viewer).await?;
            let (kept, reason) = (viewer.session_id, EndReason::PasswordChanged);
            self.sessions.end_others(&tx, user.id, kept, reason).await?;
            links::void_by_holder(&tx, user).await?;
            let proven = match viewer.proven.by.level() {
                Level::Aal1 => Proven { at: tx.now(), by: Proofs::PASSWORD },
                // A password adds nothing to two factors, and must not take from them.
                Level::Aal2 => viewer.proven,
            };
            tx.record(kind::PASSWORD_CHANGED, user.id);
            tx.write(Letter::to(user, MailKind::PasswordChanged, tx.acting().origin)).await?;
            let raised = match cookie {
                Some(cookie) => Some(self.sessions.raise(&tx, viewer, cookie, proven).await?),
                None => None,
            };
            Ok(tx.commit(Some(raised)).await?)
        };
        let acting = Acting::viewer(viewer, origin);
        self.changes.run("change a password", acting, change).await
    }
}

/// The caller, as the limits of signing in know them.
fn identifier_of(viewer: &Viewer) -> Identifier {
    Identifier::parse(&viewer.user.username)
}
