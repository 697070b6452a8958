//! Why an organization was not changed, and nobody invited.

use sea_orm::DbErr;

use crate::features::links::LinkError;
use crate::infra::db::DbFailure;
use crate::infra::limits::{Judged, Limited};
use crate::kernel::invalid::Problem;
use crate::kernel::secret::CryptoError;

/// Why an organization was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrganizationError {
    #[error("a field is not acceptable")]
    Invalid(Problem),
    /// None that the caller is a member of.
    #[error("there is no such organization")]
    NotFound,
    #[error("there is no such member")]
    NoSuchMember,
    #[error("the caller's role in the organization does not allow it")]
    Forbidden,
    #[error("the last owner must remain one")]
    LastOwner,
    #[error("the user belongs to too many organizations")]
    TooMany,
    /// The caller's session ended meanwhile.
    #[error("the session is over")]
    SessionEnded,
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl DbFailure for OrganizationError {
    fn db(&self) -> Option<&DbErr> {
        match self {
            Self::Db(error) => Some(error),
            Self::Invalid(_)
            | Self::NotFound
            | Self::NoSuchMember
            | Self::Forbidden
            | Self::LastOwner
            | Self::TooMany
            | Self::SessionEnded
            | Self::Crypto(_) => None,
        }
    }
}

/// Why nobody was invited, or nobody joined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvitationError {
    #[error("a field is not acceptable")]
    Invalid(Problem),
    #[error("there is no such invitation")]
    NotFound,
    #[error("no mail is sent")]
    NoMail,
    #[error("the organization has too many pending invitations")]
    TooMany,
    #[error("the caller is a member already")]
    AlreadyMember,
    #[error(transparent)]
    Organization(#[from] OrganizationError),
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Link(#[from] LinkError),
}

impl From<DbErr> for InvitationError {
    fn from(error: DbErr) -> Self {
        Self::Link(error.into())
    }
}

impl DbFailure for InvitationError {
    fn db(&self) -> Option<&DbErr> {
        match self {
            Self::Organization(error) => error.db(),
            Self::Link(error) => error.db(),
            Self::Invalid(_)
            | Self::NotFound
            | Self::NoMail
            | Self::TooMany
            | Self::AlreadyMember
            | Self::Limited(_) => None,
        }
    }
}

impl Judged for InvitationError {
    fn is_failure(&self) -> bool {
        matches!(self, Self::Link(error) if error.is_failure())
    }

    fn is_ours(&self) -> bool {
        match self {
            Self::Organization(error) => error.db().is_some(),
            Self::Link(error) => error.is_ours(),
            Self::Invalid(_)
            | Self::NotFound
            | Self::NoMail
            | Self::TooMany
            | Self::AlreadyMember
            | Self::Limited(_) => false,
        }
    }
}
