//! Organizations.

use sea_orm::entity::prelude::*;

use crate::kernel::id::OrganizationId;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "organizations")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: OrganizationId,
    pub(crate) name: String,
    pub(crate) created_at: DateTimeUtc,
    pub(crate) updated_at: DateTimeUtc,
    #[sea_orm(has_many)]
    pub(crate) memberships: HasMany<super::membership::Entity>,
    #[sea_orm(has_many)]
    pub(crate) invitations: HasMany<super::invitation::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
