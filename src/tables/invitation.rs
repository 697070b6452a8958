//! Who is asked to join an organization; one that is used or taken back is deleted.

use sea_orm::entity::prelude::*;

use crate::kernel::access::OrganizationRole;
use crate::kernel::id::{InvitationId, OrganizationId, UserId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invitations")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: InvitationId,
    pub(crate) organization_id: OrganizationId,
    /// As the inviter typed it: mail goes here.
    pub(crate) email: String,
    /// The canonical address: unique within an organization.
    pub(crate) email_key: String,
    /// What they are to be there.
    pub(crate) role: OrganizationRole,
    /// Null when their account is no more.
    pub(crate) invited_by: Option<UserId>,
    pub(crate) created_at: DateTimeUtc,
    pub(crate) expires_at: DateTimeUtc,
    #[sea_orm(belongs_to, from = "organization_id", to = "id")]
    pub(crate) organization: BelongsTo<super::organization::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
