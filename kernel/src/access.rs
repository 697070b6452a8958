//! Who calls, and what they may do.

pub mod permission;
pub mod proof;
pub mod standing;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
#[cfg(feature = "database")]
use sea_orm::prelude::StringLen;
use serde::{Deserialize, Serialize};
use strum::{EnumIter, EnumString, IntoEnumIterator, IntoStaticStr};
use uuid::Uuid;

pub use self::permission::Permission;
pub use self::permission::{Grant, Grants};
pub use self::proof::{FRESH_SECONDS, Factor, Level, Proof, Proofs, Proven};
pub use self::standing::{Covers, Own, Owner, Rights, Uncovered};
#[cfg(feature = "database")]
use super::columns::{Columns, FromColumns};
use crate::id::{OrganizationId, SessionId, UserId};
use crate::request_id::RequestId;

names!(Role, OrganizationRole, Anonymity, Language);

// The schema, the database and the `role` claim spell it alike.
/// The role of a user. Roles are ordered USER, ADMIN; each role includes everything that the lower one allows.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, IntoStaticStr, EnumString,
)]
#[cfg_attr(
    feature = "database",
    derive(sea_orm::DeriveActiveEnum),
    sea_orm(
        rs_type = "String",
        db_type = "String(StringLen::N(16))",
        rename_all = "SCREAMING_SNAKE_CASE"
    )
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[cfg_attr(feature = "graphql", derive(async_graphql::Enum))]
pub enum Role {
    /// An ordinary account.
    User,
    /// Can manage accounts.
    Admin,
}

// The schema, the database and the `org_role` claim spell it alike.
/// A member's role in an organization. Roles are ordered MEMBER, ADMIN, OWNER; each role includes everything that the
/// lower ones allow.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, IntoStaticStr, EnumString,
)]
#[cfg_attr(
    feature = "database",
    derive(sea_orm::DeriveActiveEnum),
    sea_orm(
        rs_type = "String",
        db_type = "String(StringLen::N(16))",
        rename_all = "SCREAMING_SNAKE_CASE"
    )
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[cfg_attr(feature = "graphql", derive(async_graphql::Enum))]
pub enum OrganizationRole {
    /// Belongs to the organization.
    Member,
    /// Can also manage the organization's members.
    Admin,
    /// Can also delete the organization and make others owners.
    Owner,
}

/// The organization that a call acts in, and what its user may do there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveOrganization {
    /// The organization.
    pub id: OrganizationId,
    /// The role of the session's user there.
    pub role: OrganizationRole,
}

impl ActiveOrganization {
    /// What a session names, if its user is a member there.
    #[must_use]
    pub fn of(id: Option<OrganizationId>, role: Option<OrganizationRole>) -> Option<Self> {
        Some(Self { id: id?, role: role? })
    }
}

/// An account as the program passes it around: without the password's hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `sub` in access tokens.
    pub id: UserId,
    /// Unique, without regard to case.
    pub username: String,
    /// Unique, without regard to case.
    pub email: String,
    /// Whether the user has proven that the address is theirs.
    pub email_verified: bool,
    /// What the user is called, in their own words.
    pub full_name: Option<String>,
    /// Where a picture of the user is: an https URL in its canonical form.
    pub avatar_url: Option<String>,
    /// What the user may do without a grant.
    pub role: Role,
    /// Whether the account is active. A deactivated user cannot sign in.
    pub is_active: bool,
    /// When the account was created.
    pub created_at: DateTime<Utc>,
    /// When the account was last changed.
    pub updated_at: DateTime<Utc>,
    /// When the user last signed in; null if never.
    pub last_login_at: Option<DateTime<Utc>>,
    /// The language of mails to the user.
    pub locale: Language,
    /// What the user was given beside what their role implies.
    pub grants: Grants,
    /// Whether the user signs in with a second factor.
    pub second_factor: bool,
}

impl User {
    /// What strangers are told that a user is called. Until an address is proven it is all that is
    /// known of its owner, and the username may have been chosen to have it read (RS-12).
    #[must_use]
    pub fn known_as(&self) -> &str {
        if self.email_verified { &self.username } else { &self.email }
    }
}

/// The caller of a request whose access token or cookie names a live session of an active user.
///
/// Everything here is current data, not what the token says: a demoted admin is a user.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// The caller's account.
    pub user: Arc<User>,
    /// The session that the credential belongs to.
    pub session_id: SessionId,
    /// Where the session keeps its credential.
    pub session_mode: TokenMode,
    /// What the caller has shown of it.
    pub credential: Credential,
    /// How whoever got that credential proved who they are. What is made from it keeps that.
    pub proven: Proven,
    /// The session's absolute end.
    pub session_expires_at: DateTime<Utc>,
    /// The one that the call names.
    pub organization: Option<ActiveOrganization>,
}

impl Viewer {
    /// Whether the caller holds at least `role`.
    #[must_use]
    pub fn holds(&self, role: Role) -> bool {
        self.user.role >= role
    }

    /// Whether the caller acts in an organization and holds at least `role` there.
    #[must_use]
    pub fn holds_in_organization(&self, role: OrganizationRole) -> bool {
        self.organization.is_some_and(|organization| organization.role >= role)
    }

    /// Whether the caller proved who they are at most so many seconds ago, with two factors if their account has two. A
    /// sign-in that lies in the future, because the clock was set back, does not count.
    #[must_use]
    pub fn proved_within(&self, seconds: u32, now: DateTime<Utc>) -> bool {
        let age = now - self.proven.at;
        let is_recent = age.abs() <= TimeDelta::seconds(seconds.into());
        let is_enough = !self.user.second_factor || self.proven.level(now) == Level::Aal2;
        !self.is_elsewhere() && is_recent && is_enough
    }

    /// Whether the caller has an access token that a cookie was exchanged for: it is for other services. Here it proves
    /// nothing anew, and nothing is issued for it.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        self.session_mode == TokenMode::Cookie
            && matches!(self.credential, Credential::AccessToken { .. })
    }
}

/// What a caller shows of their session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// An access token.
    AccessToken {
        /// When it ends.
        expires_at: DateTime<Utc>,
    },
    /// The cookie.
    Cookie {
        /// When it ends at the latest: with its session, or soon, where another has taken its place.
        expires_at: DateTime<Utc>,
    },
}

/// Why the server does not recognize a caller, as in `extensions.reason` of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[cfg_attr(
    feature = "graphql",
    derive(async_graphql::Enum),
    graphql(name = "UnauthenticatedReason")
)]
pub enum Anonymity {
    /// The request has neither an access token nor a cookie.
    MissingToken,
    /// The token or cookie is malformed, forged, or issued for another audience.
    InvalidToken,
    /// The access token has expired. Refresh it.
    TokenExpired,
    /// The token is valid, but its session has ended. Sign in again.
    SessionEnded,
    /// The account now requires a second factor, and the session began without one. Sign in again.
    SecondFactorRequired,
    /// The call names an organization that the caller does not belong to.
    NotAMember,
}

/// Where a caller keeps what its session is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, EnumString)]
#[cfg_attr(
    feature = "database",
    derive(sea_orm::DeriveActiveEnum),
    sea_orm(
        rs_type = "String",
        db_type = "String(StringLen::N(16))",
        rename_all = "SCREAMING_SNAKE_CASE"
    )
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum TokenMode {
    /// Wherever it likes: tokens are in the response's body.
    Body,
    /// In a cookie that no script can read, and that is the session.
    Cookie,
}

/// From where a request came, as far as the server can vouch for it, and how it keeps its tokens.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The address of the client; `None` for the command line.
    pub ip: Option<IpAddr>,
    /// At most 256 characters, without control characters.
    pub user_agent: Option<String>,
    /// `None` for the command line.
    pub request_id: Option<RequestId>,
    /// Where the caller keeps what its session is known by.
    pub token_mode: TokenMode,
    /// The session of the cookie that the request came with, and its user: a sign-in takes its place.
    pub cookie_session: Option<(SessionId, UserId)>,
    /// The language of mails to a caller without an account.
    pub language: Language,
}

impl Origin {
    /// The command line: no address and no request.
    pub const CLI: Self = Self {
        ip: None,
        user_agent: None,
        request_id: None,
        token_mode: TokenMode::Body,
        cookie_session: None,
        language: Language::English,
    };
}

/// A language of the server's mails.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, EnumIter, Deserialize, Serialize, IntoStaticStr,
)]
#[cfg_attr(
    feature = "database",
    derive(sea_orm::DeriveActiveEnum),
    sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")
)]
#[cfg_attr(feature = "graphql", derive(async_graphql::Enum), graphql(name = "Locale"))]
pub enum Language {
    /// English.
    #[default]
    #[cfg_attr(feature = "database", sea_orm(string_value = "en"))]
    #[cfg_attr(feature = "graphql", graphql(name = "EN"))]
    #[serde(rename = "en")]
    #[strum(serialize = "en")]
    English,
    /// German.
    #[cfg_attr(feature = "database", sea_orm(string_value = "de"))]
    #[cfg_attr(feature = "graphql", graphql(name = "DE"))]
    #[serde(rename = "de")]
    #[strum(serialize = "de")]
    German,
}

#[cfg(feature = "database")]
impl FromColumns for Language {
    fn read(columns: &mut Columns<'_>) -> rusqlite::Result<Self> {
        columns.parse(Self::named)
    }
}

impl Language {
    /// The language of a tag, whatever its region.
    #[must_use]
    pub fn named(tag: &str) -> Option<Self> {
        let language = tag.split('-').next()?;
        Self::iter().find(|known| known.into_str().eq_ignore_ascii_case(language))
    }

    /// The one an `Accept-Language` header likes best (RFC 9110, section 12.5.4), or the default.
    #[must_use]
    pub fn accepted(header: &str) -> Self {
        let ranges = header.split(',').filter_map(|range| {
            let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
            let weight: f32 = weight.trim().strip_prefix("q=")?.parse().ok()?;
            (weight > 0.0).then_some((Self::named(tag.trim())?, weight))
        });
        // The first of those that are liked equally.
        ranges.reduce(|best, next| if next.1 > best.1 { next } else { best }).unwrap_or_default().0
    }
}

/// What counts as one address: of IPv6 the first half, since one subscriber has at least a /64.
#[must_use]
pub fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// A refusal that the audit log records.
///
/// A missing or stale token is not among them: every visitor and every idle tab is told so, it
/// names nobody, and nothing was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was refused.
    pub refused: Refused,
    /// The account it was about, when there is one. What a caller typed is never kept.
    pub target: Option<Uuid>,
}

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A sign-in.
    SignIn,
    /// A new pair of tokens.
    Refresh,
    /// What the link in a mail is for.
    Link,
    /// What another role may do.
    Access,
    /// One call too many.
    Rate,
}

/// Who a request's access token or cookie speaks for.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// A user, in a session that is not over.
    Viewer(Viewer),
    /// Nobody, and why.
    Anonymous(Anonymity),
}

impl Authentication {
    /// The user in their session, if it is one.
    #[must_use]
    pub fn viewer(&self) -> Option<&Viewer> {
        match self {
            Self::Viewer(viewer) => Some(viewer),
            Self::Anonymous(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_one_that_is_liked_best_of_those_there_are() {
        for (header, language) in [
            ("de", Language::German),
            ("de-AT, en;q=0.9", Language::German),
            ("fr, en;q=0.3, de;q=0.7", Language::German),
            ("DE;q=0.5,en;q=0.5", Language::German),
            ("en;q=0.5,de;q=0.5", Language::English),
            ("de;q=0", Language::English),
            ("de;q=x, *;q=1, ,;", Language::English),
            ("fr", Language::English),
            ("", Language::English),
        ] {
            assert_eq!(Language::accepted(header), language, "{header}");
        }
    }
}
