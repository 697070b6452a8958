//! Accounts.

use sea_orm::entity::prelude::*;

use crate::kernel::access::{self, Grants, Language, Role};
use crate::kernel::id::UserId;
use crate::kernel::read_by_fields;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: UserId,
    /// As typed at registration.
    pub(crate) username: String,
    /// The canonical name: unique, and what lists are ordered by.
    #[sea_orm(unique)]
    pub(crate) username_key: String,
    /// As typed: mail goes here.
    pub(crate) email: String,
    /// The canonical address: unique.
    #[sea_orm(unique)]
    pub(crate) email_key: String,
    pub(crate) email_verified: bool,
    pub(crate) full_name: Option<String>,
    /// Where a picture of them is.
    pub(crate) avatar_url: Option<String>,
    /// A PHC string; empty where there is no password.
    pub(crate) password_hash: String,
    pub(crate) role: Role,
    pub(crate) is_active: bool,
    pub(crate) created_at: DateTimeUtc,
    pub(crate) updated_at: DateTimeUtc,
    pub(crate) last_login_at: Option<DateTimeUtc>,
    pub(crate) locale: Language,
    /// Failed sign-ins since the last good one.
    pub(crate) failed_logins: i32,
    /// When the operator, or its owner by mail, last unlocked the account.
    pub(crate) unlocked_at: Option<DateTimeUtc>,
    /// When somebody who reads the mail of an address that was never proven chose another password.
    pub(crate) taken_back_at: Option<DateTimeUtc>,
    /// The permissions that the user was given, as [`Grants`] spells them.
    pub(crate) grants: Option<String>,
    /// Whether the username was proposed by the server, and its owner may still choose another.
    pub(crate) username_is_proposed: bool,
    /// Whether a password or another provider alone does not sign the user in.
    pub(crate) second_factor: bool,
    /// By which passkeys know the user: random, made when the first registration of one begins.
    #[sea_orm(unique)]
    pub(crate) passkey_handle: Option<Vec<u8>>,
    #[sea_orm(has_many)]
    pub(crate) sessions: HasMany<super::session::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// An account without what only its own features look at, the password's hash among it.
#[derive(DerivePartialModel)]
#[sea_orm(entity = "Entity")]
pub(crate) struct Account {
    id: UserId,
    username: String,
    email: String,
    email_verified: bool,
    full_name: Option<String>,
    avatar_url: Option<String>,
    role: Role,
    is_active: bool,
    created_at: DateTimeUtc,
    updated_at: DateTimeUtc,
    last_login_at: Option<DateTimeUtc>,
    locale: Language,
    grants: Option<String>,
    second_factor: bool,
}

read_by_fields!(Account {
    id,
    username,
    email,
    email_verified,
    full_name,
    avatar_url,
    role,
    is_active,
    created_at,
    updated_at,
    last_login_at,
    locale,
    grants,
    second_factor,
});

impl From<Account> for access::User {
    fn from(row: Account) -> Self {
        Self {
            id: row.id,
            username: row.username,
            email: row.email,
            email_verified: row.email_verified,
            full_name: row.full_name,
            avatar_url: row.avatar_url,
            role: row.role,
            is_active: row.is_active,
            created_at: row.created_at,
            updated_at: row.updated_at,
            last_login_at: row.last_login_at,
            locale: row.locale,
            grants: Grants::parse(row.grants.as_deref()),
            second_factor: row.second_factor,
        }
    }
}
