//! Why an account was not made.

use super::store::WriteError;
use crate::features::change::{Fault, with_fault};
use crate::features::links::LinkError;
use crate::infra::limits::{Judged, Limited};
use crate::infra::passwords::hash::HashError;
use crate::kernel::access::Covers;
use crate::kernel::invalid::Problem;

/// Why there is no new account.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateError {
    #[error("{} fields are invalid", .0.len())]
    Invalid(Vec<Problem>),
    /// Another account has the value at this path.
    #[error("the {} is taken", .0.trim_start_matches("input."))]
    Taken(&'static str),
    /// Another account has the address of a link.
    #[error("the address is taken")]
    AddressTaken,
    #[error("the server does not create accounts")]
    Closed,
    #[error("the acting user may not give this role")]
    Forbidden(Covers),
    /// The token that an account was to be made of gives nothing.
    #[error("the token is invalid")]
    InvalidToken,
    /// It has done its work already.
    #[error("the token was already used")]
    UsedToken,
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(CreateError);

/// Where the input has a username, and an address.
pub(super) const USERNAME: &str = "input.username";
pub(super) const EMAIL: &str = "input.email";

impl CreateError {
    /// The same where a link has the address, and no field of the input.
    pub(super) fn of_link(self) -> Self {
        match self {
            Self::Taken(EMAIL) => Self::AddressTaken,
            error => error,
        }
    }
}

impl From<WriteError> for CreateError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Username => Self::Taken(USERNAME),
            WriteError::Email => Self::Taken(EMAIL),
            WriteError::Db(error) => error.into(),
        }
    }
}

impl From<LinkError> for CreateError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Invalid => Self::InvalidToken,
            LinkError::Used => Self::UsedToken,
            LinkError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl Judged for CreateError {
    fn is_failure(&self) -> bool {
        matches!(self, Self::InvalidToken)
    }

    fn is_ours(&self) -> bool {
        matches!(self, Self::Hash(_)) || matches!(self, Self::Fault(fault) if fault.is_ours())
    }
}
