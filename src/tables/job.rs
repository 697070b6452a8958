//! The recurring jobs of the instances, a row each.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "jobs")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) name: String,
    /// How far it got, as the job itself writes it.
    pub(crate) progress: Option<String>,
    pub(crate) succeeded_at: Option<DateTimeUtc>,
    pub(crate) failed_at: Option<DateTimeUtc>,
    /// The instance that is at it, until when the others leave it to that one.
    pub(crate) holder: Option<Uuid>,
    pub(crate) held_until: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
