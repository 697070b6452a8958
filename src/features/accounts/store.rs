//! The `users` table.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::identity::{AvatarUrl, Email, FullName, Identifier, Username};
use crate::features::change::Tx;
use crate::infra::db::Db;
use crate::infra::db::violates;
use crate::infra::passwords::hash::PasswordHash;
use crate::kernel::access::{Grants, Language, Role, User};
use crate::kernel::id::UserId;
use crate::tables::user;

/// A user to be inserted.
pub(super) struct NewUser<'a> {
    pub(super) id: UserId,
    pub(super) username: &'a Username,
    pub(super) email: &'a Email,
    pub(super) email_verified: bool,
    pub(super) full_name: Option<&'a FullName>,
    pub(super) avatar_url: Option<&'a AvatarUrl>,
    pub(super) password_hash: &'a PasswordHash,
    pub(super) role: Role,
    pub(super) locale: Language,
    /// Whether the server has chosen the username.
    pub(super) username_is_proposed: bool,
    pub(super) now: DateTime<Utc>,
}

/// Why a row was not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    /// Another account has it: the unique constraints settle who was first, not a look before.
    #[error("the username is taken")]
    Username,
    /// The same.
    #[error("the address is taken")]
    Email,
    #[error(transparent)]
    Db(DbErr),
}

impl From<DbErr> for WriteError {
    fn from(error: DbErr) -> Self {
        match &error {
            error if violates(error, "users_username_key") => Self::Username,
            error if violates(error, "users_email_key") => Self::Email,
            _ => Self::Db(error),
        }
    }
}

pub(super) async fn insert(
    db: &impl ConnectionTrait,
    new: NewUser<'_>,
) -> Result<User, WriteError> {
    let user = User {
        id: new.id,
        username: new.username.as_str().to_owned(),
        email: new.email.as_typed().to_owned(),
        email_verified: new.email_verified,
        full_name: new.full_name.map(|name| name.as_str().to_owned()),
        avatar_url: new.avatar_url.map(|url| url.as_str().to_owned()),
        role: new.role,
        is_active: true,
        created_at: new.now,
        updated_at: new.now,
        last_login_at: None,
        locale: new.locale,
        grants: Grants::default(),
        second_factor: false,
    };
    let active = user::ActiveModel {
        id: Set(user.id),
        username: Set(user.username.clone()),
        username_key: Set(new.username.key().to_owned()),
        email: Set(user.email.clone()),
        email_key: Set(new.email.key().to_owned()),
        email_verified: Set(user.email_verified),
        full_name: Set(user.full_name.clone()),
        avatar_url: Set(user.avatar_url.clone()),
        password_hash: Set(new.password_hash.as_str().to_owned()),
        role: Set(user.role),
        is_active: Set(user.is_active),
        created_at: Set(user.created_at),
        updated_at: Set(user.updated_at),
        last_login_at: Set(user.last_login_at),
        locale: Set(user.locale),
        failed_logins: Set(0),
        unlocked_at: Set(None),
        taken_back_at: Set(None),
        grants: Set(user.grants.stored()),
        username_is_proposed: Set(new.username_is_proposed),
        second_factor: Set(user.second_factor),
        passkey_handle: Set(None),
    };
    user::Entity::insert(active).exec_without_returning(db).await?;
    Ok(user)
}

/// Which of a username and an address are another user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) username: bool,
    pub(super) email: bool,
}

pub(super) async fn is_username_taken(
    db: &impl ConnectionTrait,
    username_key: &str,
) -> Result<bool, DbErr> {
    let found = user::Entity::find()
        .select_only()
        .column(user::Column::Id)
        .filter(user::COLUMN.username_key.eq(username_key))
        .into_tuple::<UserId>()
        .one(db)
        .await?;
    Ok(found.is_some())
}

pub(super) async fn find_taken(
    db: &impl ConnectionTrait,
    username_key: &str,
    email_key: &str,
) -> Result<Taken, DbErr> {
    let taken: Vec<(String, String)> = user::Entity::find()
        .select_only()
        .columns([user::Column::UsernameKey, user::Column::EmailKey])
        .filter(
            Condition::any()
                .add(user::COLUMN.username_key.eq(username_key))
                .add(user::COLUMN.email_key.eq(email_key)),
        )
        .limit(2)
        .into_tuple()
        .all(db)
        .await?;
    Ok(Taken {
        username: taken.iter().any(|(username, _)| username == username_key),
        email: taken.iter().any(|(_, email)| email == email_key),
    })
}

pub(super) async fn find_all(db: &Db, ids: &[UserId]) -> Result<Vec<User>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let select = user::Entity::find().filter(user::COLUMN.id.is_in(ids.iter().copied()));
    let rows: Vec<user::Account> = db.read(select).await?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// The account an identifier names.
pub(super) async fn find(
    db: &impl ConnectionTrait,
    identifier: &Identifier,
) -> Result<Option<User>, DbErr> {
    let by = match identifier {
        Identifier::Username(key) => user::COLUMN.username_key.eq(key.as_str()),
        Identifier::Email(key) => user::COLUMN.email_key.eq(key.as_str()),
        // No row has an empty name, so this costs what a wrong name costs and finds nothing.
        Identifier::Unknown(_) => user::COLUMN.username_key.eq(""),
    };
    let row = user::Entity::find().filter(by).into_partial_model::<user::Account>().one(db).await?;
    Ok(row.map(User::from))
}

/// Locks a user's row and reads it.
pub(super) async fn lock(txn: &impl ConnectionTrait, id: UserId) -> Result<Option<User>, DbErr> {
    let select = user::Entity::find_by_id(id).lock_exclusive();
    let row = select.into_partial_model::<user::Account>().one(txn).await?;
    Ok(row.map(User::from))
}

/// Locks the given users and all active admins, in the order of their ids, and reads them.
pub(super) async fn lock_with_admins(
    txn: &impl ConnectionTrait,
    ids: [UserId; 2],
) -> Result<Vec<User>, DbErr> {
    let admins = Condition::all()
        .add(user::COLUMN.role.eq(Role::Admin))
        .add(user::COLUMN.is_active.eq(true));
    let rows = user::Entity::find()
        .filter(Condition::any().add(user::COLUMN.id.is_in(ids)).add(admins))
        .order_by_asc(user::Column::Id)
        .lock_exclusive()
        .into_partial_model::<user::Account>()
        .all(txn)
        .await?;
    Ok(rows.into_iter().map(User::from).collect())
}

/// Writes a user's role, and whether they are active.
pub(super) async fn update_standing(tx: &Tx<'_>, user: &User) -> Result<(), DbErr> {
    tx.touch(user.id);
    user::Entity::update_many()
        .col_expr(user::Column::Role, Expr::value(user.role))
        .col_expr(user::Column::IsActive, Expr::value(user.is_active))
        .col_expr(user::Column::UpdatedAt, Expr::value(user.updated_at))
        .filter(user::COLUMN.id.eq(user.id))
        .exec(tx)
        .await?;
    Ok(())
}

/// Writes what a user was granted.
pub(super) async fn update_grants(tx: &Tx<'_>, id: UserId, grants: &Grants) -> Result<(), DbErr> {
    tx.touch(id);
    user::Entity::update_many()
        .col_expr(user::Column::Grants, Expr::value(grants.stored()))
        .filter(user::COLUMN.id.eq(id))
        .exec(tx)
        .await?;
    Ok(())
}

pub(super) async fn update_password(
    tx: &Tx<'_>,
    id: UserId,
    hash: &PasswordHash,
) -> Result<(), DbErr> {
    tx.touch(id);
    user::Entity::update_many()
        .col_expr(user::Column::PasswordHash, Expr::value(hash.as_str()))
        .filter(user::COLUMN.id.eq(id))
        .exec(tx)
        .await?;
    Ok(())
}

/// Takes back that an account is shut for too many failed sign-ins.
pub(super) async fn unlock(tx: &Tx<'_>, id: UserId, now: DateTime<Utc>) -> Result<(), DbErr> {
    tx.touch(id);
    user::Entity::update_many()
        .col_expr(user::Column::FailedLogins, Expr::value(0))
        .col_expr(user::Column::UnlockedAt, Expr::value(now))
        .filter(user::COLUMN.id.eq(id))
        .exec(tx)
        .await?;
    Ok(())
}

/// Gives a user an address, which they have shown to be theirs or had before.
pub(super) async fn update_email(
    tx: &Tx<'_>,
    user: &User,
    email: &Email,
) -> Result<(), WriteError> {
    tx.touch(user.id);
    user::Entity::update_many()
        .col_expr(user::Column::Email, Expr::value(email.as_typed()))
        .col_expr(user::Column::EmailKey, Expr::value(email.key()))
        .col_expr(user::Column::EmailVerified, Expr::value(user.email_verified))
        .col_expr(user::Column::UpdatedAt, Expr::value(user.updated_at))
        .filter(user::COLUMN.id.eq(user.id))
        .exec(tx)
        .await?;
    Ok(())
}

pub(super) async fn update_profile(tx: &Tx<'_>, user: &User) -> Result<(), DbErr> {
    tx.touch(user.id);
    user::Entity::update_many()
        .col_expr(user::Column::FullName, Expr::value(user.full_name.clone()))
        .col_expr(user::Column::AvatarUrl, Expr::value(user.avatar_url.clone()))
        .col_expr(user::Column::Locale, Expr::value(user.locale))
        .col_expr(user::Column::UpdatedAt, Expr::value(user.updated_at))
        .filter(user::COLUMN.id.eq(user.id))
        .exec(tx)
        .await?;
    Ok(())
}

/// Writes when somebody signs in.
pub(super) async fn touch_login(
    txn: &impl ConnectionTrait,
    id: UserId,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    user::Entity::update_many()
        .col_expr(user::Column::LastLoginAt, Expr::value(now))
        .filter(user::COLUMN.id.eq(id))
        .exec(txn)
        .await?;
    Ok(())
}

pub(super) async fn delete(tx: &Tx<'_>, id: UserId) -> Result<(), DbErr> {
    tx.touch(id);
    user::Entity::delete_by_id(id).exec(tx).await?;
    Ok(())
}

/// When an account was taken back, as long as its owner has not decided what of it they keep.
pub(super) async fn find_taken_back(
    db: &impl ConnectionTrait,
    id: UserId,
) -> Result<Option<DateTime<Utc>>, DbErr> {
    let found: Option<Option<DateTime<Utc>>> = user::Entity::find_by_id(id)
        .select_only()
        .column(user::Column::TakenBackAt)
        .into_tuple()
        .one(db)
        .await?;
    Ok(found.flatten())
}

/// Remembers that they have.
pub(super) async fn settle_taken_back(tx: &Tx<'_>, id: UserId) -> Result<(), DbErr> {
    tx.touch(id);
    user::Entity::update_many()
        .col_expr(user::Column::TakenBackAt, Expr::value(None::<DateTime<Utc>>))
        .filter(user::COLUMN.id.eq(id))
        .exec(tx)
        .await?;
    Ok(())
}

/// Whether the owner of a name that the server has proposed may still choose another.
pub(super) async fn is_proposed(db: &impl ConnectionTrait, id: UserId) -> Result<bool, DbErr> {
    let found: Option<bool> = user::Entity::find_by_id(id)
        .select_only()
        .column(user::Column::UsernameIsProposed)
        .into_tuple()
        .one(db)
        .await?;
    Ok(found == Some(true))
}

/// Gives a user the name they choose instead of one that was proposed; says whether it still was one.
pub(super) async fn choose_username(
    tx: &Tx<'_>,
    user: &User,
    username: &Username,
) -> Result<bool, WriteError> {
    tx.touch(user.id);
    let outcome = user::Entity::update_many()
        .col_expr(user::Column::Username, Expr::value(username.as_str()))
        .col_expr(user::Column::UsernameKey, Expr::value(username.key()))
        .col_expr(user::Column::UsernameIsProposed, Expr::value(false))
        .col_expr(user::Column::UpdatedAt, Expr::value(user.updated_at))
        .filter(user::COLUMN.id.eq(user.id))
        .filter(user::COLUMN.username_is_proposed.eq(true))
        .exec(tx)
        .await?;
    Ok(outcome.rows_affected == 1)
}

/// Whether a user has a password.
pub(super) async fn has_password(db: &impl ConnectionTrait, id: UserId) -> Result<bool, DbErr> {
    let found: Option<UserId> = user::Entity::find_by_id(id)
        .select_only()
        .column(user::Column::Id)
        .filter(user::COLUMN.password_hash.ne(PasswordHash::none().as_str()))
        .into_tuple()
        .one(db)
        .await?;
    Ok(found.is_some())
}

/// Notes that the address of a user is theirs.
pub(super) async fn verify_email(tx: &Tx<'_>, id: UserId, now: DateTime<Utc>) -> Result<(), DbErr> {
    tx.touch(id);
    user::Entity::update_many()
        .col_expr(user::Column::EmailVerified, Expr::value(true))
        .col_expr(user::Column::UpdatedAt, Expr::value(now))
        .filter(user::COLUMN.id.eq(id))
        .exec(tx)
        .await?;
    Ok(())
}
