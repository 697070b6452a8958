//! What any change may fail with.

use sea_orm::DbErr;

use crate::infra::db::DbFailure;
use crate::infra::limits::Limited;
use crate::infra::mail::LetterError;
use crate::kernel::acting::Gone;
use crate::kernel::secret::CryptoError;

/// Why a change was not made, or nothing read, whatever it was about. A feature's own error holds its own cases
/// beside this one.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The caller's account is no more, or shut, or their session over: since the guard looked.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The caller belongs to the organization no more that the call names: since the guard looked.
    #[error("the caller does not belong to the organization")]
    NotAMember,
    /// The account has a second factor by now, which the guard did not know that judged the caller's proofs.
    #[error("the account gained a second factor after the check")]
    Overtaken,
    /// It was done too often of late.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// Something could not be sealed, opened or drawn.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// What was to be kept has no JSON form, or another than this program writes.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl From<LetterError> for Fault {
    fn from(error: LetterError) -> Self {
        match error {
            LetterError::Crypto(error) => Self::Crypto(error),
            LetterError::Json(error) => Self::Json(error),
            LetterError::Db(error) => Self::Db(error),
        }
    }
}

impl Fault {
    /// Whether it is the server that failed, and not that nobody is there any more.
    pub(crate) fn is_ours(&self) -> bool {
        match self {
            Self::Db(_) | Self::Crypto(_) | Self::Json(_) => true,
            Self::Gone(_) | Self::NotAMember | Self::Overtaken | Self::Limited(_) => false,
        }
    }
}

impl DbFailure for Fault {
    fn db(&self) -> Option<&DbErr> {
        match self {
            Self::Db(error) => Some(error),
            Self::Gone(_)
            | Self::NotAMember
            | Self::Overtaken
            | Self::Limited(_)
            | Self::Crypto(_)
            | Self::Json(_) => None,
        }
    }
}

/// Has errors with a case `Fault` take in whatever is one.
macro_rules! with_fault {
    ($($error:ty),* $(,)?) => {$(
        $crate::features::change::with_fault!(
            $error: $crate::features::change::Fault, ::sea_orm::DbErr,
            $crate::kernel::acting::Gone, $crate::kernel::secret::CryptoError
        );

        impl $crate::infra::db::DbFailure for $error {
            fn db(&self) -> Option<&::sea_orm::DbErr> {
                if let Self::Fault(fault) = self { fault.db() } else { None }
            }
        }
    )*};
    ($error:ty: $($fault:ty),*) => {$(
        impl From<$fault> for $error {
            fn from(fault: $fault) -> Self {
                Self::Fault(fault.into())
            }
        }
    )*};
}

pub(crate) use with_fault;
