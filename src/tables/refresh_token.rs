//! Refresh tokens, by hash. Consumed ones stay until their session's absolute end: they are how
//! reuse is seen.

use sea_orm::entity::prelude::*;

use crate::kernel::id::{RefreshTokenId, SessionId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_tokens")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: RefreshTokenId,
    pub(crate) session_id: SessionId,
    /// The token this one replaced; unique, so that no token has two successors.
    #[sea_orm(unique)]
    pub(crate) parent_id: Option<RefreshTokenId>,
    /// SHA-256 of the token.
    #[sea_orm(unique)]
    pub(crate) hash: Vec<u8>,
    /// With the parent and the refresh key, this token can be derived again; null once the
    /// parent's grace is over.
    pub(crate) salt: Option<Vec<u8>>,
    pub(crate) created_at: DateTimeUtc,
    /// The idle end.
    pub(crate) expires_at: DateTimeUtc,
    pub(crate) consumed_at: Option<DateTimeUtc>,
    #[sea_orm(belongs_to, from = "session_id", to = "id")]
    pub(crate) session: BelongsTo<super::session::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
