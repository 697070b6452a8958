//! What clients are told of a fault.

use crate::features::change::Fault;
use crate::graphql::error::{ApiError, RETRY_AFTER_SECONDS};
use crate::kernel::access::Anonymity;

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Gone(_) => Self::unauthenticated(Anonymity::SessionEnded),
            Fault::NotAMember => Self::unauthenticated(Anonymity::NotAMember),
            // The guard knows of it by the next call.
            Fault::Overtaken => Self::unavailable(RETRY_AFTER_SECONDS),
            Fault::Limited(limited) => limited.into(),
            Fault::Crypto(cause) => Self::internal(cause),
            Fault::Json(cause) => Self::internal(cause),
            Fault::Db(cause) => Self::database(cause),
        }
    }
}
