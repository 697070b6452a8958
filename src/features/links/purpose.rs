//! What the tokens in links are for, and how long they live.

use chrono::TimeDelta;
use strum::{EnumString, IntoStaticStr};

/// What a token is for. One for one thing does nothing else (RS-05).
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Purpose {
    /// Becomes an account; what was typed to get it is in the details.
    Registration,
    /// Shows that an account's address is its owner's.
    Verification,
    /// Gives an account another address, which its owner thereby shows to be theirs.
    EmailChange,
    /// Takes that back, for the owner of the address before.
    EmailChangeUndo,
    PasswordReset,
    Invitation,
    /// Joins an organization. Which, the invitation says whose id is in the details; so it is void when
    /// that invitation is no more.
    OrganizationInvitation,
    /// Lets whoever proves to be an identity of another provider once more have an account with the address that the
    /// provider told. Whose identity it is, the details say.
    ProviderRegistration,
    /// Nothing. Where an address is taken, its row is the same work as one of a registration (EN-03),
    /// and its token is never told to anybody.
    Nothing,
}

impl Purpose {
    /// How long a token lives: never more than a day (NIST SP 800-63B-4, section 4.2.1.2), and what
    /// changes an account that somebody uses at most an hour (RS-01), but for what takes such a change
    /// back.
    pub(crate) fn ttl(self) -> TimeDelta {
        match self {
            Self::PasswordReset => TimeDelta::minutes(30),
            Self::EmailChange => TimeDelta::hours(1),
            Self::Registration
            | Self::Verification
            | Self::EmailChangeUndo
            | Self::Invitation
            | Self::OrganizationInvitation
            | Self::ProviderRegistration
            | Self::Nothing => TimeDelta::hours(24),
        }
    }

    /// The same in seconds, as clients are told.
    pub(crate) fn ttl_seconds(self) -> u32 {
        u32::try_from(self.ttl().num_seconds()).unwrap_or(u32::MAX)
    }
}
