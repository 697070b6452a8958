//! Security events. They outlive the users they name, so nothing here is a foreign key.

use sea_orm::entity::prelude::*;

use crate::kernel::id::{AuditEventId, OrganizationId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_events")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: AuditEventId,
    pub(crate) created_at: DateTimeUtc,
    pub(crate) kind: String,
    pub(crate) outcome: String,
    pub(crate) actor_kind: String,
    pub(crate) actor_id: Option<Uuid>,
    pub(crate) target_id: Option<Uuid>,
    pub(crate) organization_id: Option<OrganizationId>,
    pub(crate) detail: Option<String>,
    /// SHA-256 of the session's id: events can be told apart by session, not traced to a token.
    pub(crate) session_hash: Option<Vec<u8>>,
    pub(crate) ip: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) request_id: Option<String>,
    /// How many refusals of one kind this stands for; 1 for all that was done.
    pub(crate) occurrences: i64,
    /// The number of its link in the chain, once it is sealed.
    pub(crate) seq: Option<i64>,
    /// Of the event and all before it in the chain.
    pub(crate) digest: Option<Vec<u8>>,
}

impl ActiveModelBehavior for ActiveModel {}
