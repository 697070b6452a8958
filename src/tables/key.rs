//! Signing and refresh keys, sealed.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "keys")]
pub(crate) struct Model {
    /// The JWK `kid`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: String,
    pub(crate) purpose: String,
    /// 1, 2, 3 … within a purpose; unique there, so that instances that start at once agree.
    pub(crate) serial: i32,
    pub(crate) algorithm: String,
    pub(crate) public_key: Option<Vec<u8>>,
    pub(crate) sealed_key: Vec<u8>,
    pub(crate) created_at: DateTimeUtc,
    /// Published before, so that whoever verifies knows it by then; null: since it was made.
    pub(crate) signs_from: Option<DateTimeUtc>,
    /// When the last token it signed has expired; null while no newer key takes over.
    pub(crate) verifies_until: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
