//! What a caller may do beyond what every account may.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Value, json};

use super::{Rights, Role, User};
use crate::registered::Registered;

/// A permission. Roles imply some permissions, and admins can grant others individually. The schema and the
/// `permissions` claim spell it alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission {
    name: &'static str,
    about: &'static str,
}

impl Permission {
    /// One of this name; `about` is what it says in the schema. [`permissions!`](crate::permissions) makes it.
    #[must_use]
    pub const fn new(name: &'static str, about: &'static str) -> Self {
        Self { name, about: about.trim_ascii() }
    }

    /// Finds it by its name; `None` for one that only another version of the program knows.
    pub fn parse(name: &str) -> Option<Self> {
        KNOWN.find(name)
    }

    /// All that there are here.
    pub fn all() -> &'static [Self] {
        KNOWN.all()
    }

    /// Its name.
    #[must_use]
    pub const fn into_str(self) -> &'static str {
        self.name
    }

    /// Its name as an OAuth scope, as in `users:read` for `USERS_READ` and `tasks:read_all` for `TASKS_READ_ALL`. Two
    /// permissions have two scopes.
    #[must_use]
    pub fn scope(self) -> String {
        self.name.to_ascii_lowercase().replacen('_', ":", 1)
    }

    /// What it says in the schema.
    #[must_use]
    pub fn about(self) -> &'static str {
        self.about
    }
}

impl From<Permission> for &'static str {
    fn from(permission: Permission) -> Self {
        permission.name
    }
}

impl Serialize for Permission {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

impl<'de> Deserialize<'de> for Permission {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| de::Error::custom("not a permission"))
    }
}

/// Declares permissions, each with what it says in the schema. They are registered as `PERMISSIONS`.
#[macro_export]
macro_rules! permissions {
    ($($(#[doc = $about:literal])+ $vis:vis $name:ident;)*) => {
        $(
            $(#[doc = $about])+
            $vis const $name: $crate::access::Permission =
                $crate::access::Permission::new(stringify!($name), concat!($($about),+));
        )*

        /// All of these.
        pub const PERMISSIONS: &[$crate::access::Permission] = &[$($name),*];
    };
}

/// All permissions: those of the server and those that an extension adds.
pub static KNOWN: Registered<Permission> = Registered::new(PERMISSIONS);

permissions! {
    /// Read all users.
    pub USERS_READ;
    /// Change, and thereby read, users who have no more permissions than the user; invite people.
    pub USERS_WRITE;
    /// Read all security events.
    pub AUDIT_READ;
    /// Grant and revoke the permissions that the user holds.
    pub PERMISSIONS_GRANT;
    /// Send unregistered documents to a server that otherwise runs only registered ones.
    pub DOCUMENTS_ANY;
}

impl Role {
    /// What a role implies.
    #[must_use]
    pub fn permissions(self) -> &'static [Permission] {
        match self {
            Self::User => &[],
            Self::Admin => Permission::all(),
        }
    }
}

/// A permission that a user was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What the user may do by it.
    pub permission: Permission,
    /// `None`: until it is revoked.
    pub expires_at: Option<DateTime<Utc>>,
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.permission.into_str())?;
        match self.expires_at {
            Some(time) => write!(f, " until {}", time.to_rfc3339_opts(SecondsFormat::Secs, true)),
            None => Ok(()),
        }
    }
}

/// The permissions that a user was given, as their row keeps them: at most one grant of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    known: Vec<Grant>,
    /// As they were read: grants of what only a newer version of the server knows, which may run beside
    /// this one. Here they allow nothing.
    unknown: Vec<Value>,
}

impl Grants {
    /// Reads what a row holds.
    pub fn parse(stored: Option<&str>) -> Self {
        let mut grants = Self::default();
        let stored = stored.map(serde_json::from_str::<Vec<Value>>);
        for one in stored.and_then(Result::ok).unwrap_or_default() {
            match Grant::deserialize(&one) {
                Ok(grant) => grants.known.push(grant),
                Err(_) => grants.unknown.push(one),
            }
        }
        grants
    }

    /// The column of a row: null when there are no grants.
    #[must_use]
    pub fn stored(&self) -> Option<String> {
        let all: Vec<_> =
            self.known.iter().map(|grant| json!(grant)).chain(self.unknown.clone()).collect();
        (!all.is_empty()).then(|| Value::from(all).to_string())
    }

    /// Those that count at this time.
    pub fn at(&self, now: DateTime<Utc>) -> impl Iterator<Item = Grant> {
        self.known
            .iter()
            .copied()
            .filter(move |grant| grant.expires_at.is_none_or(|expires_at| now < expires_at))
    }

    /// Whether they and a role allow something.
    fn allow(&self, role: Role, permission: Permission, now: DateTime<Utc>) -> bool {
        role.permissions().contains(&permission)
            || self.at(now).any(|grant| grant.permission == permission)
    }

    /// All that they and a role allow.
    #[must_use]
    pub fn and_role(&self, role: Role, now: DateTime<Utc>) -> Vec<Permission> {
        Permission::all().iter().copied().filter(|&one| self.allow(role, one, now)).collect()
    }

    /// The same with one more, or one for another time. What has expired is no longer among them.
    #[must_use]
    pub fn with(&self, grant: Grant, now: DateTime<Utc>) -> Self {
        let mut grants = self.without(grant.permission, now);
        grants.known.push(grant);
        grants.known.sort_by_key(|grant| grant.permission);
        grants
    }

    /// The same with one less.
    #[must_use]
    pub fn without(&self, permission: Permission, now: DateTime<Utc>) -> Self {
        let known = self.at(now).filter(|grant| grant.permission != permission).collect();
        Self { known, unknown: self.unknown.clone() }
    }
}

impl User {
    /// Whether a user may do something, by their role or because it was granted to them.
    #[must_use]
    pub fn may(&self, permission: Permission, now: DateTime<Utc>) -> bool {
        self.grants.allow(self.role, permission, now)
    }

    /// Whether a user may do something for as long as a grant of it would.
    #[must_use]
    pub fn may_grant(&self, grant: Grant, now: DateTime<Utc>) -> bool {
        self.role.permissions().contains(&grant.permission)
            || self.grants.at(now).filter(|own| own.permission == grant.permission).any(
                |own| match (own.expires_at, grant.expires_at) {
                    (None, _) => true,
                    (Some(_), None) => false,
                    (Some(own), Some(given)) => given <= own,
                },
            )
    }

    /// All that a user may do.
    #[must_use]
    pub fn permissions(&self, now: DateTime<Utc>) -> Vec<Permission> {
        self.grants.and_role(self.role, now)
    }

    /// Whether a user may do all that an account may, for as long: nobody changes an account that may
    /// do more. What this version does not know, only an admin may.
    #[must_use]
    pub fn may_all_of(&self, of: Rights<'_>, now: DateTime<Utc>) -> bool {
        self.role >= of.role
            && (self.role == Role::Admin || of.grants.unknown.is_empty())
            && of.grants.at(now).all(|grant| self.may_grant(grant, now))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_scope_is_the_name_with_a_colon_for_its_first_underscore_in_lower_case() {
        for (name, scope) in [
            ("USERS_READ", "users:read"),
            ("TASKS_READ_ALL", "tasks:read_all"),
            ("V2_READ", "v2:read"),
            ("DEPLOY", "deploy"),
        ] {
            assert_eq!(Permission::new(name, "").scope(), scope);
        }
    }

    #[test]
    fn grants_survive_being_stored_and_count_until_they_expire() {
        let now = DateTime::UNIX_EPOCH;
        let later = now + TimeDelta::microseconds(1);
        let lasting = Grant { permission: USERS_READ, expires_at: None };
        let short = Grant { permission: AUDIT_READ, expires_at: Some(later) };
        let grants = Grants::default().with(short, now).with(lasting, now);

        let stored = grants.stored();
        assert_eq!(Grants::parse(stored.as_deref()), grants);
        assert_eq!(grants.at(now).collect::<Vec<_>>(), [short, lasting]);
        assert_eq!(grants.at(later).collect::<Vec<_>>(), [lasting]);
        assert_eq!(grants.without(USERS_READ, later).stored(), None);
    }

    #[test]
    fn what_a_row_should_not_hold_is_no_permission() {
        let now = DateTime::UNIX_EPOCH;
        for stored in ["", "null", "{}", "[1]", r#"[{"permission":"NEWER","expires_at":null}]"#] {
            assert_eq!(Grants::parse(Some(stored)).at(now).count(), 0, "{stored}");
        }
    }

    #[test]
    fn what_only_a_newer_version_knows_is_kept_beside_what_changes() {
        let now = DateTime::UNIX_EPOCH;
        let newer = r#"{"by":"all","permission":"NEWER"}"#;
        let beside = format!(r#"[{newer},{{"permission":"USERS_READ","expires_at":null}}]"#);
        let grants = Grants::parse(Some(&beside));
        assert_eq!(grants.at(now).count(), 1);

        let without = grants.without(USERS_READ, now);
        assert_eq!(without.stored(), Some(format!("[{newer}]")));
        let lasting = Grant { permission: AUDIT_READ, expires_at: None };
        let with = without.with(lasting, now).stored().unwrap();
        assert!(with.contains(newer) && with.contains("AUDIT_READ"), "{with}");
    }
}
