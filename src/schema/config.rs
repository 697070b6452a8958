//! The settings of this server that its pages need before anybody has signed in.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use portcullis_macros::rules;

use crate::features::accounts::{Accounts, Admission};
use crate::features::sessions::{self, Sessions};
use crate::graphql::context::ContextExt;
use crate::graphql::feature::{Offered, ServerFeature};
use crate::infra::passwords::policy::LENGTH_MAX;

/// Who can create an account without the operator.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Admission")]
pub(crate) enum RegistrationMode {
    /// Everybody, through `register`.
    Open,
    /// People whom an admin invites.
    Invite,
    /// Nobody: only the operator creates accounts.
    Closed,
}

/// Who must have a second factor. A user of this kind who has none sets one up when they sign in: see
/// EnrollmentRequired.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "sessions::SecondFactorRequirement")]
pub(crate) enum SecondFactorRequirement {
    /// Nobody: users decide for themselves.
    Off,
    /// Admins.
    Admins,
    /// Everybody.
    All,
}

/// The rules for a new password. Beyond these, the server refuses common passwords and those that name the account.
#[derive(SimpleObject)]
pub(crate) struct PasswordRules {
    /// The minimum number of characters.
    length_min: u32,
    /// The maximum number of characters.
    length_max: u32,
}

/// Settings of this server. They change only when the server restarts. Query.signInProviders lists the providers that
/// users can sign in with.
#[derive(SimpleObject)]
#[graphql(name = "Config")]
pub(crate) struct ServerConfig {
    /// An id that is always the same, so that client caches can merge answers. Query.node does not accept it.
    id: ID,
    /// Who can create an account without the operator. Unless the value is OPEN, `register` fails with FORBIDDEN.
    registration: RegistrationMode,
    /// Whether `register` creates the account only after its owner verifies the email address.
    verification_required: bool,
    /// The features that this server offers. Fields with @needs require some of them.
    features: Vec<ServerFeature>,
    /// Who must have a second factor, new accounts included.
    second_factor_requirement: SecondFactorRequirement,
    /// The rules for new passwords.
    password: PasswordRules,
    /// The version of the server.
    version: &'static str,
}

#[derive(Default)]
pub(crate) struct ConfigQuery;

#[rules(query)]
#[Object]
impl ConfigQuery {
    /// The settings of this server that clients need. For the providers that users can sign in with, see
    /// signInProviders.
    #[public]
    async fn config(&self, ctx: &Context<'_>) -> ServerConfig {
        let accounts = ctx.service::<Accounts>();
        let (registration, policy) = (accounts.registration(), accounts.password_policy());
        ServerConfig {
            id: "config".into(),
            registration: registration.admission.into(),
            verification_required: registration.requires_verification,
            features: ctx.service::<Offered>().0.clone(),
            second_factor_requirement: ctx.service::<Sessions>().requirement().into(),
            password: PasswordRules {
                length_min: u32::try_from(policy.length_min).unwrap_or(u32::MAX),
                length_max: u32::try_from(LENGTH_MAX).unwrap_or(u32::MAX),
            },
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
