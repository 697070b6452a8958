//! The settings of this server that its pages need before anybody has signed in.

use async_graphql::{Context, Enum, Object, SimpleObject};
use portcullis_macros::rules;

use crate::features::accounts::{Accounts, Admission};
use crate::graphql::context::ContextExt;
use crate::graphql::feature::{Offered, ServerFeature};
use crate::infra::passwords::policy::LENGTH_MAX;

/// Who can get an account without the operator.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Admission")]
pub(crate) enum RegistrationMode {
    /// Everybody, by `register`.
    Open,
    /// Those whom an admin invites.
    Invite,
    /// Nobody.
    Closed,
}

/// The rules for a new password, beside those that need the password itself: it must not be common, and not name its
/// account.
#[derive(SimpleObject)]
pub(crate) struct PasswordRules {
    /// The fewest characters.
    length_min: u32,
    /// The most characters.
    length_max: u32,
}

/// Settings of this server. They change only with its restart.
#[derive(SimpleObject)]
#[graphql(name = "Config")]
pub(crate) struct ServerConfig {
    /// Who can get an account without the operator. Unless it is OPEN, `register` is answered FORBIDDEN.
    registration: RegistrationMode,
    /// Whether `register` makes the account only after its address is verified.
    verification_required: bool,
    /// What this server is set up for. A field with @needs takes some of it.
    features: Vec<ServerFeature>,
    /// The rules for a new password.
    password: PasswordRules,
    /// The version of the server.
    version: &'static str,
}

#[derive(Default)]
pub(crate) struct ConfigQuery;

#[rules(query)]
#[Object]
impl ConfigQuery {
    /// The settings of this server that its pages need.
    #[public]
    async fn config(&self, ctx: &Context<'_>) -> ServerConfig {
        let accounts = ctx.service::<Accounts>();
        let (registration, policy) = (accounts.registration(), accounts.password_policy());
        ServerConfig {
            registration: registration.admission.into(),
            verification_required: registration.requires_verification,
            features: ctx.service::<Offered>().0.clone(),
            password: PasswordRules {
                length_min: u32::try_from(policy.length_min).unwrap_or(u32::MAX),
                length_max: u32::try_from(LENGTH_MAX).unwrap_or(u32::MAX),
            },
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
