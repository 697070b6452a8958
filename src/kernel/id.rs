//! Ids: UUIDv7, one Rust type a kind, so that a session's id cannot be passed for a user's.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, DeriveValueType, TryFromU64};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::{NoContext, Timestamp, Uuid};

use super::columns::{Columns, FromColumns};

/// The id of an object of some type, as it is told outside: the type's name, an underscore and a UUID. The database
/// keeps the UUID alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    /// The type's name, as in `user_`; empty where a UUID stands for itself.
    pub(crate) of: &'static str,
    pub(crate) uuid: Uuid,
}

impl Id {
    /// Those of some ids that are of one type.
    pub(crate) fn all<T: TryFrom<Self>>(ids: &[Self]) -> Vec<T> {
        ids.iter().filter_map(|id| T::try_from(*id).ok()).collect()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.of.is_empty() {
            write!(f, "{}_", self.of)?;
        }
        self.uuid.as_hyphenated().fmt(f)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $of:literal;)*) => {
        impl Id {
            /// Reads the canonical text of an id of any type; any other spelling names nothing.
            pub(crate) fn parse(text: &str) -> Option<Self> {
                let (of, uuid) = text.rsplit_once('_').unwrap_or(("", text));
                let of = ["", $($of,)*].into_iter().find(|known| *known == of)?;
                let id = Self { of, uuid: Uuid::try_parse(uuid).ok()? };
                (id.to_string() == text).then_some(id)
            }
        }
    $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType)]
        pub(crate) struct $name(pub(crate) Uuid);

        impl $name {
            /// How ids of this type begin outside.
            pub(crate) const OF: &str = $of;

            /// A fresh id; its random part comes from the operating system's generator (EN-06).
            pub(crate) fn new(now: DateTime<Utc>) -> Self {
                Self(uuid_v7(now))
            }

            /// Reads the canonical text; any other spelling, and an id of another type, names nothing.
            pub(crate) fn parse(text: &str) -> Option<Self> {
                Id::parse(text)?.try_into().ok()
            }
        }

        impl TryFrom<Id> for $name {
            type Error = ();

            fn try_from(id: Id) -> Result<Self, ()> {
                if id.of == Self::OF { Ok(Self(id.uuid)) } else { Err(()) }
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

        impl From<$name> for Id {
            fn from(id: $name) -> Self {
                Self { of: $name::OF, uuid: id.0 }
            }
        }

        impl FromColumns for $name {
            fn read(columns: &mut Columns<'_>) -> rusqlite::Result<Self> {
                Uuid::read(columns).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Id::from(*self).fmt(f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Id::from(*self).serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| de::Error::custom(concat!("not an id of a ", $of)))
            }
        }
    )*};
}

ids! {
    /// A user: `sub` in access tokens.
    UserId = "user";
    /// A session: `sid` in access tokens.
    SessionId = "session";
    /// A refresh token's row. The token itself is a secret and never an id.
    RefreshTokenId = "refresh";
    /// A mail; its receivers tell by it that they have it already.
    MailId = "mail";
    /// A one-time token's row. The token itself is a secret and never an id.
    LinkTokenId = "link";
    /// A security event.
    AuditEventId = "event";
    /// An organization: `org` in access tokens.
    OrganizationId = "organization";
    /// That a user belongs to an organization.
    MembershipId = "membership";
    /// A task.
    TaskId = "task";
    /// That somebody is asked to join an organization.
    InvitationId = "invitation";
}

/// A UUIDv7 that carries `now` in milliseconds and 74 random bits.
pub(crate) fn uuid_v7(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
}
