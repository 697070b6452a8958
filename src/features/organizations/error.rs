//! Why an organization was not changed, and nobody invited.

use crate::features::change::{Fault, with_fault};
use crate::features::links::LinkError;
use crate::infra::limits::{Judged, Limited};
use crate::kernel::access::{Covers, OrganizationRole};
use crate::kernel::invalid::Problem;

/// Why an organization was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrganizationError {
    #[error("a field is invalid")]
    Invalid(Problem),
    /// None that the caller is a member of.
    #[error("the organization does not exist")]
    NotFound,
    #[error("the member does not exist")]
    NoSuchMember,
    #[error("the caller's role in the organization is below {}", .0.into_str())]
    Below(OrganizationRole),
    /// By a member or what the call gives.
    #[error("the caller's role in the organization does not include {}", .0.into_str())]
    Outranked(OrganizationRole, Covers),
    #[error("the last owner must stay an owner")]
    LastOwner,
    #[error("the user belongs to too many organizations")]
    TooMany,
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(OrganizationError);

/// Why nobody was invited, or nobody joined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvitationError {
    #[error("a field is invalid")]
    Invalid(Problem),
    #[error("the invitation does not exist")]
    NotFound,
    #[error("the organization has too many pending invitations")]
    TooMany,
    #[error("the caller is already a member")]
    AlreadyMember,
    #[error(transparent)]
    Organization(OrganizationError),
    #[error(transparent)]
    Limited(#[from] Limited),
    /// The link does nothing.
    #[error(transparent)]
    Link(LinkError),
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(InvitationError);

impl From<LinkError> for InvitationError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Fault(fault) => Self::Fault(fault),
            LinkError::Invalid | LinkError::Used => Self::Link(error),
        }
    }
}

impl From<OrganizationError> for InvitationError {
    fn from(error: OrganizationError) -> Self {
        match error {
            OrganizationError::Fault(fault) => Self::Fault(fault),
            error => Self::Organization(error),
        }
    }
}

impl Judged for InvitationError {
    fn is_failure(&self) -> bool {
        matches!(self, Self::Link(LinkError::Invalid))
    }

    fn is_ours(&self) -> bool {
        matches!(self, Self::Fault(fault) if fault.is_ours())
    }
}
