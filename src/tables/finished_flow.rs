//! Sign-ins with other providers and ceremonies with passkeys that are finished, until they would have expired.

use sea_orm::entity::prelude::*;

use crate::kernel::id::FlowId;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "finished_flows")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: FlowId,
    pub(crate) expires_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
