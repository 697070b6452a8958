//! The links that seal the audit events. Written once and changed never.

use sea_orm::entity::prelude::*;

use crate::kernel::id::AuditEventId;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_chain")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) seq: i64,
    pub(crate) event_id: AuditEventId,
    pub(crate) digest: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
