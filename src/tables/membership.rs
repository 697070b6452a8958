//! Who belongs to an organization; once each.

use sea_orm::entity::prelude::*;

use crate::kernel::access::OrganizationRole;
use crate::kernel::id::{MembershipId, OrganizationId, UserId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "memberships")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: MembershipId,
    pub(crate) organization_id: OrganizationId,
    pub(crate) user_id: UserId,
    pub(crate) role: OrganizationRole,
    pub(crate) created_at: DateTimeUtc,
    #[sea_orm(belongs_to, from = "organization_id", to = "id")]
    pub(crate) organization: BelongsTo<super::organization::Entity>,
    #[sea_orm(belongs_to, from = "user_id", to = "id")]
    pub(crate) user: BelongsTo<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
