//! Passkeys: WebAuthn credentials, each of which is one user's.

use sea_orm::entity::prelude::*;

use crate::kernel::id::{PasskeyId, UserId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "passkeys")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: PasskeyId,
    pub(crate) user_id: UserId,
    /// The domain that it was made for.
    pub(crate) rp_id: String,
    /// Chosen by the authenticator, and unique among all users.
    #[sea_orm(unique)]
    pub(crate) credential_id: Vec<u8>,
    /// A COSE_Key (RFC 9052, section 7).
    pub(crate) public_key: Vec<u8>,
    /// The signature counter that was last verified; 0 where the authenticator does not count.
    pub(crate) sign_count: i64,
    /// What its owner calls it.
    pub(crate) name: String,
    /// How browsers reach the authenticator, as WebAuthn names the ways, separated by commas.
    pub(crate) transports: String,
    /// The model of the authenticator, as it says; nil where it does not.
    pub(crate) aaguid: Uuid,
    /// Whether its authenticator has verified its user: when it was registered, or since, if it is conditional.
    pub(crate) user_verified: bool,
    /// Whether a browser made it without asking.
    pub(crate) conditional: bool,
    pub(crate) backup_eligible: bool,
    pub(crate) backed_up: bool,
    pub(crate) created_at: DateTimeUtc,
    pub(crate) last_used_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
