//! Seeds of one-time codes, sealed: at most one row a user.

use sea_orm::entity::prelude::*;

use crate::kernel::id::UserId;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "totp_secrets")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) user_id: UserId,
    /// The seed that codes are verified with; null until one is confirmed.
    pub(crate) sealed_secret: Option<Vec<u8>>,
    /// When that seed was confirmed.
    pub(crate) confirmed_at: Option<DateTimeUtc>,
    /// The last time step that a code was accepted of, counted as in RFC 6238. Only a later one counts.
    pub(crate) last_step: Option<i64>,
    pub(crate) last_used_at: Option<DateTimeUtc>,
    /// Wrong codes since the last right one.
    pub(crate) failures: i32,
    /// A seed that is being enrolled.
    pub(crate) pending_secret: Option<Vec<u8>>,
    pub(crate) pending_until: Option<DateTimeUtc>,
    /// The session or the challenge that began the enrollment, and that alone may finish it.
    pub(crate) pending_for: Option<Uuid>,
}

impl ActiveModelBehavior for ActiveModel {}
