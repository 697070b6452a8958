//! Why an error occurred, where one code has several causes.

use async_graphql::Enum;
use strum::{EnumString, IntoStaticStr};

use crate::kernel::access::Anonymity;

/// The possible values of `extensions.reason` in an error, where one code has several causes.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ErrorReason {
    /// UNAUTHENTICATED: the request has neither an access token nor a cookie.
    MissingToken,
    /// UNAUTHENTICATED: the token or cookie is malformed, forged, or issued for another audience.
    InvalidToken,
    /// UNAUTHENTICATED: the access token has expired. Refresh it.
    TokenExpired,
    /// UNAUTHENTICATED: the token is valid, but its session has ended. Sign in again.
    SessionEnded,
    /// UNAUTHENTICATED: the account now requires a second factor, and the session began without one. Sign in again.
    /// CONFLICT: the account must keep a second factor.
    SecondFactorRequired,
    /// FORBIDDEN: the call names an organization that the caller does not belong to.
    NotAMember,
    /// INVALID_CREDENTIALS: the code from the mail is wrong.
    MailedCode,
    /// INVALID_CREDENTIALS: the server does not know the passkey. Delete it from the device.
    UnknownPasskey,
    /// INVALID_TOKEN: the link was already used.
    Used,
    /// CONFLICT: an account has the address. Sign in to it, then link the provider.
    AccountExists,
    /// CONFLICT: the identity is linked to another account.
    IdentityTaken,
    /// CONFLICT: the passkey is registered already.
    PasskeyTaken,
    /// CONFLICT: without it, nothing could open the account.
    LastWayIn,
    /// CONFLICT: the provider did not share a usable address.
    NoEmail,
    /// CONFLICT: the account has neither a passkey nor an authenticator app. Add one first.
    NoFactor,
    /// CONFLICT: the account has no authenticator app.
    NoTotp,
    /// CONFLICT: the setup of an authenticator app was not started.
    NotEnrolling,
    /// CONFLICT: the account has no second factor.
    SecondFactorOff,
    /// CONFLICT: the account already has a second factor.
    SecondFactorOn,
    /// CONFLICT: the account has the maximum number of passkeys or identities.
    TooMany,
}

impl ErrorReason {
    /// As it stands in an error.
    pub(crate) fn as_str(self) -> &'static str {
        self.into()
    }
}

impl From<Anonymity> for ErrorReason {
    fn from(reason: Anonymity) -> Self {
        match reason {
            Anonymity::MissingToken => Self::MissingToken,
            Anonymity::InvalidToken => Self::InvalidToken,
            Anonymity::TokenExpired => Self::TokenExpired,
            Anonymity::SessionEnded => Self::SessionEnded,
            Anonymity::SecondFactorRequired => Self::SecondFactorRequired,
            Anonymity::NotAMember => Self::NotAMember,
        }
    }
}
