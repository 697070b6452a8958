//! The `users` table, as far as signing in needs it.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, DerivePartialModel, EntityTrait, QueryFilter, QuerySelect,
};

use super::Verified;
use crate::features::accounts::identity::Identifier;
use crate::features::change::Tx;
use crate::infra::db::Db;
use crate::infra::passwords::hash::PasswordHash;
use crate::kernel::access::User;
use crate::kernel::id::UserId;
use crate::kernel::read_by_fields;
use crate::tables::user;

/// An account with what a sign-in is checked against.
pub(super) struct Found {
    pub(super) user: User,
    pub(super) hash: PasswordHash,
    /// Since the last good sign-in.
    pub(super) failed_logins: i32,
}

#[derive(DerivePartialModel)]
#[sea_orm(entity = "user::Entity")]
struct FoundRow {
    #[sea_orm(nested)]
    user: user::Account,
    password_hash: String,
    failed_logins: i32,
}

read_by_fields!(FoundRow { user, password_hash, failed_logins });

/// An account that the operator, or its owner by mail, has unlocked.
#[derive(PartialEq, Eq)]
pub(super) struct Unlocked {
    pub(super) id: UserId,
    pub(super) username_key: String,
    pub(super) email_key: String,
    pub(super) at: DateTime<Utc>,
}

/// The account an identifier names.
pub(super) async fn find(db: &Db, identifier: &Identifier) -> Result<Option<Found>, DbErr> {
    let by = match identifier {
        Identifier::Username(key) => user::COLUMN.username_key.eq(key.as_str()),
        Identifier::Email(key) => user::COLUMN.email_key.eq(key.as_str()),
        // No row has an empty name, so this costs what a wrong name costs and finds nothing.
        Identifier::Unknown(_) => user::COLUMN.username_key.eq(""),
    };
    let row = db.read::<_, FoundRow>(user::Entity::find().filter(by)).await?.pop();
    Ok(row.map(Found::from))
}

impl From<FoundRow> for Found {
    fn from(row: FoundRow) -> Self {
        let hash = PasswordHash::from(row.password_hash);
        Self { user: row.user.into(), hash, failed_logins: row.failed_logins }
    }
}

/// Locks the user's row and writes the time of the last sign-in, if that is another, and the new hash if there is one, if the
/// account is still what was verified: that is what it says. Failures of strangers before it are over, but
/// for those that have shut the account to them, which shuts out strangers alone.
pub(super) async fn record_login(
    tx: &Tx<'_>,
    user: &User,
    verified: &Verified,
    is_stranger: bool,
    failures_max: i32,
) -> Result<bool, DbErr> {
    tx.touch(user.id);
    let failures = || Expr::col(user::Column::FailedLogins);
    let failures_left =
        Expr::case(failures().gte(failures_max), failures()).finally(Expr::value(0));
    let mut update =
        user::Entity::update_many().col_expr(user::Column::FailedLogins, failures_left.into());
    if user.last_login_at != verified.user.last_login_at {
        update = update.col_expr(user::Column::LastLoginAt, Expr::value(user.last_login_at));
    }
    if let Some(hash) = &verified.rehashed {
        update = update.col_expr(user::Column::PasswordHash, Expr::value(hash.as_str()));
    }
    if is_stranger {
        update = update.filter(user::COLUMN.failed_logins.lt(failures_max));
    }
    let outcome = update
        .filter(user::COLUMN.id.eq(user.id))
        .filter(user::COLUMN.password_hash.eq(verified.hash.as_str()))
        .filter(user::COLUMN.is_active.eq(true))
        .filter(user::COLUMN.role.eq(user.role))
        .filter(user::COLUMN.second_factor.eq(user.second_factor))
        .exec(tx)
        .await?;
    Ok(outcome.rows_affected == 1)
}

/// Gives a user the password they chose, if it is still another that they were verified by. Failures
/// before it are over.
pub(super) async fn update_password(
    tx: &Tx<'_>,
    id: UserId,
    before: &PasswordHash,
    hash: &PasswordHash,
) -> Result<bool, DbErr> {
    tx.touch(id);
    let outcome = user::Entity::update_many()
        .col_expr(user::Column::PasswordHash, Expr::value(hash.as_str()))
        .col_expr(user::Column::FailedLogins, Expr::value(0))
        .filter(user::COLUMN.id.eq(id))
        .filter(user::COLUMN.password_hash.eq(before.as_str()))
        .filter(user::COLUMN.is_active.eq(true))
        .exec(tx)
        .await?;
    Ok(outcome.rows_affected == 1)
}

/// Counts a failed sign-in, up to `max`; says whether this was the one that reached it.
pub(super) async fn count_failure(
    txn: &impl ConnectionTrait,
    id: UserId,
    max: i32,
) -> Result<bool, DbErr> {
    let counted = user::Entity::update_many()
        .col_expr(user::Column::FailedLogins, Expr::col(user::Column::FailedLogins).add(1))
        .filter(user::COLUMN.id.eq(id))
        .filter(user::COLUMN.failed_logins.lt(max))
        .exec(txn)
        .await?;
    if counted.rows_affected == 0 {
        return Ok(false);
    }
    // The row is locked by the update, so this is what it made.
    let failures: Option<i32> = user::Entity::find_by_id(id)
        .select_only()
        .column(user::Column::FailedLogins)
        .into_tuple()
        .one(txn)
        .await?;
    Ok(failures == Some(max))
}

/// Who has been unlocked since then.
pub(super) async fn list_unlocked(
    db: &impl ConnectionTrait,
    since: DateTime<Utc>,
) -> Result<Vec<Unlocked>, DbErr> {
    let rows: Vec<(UserId, String, String, DateTime<Utc>)> = user::Entity::find()
        .select_only()
        .columns([
            user::Column::Id,
            user::Column::UsernameKey,
            user::Column::EmailKey,
            user::Column::UnlockedAt,
        ])
        .filter(user::COLUMN.unlocked_at.gt(since))
        .into_tuple()
        .all(db)
        .await?;
    let unlocked = |(id, username_key, email_key, at)| Unlocked { id, username_key, email_key, at };
    Ok(rows.into_iter().map(unlocked).collect())
}
