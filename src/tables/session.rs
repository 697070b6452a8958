//! Sessions: one a sign-in.

use sea_orm::entity::prelude::*;

use crate::kernel::access::TokenMode;
use crate::kernel::id::{SessionId, UserId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: SessionId,
    pub(crate) user_id: UserId,
    pub(crate) created_at: DateTimeUtc,
    /// The absolute end, fixed at sign-in.
    pub(crate) expires_at: DateTimeUtc,
    pub(crate) ended_at: Option<DateTimeUtc>,
    pub(crate) end_reason: Option<String>,
    pub(crate) ip: Option<String>,
    pub(crate) user_agent: Option<String>,
    /// The browser and the system it was begun from, without versions.
    pub(crate) device: Option<String>,
    /// Fixed at sign-in.
    pub(crate) token_mode: TokenMode,
    /// Wrong passwords given by whoever held it, or the device token that was issued with it.
    pub(crate) failed_proofs: i32,
    /// SHA-256 of the random bits of its credential.
    pub(crate) secret_digest: Vec<u8>,
    /// How often its credential has been replaced by the next, from 1.
    pub(crate) generation: i32,
    /// Since when it has this generation.
    pub(crate) generation_at: DateTimeUtc,
    /// SHA-256 of what its client had noted of the last replacement before it asked for it.
    pub(crate) attempt_digest: Option<Vec<u8>>,
    pub(crate) last_used_at: DateTimeUtc,
    /// What it began with, or was renewed by, as the claim `amr` has it, with spaces between. For people: what it may do says
    /// its credential.
    pub(crate) amr: String,
    /// How strong that is, as the claim `acr` has it.
    pub(crate) acr: String,
    #[sea_orm(belongs_to, from = "user_id", to = "id")]
    pub(crate) user: BelongsTo<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
