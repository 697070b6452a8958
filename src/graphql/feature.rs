//! What not every server offers, and fields need.

use async_graphql::{Context, Enum};

use super::context::ContextExt;
use super::error::{ApiError, Result};

/// What a server offers only if its operator has set it up so.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerFeature {
    /// Anybody may register: REGISTRATION is open.
    OpenRegistration,
    /// New accounts are made, at least by invitation: REGISTRATION is not closed.
    NewAccounts,
    /// The server sends mail: SMTP_URL is set, or in development mails are files.
    Mail,
    /// The server has a domain for passkeys: PASSKEY_RP_ID, or the host of PUBLIC_URL, is no IP address.
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
            Self::OpenRegistration => "Registration is closed on this server",
            Self::NewAccounts => "This server makes no new accounts",
            Self::Mail => "This server sends no mail",
            Self::Passkeys => "This server has no domain for passkeys",
        }
    }

    /// What the description of a field says that needs it.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::OpenRegistration => "The server's registration must be open.",
            Self::NewAccounts => "The server must make new accounts.",
            Self::Mail => "The server must send mail.",
            Self::Passkeys => "The server must have a domain for passkeys.",
        }
    }
}
