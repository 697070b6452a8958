//! Ids: UUIDv7, one Rust type a kind, so that a session's id cannot be passed for a user's.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::{NoContext, Timestamp, Uuid};

#[cfg(feature = "database")]
use super::columns::{Columns, FromColumns};
use super::registered::Registered;

/// The id of objects of one type, as Rust tells it from others. [`declare_id!`](crate::declare_id) declares one.
pub trait TypedId: Copy + From<Uuid> + Into<Uuid> + Send + Sync + 'static {
    /// How ids of this type begin outside, before an underscore; empty where a UUID stands for itself.
    const OF: &'static str;
}

impl TypedId for Uuid {
    const OF: &'static str = "";
}

/// The id of an object of some type, as it is told outside: the type's name, an underscore and a UUID. The database
/// keeps the UUID alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id {
    /// The type's name, as in `user_`; empty where a UUID stands for itself.
    pub of: &'static str,
    /// What the database keeps.
    pub uuid: Uuid,
}

impl Id {
    /// As it is told outside.
    #[must_use]
    pub fn of<T: TypedId>(id: T) -> Self {
        Self { of: T::OF, uuid: id.into() }
    }

    /// Reads the canonical text of an id of any type; any other spelling names nothing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (of, uuid) = text.rsplit_once('_').unwrap_or(("", text));
        let id = Self { of: TYPES.find(of)?, uuid: Uuid::try_parse(uuid).ok()? };
        (id.to_string() == text).then_some(id)
    }

    /// The same, where it is of one type.
    #[must_use]
    pub fn typed<T: TypedId>(self) -> Option<T> {
        (self.of == T::OF).then(|| self.uuid.into())
    }

    /// Those of some ids that are of one type.
    #[must_use]
    pub fn all<T: TypedId>(ids: &[Self]) -> Vec<T> {
        ids.iter().filter_map(|id| id.typed()).collect()
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

/// Whether ids can begin with this, before an underscore.
#[must_use]
pub const fn is_type_name(name: &str) -> bool {
    let (bytes, mut index) = (name.as_bytes(), 0);
    while index < bytes.len() {
        if !matches!(bytes[index], b'a'..=b'z' | b'0'..=b'9' | b'_') {
            return false;
        }
        index += 1;
    }
    !bytes.is_empty()
}

/// Declares the id of a type: a UUIDv7 in the database, and outside the name of the type, an underscore and that UUID.
///
/// `sea_orm` must be in scope, as it is with the prelude of `portcullis`.
#[cfg(feature = "database")]
#[macro_export]
macro_rules! declare_id {
    ($(#[$doc:meta])* $vis:vis $name:ident = $of:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, $crate::sea_orm::DeriveValueType)]
        #[sea_orm(column_type = "Uuid", array_type = "Uuid")]
        $vis struct $name($vis $crate::uuid::Uuid);

        /// SeaORM asks every primary key whether it can be an auto-incremented one. Ours cannot.
        impl $crate::sea_orm::TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, $crate::sea_orm::DbErr> {
                Err($crate::sea_orm::DbErr::ConvertFromU64(stringify!($name)))
            }
        }

        $crate::typed_id!($name = $of);
    };
}

/// Declares the id of a type, without a database that keeps it.
#[cfg(not(feature = "database"))]
#[macro_export]
macro_rules! declare_id {
    ($(#[$doc:meta])* $vis:vis $name:ident = $of:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis struct $name($vis $crate::uuid::Uuid);

        $crate::typed_id!($name = $of);
    };
}

/// What an id is, whether a database keeps it or not.
#[doc(hidden)]
#[macro_export]
macro_rules! typed_id {
    ($name:ident = $of:literal) => {
        const _: () = assert!(
            $crate::id::is_type_name($of),
            "the type of an id must consist of lowercase letters, digits and underscores"
        );

        impl $crate::id::TypedId for $name {
            const OF: &'static str = $of;
        }

        impl From<$crate::uuid::Uuid> for $name {
            fn from(uuid: $crate::uuid::Uuid) -> Self {
                Self(uuid)
            }
        }

        impl From<$name> for $crate::uuid::Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl From<$name> for $crate::id::Id {
            fn from(id: $name) -> Self {
                Self::of(id)
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(&$crate::id::Id::of(*self), f)
            }
        }
    };
}

/// The types that ids carry.
pub static TYPES: Registered<&'static str> = Registered::new(OWN_TYPES);

/// Declares the kernel's own ids, which can also be made, parsed and serialized.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $of:literal;)*) => {
        const OWN_TYPES: &[&str] = &["", $($of),*];
    $(
        declare_id! { $(#[$doc])* pub $name = $of }

        impl $name {
            /// A fresh id; its random part comes from the operating system's generator (EN-06).
            pub fn new(now: DateTime<Utc>) -> Self {
                Self(uuid_v7(now))
            }

            /// Reads the canonical text; any other spelling, and an id of another type, names nothing.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Id::parse(text)?.typed()
            }
        }

        #[cfg(feature = "database")]
        impl FromColumns for $name {
            fn read(columns: &mut Columns<'_>) -> rusqlite::Result<Self> {
                Uuid::read(columns).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Id::of(*self).serialize(serializer)
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
    /// That somebody is asked to join an organization.
    InvitationId = "invitation";
    /// That somebody is asked to make an account: the row of the token that they were mailed.
    UserInvitationId = "user_invitation";
    /// Who a user is to another provider.
    IdentityId = "identity";
    /// A sign-in with another provider, or a ceremony with a passkey, from its beginning to its end.
    FlowId = "flow";
    /// A passkey of a user. What its authenticator calls it is its credential id.
    PasskeyId = "passkey";
    /// A recovery code's row. The code itself is a secret and never an id.
    RecoveryCodeId = "recovery_code";
    /// A sign-in that waits for a second factor.
    ChallengeId = "challenge";
}

/// A UUIDv7 that carries `now` in milliseconds and 74 random bits.
#[must_use]
pub fn uuid_v7(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
}

/// The greatest UUIDv7 that was made no later than in the millisecond of `time`.
#[must_use]
pub fn last_uuid_of(time: DateTime<Utc>) -> Uuid {
    let millis = u128::try_from(time.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(millis << 80 | (u128::MAX >> 48))
}
