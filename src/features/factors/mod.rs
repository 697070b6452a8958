//! Second factors: what somebody proves beside a password or a provider's word, or, with a passkey, in the place of both.
//!
//! How one is set up is [`enrolling`], how it completes a sign-in or proves a caller anew is [`proving`], and how it is given up is
//! [`removal`]. What users hold for it is in [`authenticators`].

mod ceremony;
mod enrolling;
mod export;
mod own_passkeys;
mod passkeys;
mod proving;
mod removal;

use std::sync::Arc;

use portcullis_webauthn::{RelyingParty, VerificationError};

pub(crate) use self::ceremony::CEREMONY_TTL_SECONDS;
pub(crate) use self::enrolling::{Enrolled, Enroller, TotpSetup};
pub(crate) use self::export::HOLDING;
pub(crate) use self::passkeys::{Begun, CEREMONIES, FAILURES, ShownPasskey};
pub(crate) use self::proving::{CHALLENGES, RECOVERY_CODES, Shown, TOTP_CODES};
use crate::features::accounts::Accounts;
use crate::features::authenticators::{self, Held};
use crate::features::change::{Changes, Fault, with_fault};
use crate::features::sessions::{SecondFactorRequirement, Sessions, Tools};
use crate::infra::db::Db;
use crate::infra::keys::Master;
use crate::infra::limits::{Judged, Limited, Limits};
use crate::kernel::access::{Factor, User, Viewer};
use crate::kernel::clock::Clock;
use crate::kernel::id::UserId;

/// Why a factor proved nothing, or was neither set up nor given up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FactorError {
    #[error("the challenge has expired, is void, or has another purpose")]
    Challenge,
    /// A code that is wrong, used or shut.
    #[error("the proof does not belong to the account")]
    Wrong {
        /// For the audit log only; nobody is told.
        account: Option<UserId>,
    },
    #[error("the code does not match the mailed code")]
    WrongMailedCode,
    #[error("the proof is not sufficient for the account")]
    Insufficient,
    #[error("the setup of this factor was not started")]
    NotEnrolling,
    #[error("the account has no authenticator app")]
    NoTotp,
    #[error("the account has no second factor")]
    Off,
    #[error("the account has a second factor")]
    On,
    #[error("the account has no passkey or authenticator app")]
    NothingToAskFor,
    #[error("the account must keep a second factor")]
    Required,
    #[error("the account has no other way to sign in")]
    LastWayIn,
    #[error("this server has no domain for passkeys")]
    NoPasskeys,
    #[error("the ceremony has expired, was already used, or belongs to another user or purpose")]
    Ceremony,
    #[error("the server rejects the passkey of the authenticator")]
    Registration(#[source] VerificationError),
    #[error("no account has this passkey")]
    UnknownPasskey,
    #[error("the account does not have this passkey")]
    NoPasskey,
    #[error("the passkey is already registered")]
    PasskeyTaken,
    #[error("the account has too many passkeys")]
    TooManyPasskeys,
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(FactorError);

impl Judged for FactorError {
    fn is_ours(&self) -> bool {
        matches!(self, Self::Fault(fault) if fault.is_ours())
    }

    fn is_failure(&self) -> bool {
        matches!(
            self,
            Self::Challenge
                | Self::Wrong { .. }
                | Self::WrongMailedCode
                | Self::Ceremony
                | Self::Registration(_)
                | Self::UnknownPasskey
        )
    }
}

/// Sets factors up, asks for them and gives them up.
#[derive(Clone)]
pub(crate) struct Factors {
    db: Db,
    clock: Clock,
    limits: Limits,
    changes: Changes,
    sessions: Sessions,
    accounts: Accounts,
    master: Arc<Master>,
    /// What the server is called in apps that tell codes.
    issuer: String,
    requirement: SecondFactorRequirement,
    /// Who passkeys are made for; none where the server has no domain.
    relying_party: Option<Arc<RelyingParty>>,
}

/// How second factors are set up on this server.
pub(crate) struct Setup {
    pub(crate) master: Arc<Master>,
    /// What the server is called in apps that tell codes.
    pub(crate) issuer: String,
    pub(crate) requirement: SecondFactorRequirement,
    pub(crate) relying_party: Option<Arc<RelyingParty>>,
}

impl Factors {
    pub(crate) fn new(
        tools: Tools,
        accounts: Accounts,
        Setup { master, issuer, requirement, relying_party }: Setup,
    ) -> Self {
        let Tools { db, clock, limits, changes, sessions, .. } = tools;
        Self {
            db,
            clock,
            limits,
            changes,
            sessions,
            accounts,
            master,
            issuer,
            requirement,
            relying_party,
        }
    }

    /// Whether it takes two factors to act in an account.
    pub(crate) fn needs_two_factors(&self, user: &User) -> bool {
        self.sessions.needs_two_factors(user)
    }

    /// Whether this server can have passkeys.
    pub(crate) fn has_passkeys(&self) -> bool {
        self.relying_party.is_some()
    }

    /// What a user has.
    pub(crate) async fn held(&self, user: UserId) -> Result<Held, sea_orm::DbErr> {
        authenticators::held(self.db.reader(), user).await
    }

    /// What of a caller's factors would prove enough of who they are. Without a second factor their passkeys do.
    pub(crate) async fn satisfying(&self, viewer: &Viewer) -> Result<Vec<Factor>, sea_orm::DbErr> {
        let held = self.held(viewer.user.id).await?;
        let needs_two = self.needs_two_factors(&viewer.user);
        let has_begun = viewer.proven.by.has_first_factor() || !needs_two;
        let is_enough = |factor: &Factor| match factor {
            Factor::Passkey => has_begun || held.passkeys_alone > 0,
            Factor::Totp | Factor::RecoveryCode => has_begun,
            Factor::Password | Factor::Provider => false,
        };
        Ok(held.second_factors().into_iter().filter(is_enough).collect())
    }
}
