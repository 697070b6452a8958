//! Ids: UUIDv7, one Rust type a kind, so that a session's id cannot be passed for a user's.

use std::fmt;

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, DeriveValueType, TryFromU64};
use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};

use super::columns::{Columns, FromColumns};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
            DeriveValueType,
        )]
        #[serde(transparent)]
        pub(crate) struct $name(pub(crate) Uuid);

        impl $name {
            /// A fresh id; its random part comes from the operating system's generator (EN-06).
            pub(crate) fn new(now: DateTime<Utc>) -> Self {
                Self(uuid_v7(now))
            }
        }

        /// SeaORM asks every primary key whether it can be an auto-incremented one. Ours cannot.
        impl TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                Err(DbErr::ConvertFromU64(stringify!($name)))
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl FromColumns for $name {
            fn read(columns: &mut Columns<'_>) -> rusqlite::Result<Self> {
                Uuid::read(columns).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }
    )*};
}

ids! {
    /// A user: `sub` in access tokens.
    UserId;
    /// A session: `sid` in access tokens.
    SessionId;
    /// A refresh token's row. The token itself is a secret and never an id.
    RefreshTokenId;
    /// A mail; its receivers tell by it that they have it already.
    MailId;
    /// A one-time token's row. The token itself is a secret and never an id.
    LinkTokenId;
    /// A security event.
    AuditEventId;
    /// An organization: `org` in access tokens.
    OrganizationId;
    /// That a user belongs to an organization.
    MembershipId;
    /// A task.
    TaskId;
    /// That somebody is asked to join an organization.
    InvitationId;
}

macro_rules! parsed {
    ($($name:ident;)*) => {$(
        impl $name {
            /// Reads the canonical text form; any other spelling names nothing.
            pub(crate) fn parse(text: &str) -> Option<Self> {
                parse(text).map(Self)
            }
        }
    )*};
}

// Those that requests name.
parsed! {
    UserId;
    SessionId;
    OrganizationId;
    InvitationId;
    TaskId;
}

/// Reads the canonical text form of any id.
pub(crate) fn parse(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (id.as_hyphenated().to_string() == text).then_some(id)
}

/// A UUIDv7 that carries `now` in milliseconds and 74 random bits.
pub(crate) fn uuid_v7(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
}
