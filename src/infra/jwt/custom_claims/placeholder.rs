//! What a template can be filled with.

use serde_json::Value;
use strum::{EnumString, IntoEnumIterator, IntoStaticStr, VariantArray};

use super::super::Claims;
use crate::kernel::access::{OrganizationRole, Permission, Role};

/// More than the id of any type has.
const ID_LENGTH_MAX: usize = 64;
/// More than the name of any role has.
const ROLE_LENGTH_MAX: usize = 16;

/// A claim of ours, by its name. Of those there are, the ones whose value is the server's choice: an id that it made, or one
/// of a closed set. A username, an address or the name of an organization is somebody's text, and no placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Placeholder {
    Sub,
    Sid,
    Role,
    Org,
    OrgRole,
    Permissions,
    Scope,
}

impl Placeholder {
    /// All of them, for a message.
    pub(super) fn list() -> String {
        let names = Self::VARIANTS.iter().map(|&one| format!("{{{}}}", <&str>::from(one)));
        names.collect::<Vec<_>>().join(", ")
    }

    /// What a token says there; `None` where it lacks that claim.
    pub(super) fn value(self, claims: &Claims) -> Option<Value> {
        match self {
            Self::Sub => Some(claims.sub.to_string().into()),
            Self::Sid => Some(claims.sid.to_string().into()),
            Self::Role => Some(claims.role.as_str().into()),
            Self::Org => claims.org.map(|org| org.to_string().into()),
            Self::OrgRole => claims.org_role.as_deref().map(Value::from),
            Self::Permissions => Some(claims.permissions.as_slice().into()),
            Self::Scope => claims.scope.as_deref().map(Value::from),
        }
    }

    pub(super) fn is_list(self) -> bool {
        self == Self::Permissions
    }

    /// Whether tokens of people who act in no organization, or may do nothing beyond their account, lack it.
    pub(super) fn can_be_absent(self) -> bool {
        match self {
            Self::Org | Self::OrgRole | Self::Scope => true,
            Self::Sub | Self::Sid | Self::Role | Self::Permissions => false,
        }
    }

    /// The values by which a template can choose, where they are few and known.
    pub(super) fn choices(self) -> Option<Vec<&'static str>> {
        match self {
            Self::Role => Some(Role::iter().map(Role::into_str).collect()),
            Self::OrgRole => {
                Some(OrganizationRole::iter().map(OrganizationRole::into_str).collect())
            }
            Self::Sub | Self::Sid | Self::Org | Self::Permissions | Self::Scope => None,
        }
    }

    /// The most bytes that it takes up, without the quotes of a text.
    pub(super) fn length_max(self) -> usize {
        let all = |length: fn(Permission) -> usize| {
            Permission::all().iter().map(|&one| length(one)).sum()
        };
        match self {
            Self::Sub | Self::Sid | Self::Org => ID_LENGTH_MAX,
            Self::Role | Self::OrgRole => ROLE_LENGTH_MAX,
            // Quotes and a comma; a space.
            Self::Permissions => all(|permission| permission.into_str().len() + 3),
            Self::Scope => all(|permission| permission.scope().len() + 1),
        }
    }
}
