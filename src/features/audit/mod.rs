//! Audit: what happened to whom, by whom, from where.
//!
//! At the bottom of everything. [`record`] runs inside the transaction that makes the change, so
//! that there is no change without its event and no event without its change (LG-07).

mod store;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use crate::platform::access::{Client, Viewer};
use crate::platform::id::{SessionId, UserId};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Somebody made an account for themselves.
    Registered,
    /// The operator made an account.
    UserCreated,
    /// A session began.
    SignedIn,
    /// A session was ended by whoever held it.
    SignedOut,
    /// A refresh token was presented again after its grace, and its session ended.
    RefreshReused,
    RoleChanged,
    UserDeactivated,
    UserReactivated,
    UserDeleted,
    /// The operator gave a user another password.
    PasswordSet,
    /// Failed sign-ins have shut an account's password.
    AccountLocked,
    /// The operator opened it again.
    UserUnlocked,
    /// The operator ended all sessions of a user.
    SessionsEnded,
    /// A key was made: the first one, or by a rotation.
    KeyAdded,
    /// A signing key was dropped at once.
    KeyRetired,
    /// All keys were sealed under another secret.
    KeysResealed,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "REGISTERED",
            Self::UserCreated => "USER_CREATED",
            Self::SignedIn => "SIGNED_IN",
            Self::SignedOut => "SIGNED_OUT",
            Self::RefreshReused => "REFRESH_REUSED",
            Self::RoleChanged => "ROLE_CHANGED",
            Self::UserDeactivated => "USER_DEACTIVATED",
            Self::UserReactivated => "USER_REACTIVATED",
            Self::UserDeleted => "USER_DELETED",
            Self::PasswordSet => "PASSWORD_SET",
            Self::AccountLocked => "ACCOUNT_LOCKED",
            Self::UserUnlocked => "USER_UNLOCKED",
            Self::SessionsEnded => "SESSIONS_ENDED",
            Self::KeyAdded => "KEY_ADDED",
            Self::KeyRetired => "KEY_RETIRED",
            Self::KeysResealed => "KEYS_RESEALED",
        }
    }

    /// A reuse is a refusal; everything else recorded here was done.
    fn outcome(self) -> &'static str {
        match self {
            Self::RefreshReused => "REFUSED",
            Self::Registered
            | Self::UserCreated
            | Self::SignedIn
            | Self::SignedOut
            | Self::RoleChanged
            | Self::UserDeactivated
            | Self::UserReactivated
            | Self::UserDeleted
            | Self::PasswordSet
            | Self::AccountLocked
            | Self::UserUnlocked
            | Self::SessionsEnded
            | Self::KeyAdded
            | Self::KeyRetired
            | Self::KeysResealed => "DONE",
        }
    }
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// A user, in their own name.
    User(UserId),
    /// The operator, at the command line.
    Cli,
    /// The server itself, at its start.
    System,
    /// Somebody who presented a token that was not theirs to use.
    Unknown,
}

impl From<&Viewer> for Actor {
    fn from(viewer: &Viewer) -> Self {
        Self::User(viewer.user.id)
    }
}

/// One security event.
pub(crate) struct Event<'a> {
    pub(crate) kind: Kind,
    pub(crate) actor: Actor,
    /// The user or the key it happened to.
    pub(crate) target: Option<Uuid>,
    /// The session it happened in, when there is one.
    pub(crate) session: Option<SessionId>,
    pub(crate) client: &'a Client,
}

/// Writes `event` into the caller's transaction.
pub(crate) async fn record(
    txn: &impl ConnectionTrait,
    now: DateTime<Utc>,
    event: Event<'_>,
) -> Result<(), DbErr> {
    store::insert(txn, now, event).await
}

/// When the newest event was written.
pub(crate) async fn newest(db: &impl ConnectionTrait) -> Result<Option<DateTime<Utc>>, DbErr> {
    store::newest(db).await
}

impl Actor {
    fn as_str(self) -> &'static str {
        match self {
            Self::User(_) => "USER",
            Self::Cli => "CLI",
            Self::System => "SYSTEM",
            Self::Unknown => "UNKNOWN",
        }
    }

    fn id(self) -> Option<Uuid> {
        match self {
            Self::User(id) => Some(id.0),
            Self::Cli | Self::System | Self::Unknown => None,
        }
    }
}
