//! Why an account was not made.

use sea_orm::DbErr;

use crate::features::links::LinkError;
use crate::features::sessions::SessionError;
use crate::infra::db::DbFailure;
use crate::infra::limits::{Judged, Limited};
use crate::infra::passwords::hash::HashError;
use crate::kernel::invalid::Problem;
use crate::kernel::secret::CryptoError;

/// Why there is no new account.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateError {
    #[error("{} fields are not acceptable", .0.len())]
    Invalid(Vec<Problem>),
    /// The named field's value belongs to another account.
    #[error("the {0} is taken")]
    Taken(&'static str),
    #[error("accounts are not made in this way here")]
    Closed,
    #[error("the acting user is no longer an active admin")]
    Forbidden,
    /// The caller's session ended meanwhile.
    #[error("the session is over")]
    SessionEnded,
    #[error("no mail is sent")]
    NoMail,
    /// The token that an account was to be made of gives nothing.
    #[error("the token is good for nothing")]
    InvalidToken,
    /// It has done its work already.
    #[error("the token is used")]
    UsedToken,
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl From<SessionError> for CreateError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Crypto(error) => Self::Crypto(error),
            SessionError::Db(error) => Self::Db(error),
        }
    }
}

impl From<LinkError> for CreateError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Invalid => Self::InvalidToken,
            LinkError::Used => Self::UsedToken,
            LinkError::Crypto(error) => Self::Crypto(error),
            LinkError::Db(error) => Self::Db(error),
        }
    }
}

impl Judged for CreateError {
    fn is_failure(&self) -> bool {
        matches!(self, Self::InvalidToken)
    }

    fn is_ours(&self) -> bool {
        matches!(self, Self::Hash(_) | Self::Crypto(_) | Self::Db(_))
    }
}

impl DbFailure for CreateError {
    fn db(&self) -> Option<&DbErr> {
        match self {
            Self::Db(error) => Some(error),
            Self::Invalid(_)
            | Self::Taken(_)
            | Self::Closed
            | Self::Forbidden
            | Self::SessionEnded
            | Self::NoMail
            | Self::InvalidToken
            | Self::UsedToken
            | Self::Limited(_)
            | Self::Hash(_)
            | Self::Crypto(_) => None,
        }
    }
}
