//! Sign-ins that wait for a second factor.

use sea_orm::entity::prelude::*;

use crate::kernel::id::{ChallengeId, UserId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sign_in_challenges")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: ChallengeId,
    pub(crate) user_id: UserId,
    /// SHA-256 of the token.
    #[sea_orm(unique)]
    pub(crate) digest: Vec<u8>,
    /// What was shown so far, as the claim `amr` has it, with spaces between.
    pub(crate) amr: String,
    pub(crate) proven_at: DateTimeUtc,
    /// What the audit log is told when it is complete.
    pub(crate) event: String,
    pub(crate) detail: Option<String>,
    /// SHA-256 of a code that was mailed, and the token.
    pub(crate) mailed_digest: Option<Vec<u8>>,
    /// Wrong answers so far.
    pub(crate) failures: i32,
    pub(crate) expires_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
