//! What not every server offers, and fields need.

use async_graphql::{Context, Enum};

use super::context::ContextExt;
use super::error::{ApiError, Result};

/// A feature that depends on the server's settings.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerFeature {
    /// Anybody can register: REGISTRATION is open.
    OpenRegistration,
    /// The server creates new accounts, at least by invitation: REGISTRATION is not closed.
    NewAccounts,
    /// The server sends mail: SMTP_URL is set, or the server runs in development, where it writes mails to files.
    Mail,
    /// The server has a domain for passkeys: PASSKEY_RP_ID, or else the host of PUBLIC_URL, is not an IP address.
    Passkeys,
}

/// What the server of a schema offers.
pub(crate) struct Offered(pub(crate) Vec<ServerFeature>);

impl ServerFeature {
    /// Lets every caller through if the server offers this, and nobody otherwise.
    pub fn check(self, ctx: &Context<'_>) -> Result<()> {
        let is_offered = ctx.service::<Offered>().0.contains(&self);
        is_offered.then_some(()).ok_or_else(|| ApiError::lacks(self))
    }

    /// What callers are told where it is missing.
    pub(crate) fn missing(self) -> &'static str {
        match self {
            Self::OpenRegistration => "Registration is closed on this server.",
            Self::NewAccounts => "This server does not create new accounts.",
            Self::Mail => "This server does not send mail.",
            Self::Passkeys => "This server has no domain for passkeys.",
        }
    }

    /// What the description of a field says that needs it.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::OpenRegistration => "Available only if registration is open.",
            Self::NewAccounts => "Available only if the server creates new accounts.",
            Self::Mail => "Available only if the server sends mail.",
            Self::Passkeys => "Available only if the server has a domain for passkeys.",
        }
    }
}
