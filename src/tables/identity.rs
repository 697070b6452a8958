//! Who users are to other providers; each identity is one user's.

use sea_orm::entity::prelude::*;

use crate::kernel::id::{IdentityId, UserId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "identities")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: IdentityId,
    pub(crate) user_id: UserId,
    /// By which provider of PROVIDERS_FILE it was linked.
    pub(crate) provider: String,
    /// Who vouches for it. With the subject this is the identity; an address never is.
    pub(crate) issuer: String,
    pub(crate) subject: String,
    /// The address that the provider told when it was linked, for its owner to recognise it by.
    pub(crate) email: Option<String>,
    pub(crate) created_at: DateTimeUtc,
    pub(crate) last_used_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
