//! What can happen, as it is stored.

use serde::{Serialize, Serializer};
use strum::{EnumString, IntoStaticStr};
use uuid::Uuid;

use crate::kernel::access::Refused;
use crate::kernel::id::{Id, MailId, OrganizationId, TypedId, UserId};
use crate::kernel::registered::Registered;

/// The longest name that the log's column holds.
const NAME_LENGTH_MAX: usize = 64;

/// The type of an audit event. The schema and the log spell it alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    name: &'static str,
    about: &'static str,
    /// The type of what it happens to, as ids carry it. A key is called by its UUID alone, as in the JWKS.
    target: &'static str,
    outcome: Outcome,
}

impl Kind {
    /// One that happens to what ids of a type name.
    ///
    /// # Panics
    ///
    /// Where a constant is made of it, it does not compile: for a name that is too long for the log.
    #[must_use]
    pub const fn of<T: TypedId>(name: &'static str, about: &'static str) -> Self {
        assert!(name.len() <= NAME_LENGTH_MAX, "the name of an event has at most 64 letters");
        Self { name, about: about.trim_ascii(), target: T::OF, outcome: Outcome::Done }
    }

    /// That somebody was refused it.
    const fn refused(self) -> Self {
        Self { outcome: Outcome::Refused, ..self }
    }

    /// All that can happen here.
    pub(crate) fn all() -> &'static [Self] {
        KNOWN.all()
    }

    /// Finds it by its name; `None` for one that only another version of the program knows.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        KNOWN.find(name)
    }

    /// Its name.
    #[must_use]
    pub const fn into_str(self) -> &'static str {
        self.name
    }

    /// What it says in the schema.
    pub(crate) fn about(self) -> &'static str {
        self.about
    }

    /// How ids of what it happens to begin; empty for a key.
    pub(crate) fn target(self) -> &'static str {
        self.target
    }

    /// The id of what it has happened to.
    pub(super) fn target_id(self, uuid: Uuid) -> Id {
        Id { of: self.target, uuid }
    }

    /// The outcome of the action.
    pub(crate) fn outcome(self) -> Outcome {
        self.outcome
    }
}

impl From<Kind> for &'static str {
    fn from(kind: Kind) -> Self {
        kind.name
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

/// Declares what can happen: each with what it says in the schema, and the id of what it happens to. They are
/// registered as `AUDIT_KINDS`.
#[macro_export]
macro_rules! audit_kinds {
    ($($(#[doc = $about:literal])+ $vis:vis $name:ident: $target:ty $(, $outcome:ident)?;)*) => {
        $(
            $(#[doc = $about])+
            $vis const $name: $crate::Kind =
                $crate::Kind::of::<$target>(stringify!($name), concat!($($about),+))$(.$outcome())?;
        )*

        /// All of these.
        pub(crate) const AUDIT_KINDS: &[$crate::Kind] = &[$($name),*];
    };
}

pub(crate) static KNOWN: Registered<Kind> = Registered::new(AUDIT_KINDS);

audit_kinds! {
    /// A user registered an account.
    pub(crate) REGISTERED: UserId;
    /// The operator created an account.
    pub(crate) USER_CREATED: UserId;
    /// A user signed in.
    pub(crate) SIGNED_IN: UserId;
    /// A user signed in after failed attempts.
    pub(crate) SIGNED_IN_AFTER_FAILURES: UserId;
    /// The server refused a sign-in: the name was unknown, the password was wrong, or the account is not active.
    pub(crate) SIGN_IN_REFUSED: UserId, refused;
    /// The server locked the account's password after too many wrong attempts.
    pub(crate) ACCOUNT_LOCKED: UserId;
    /// The operator unlocked an account.
    pub(crate) USER_UNLOCKED: UserId;
    /// A user signed out.
    pub(crate) SIGNED_OUT: UserId;
    /// A client presented an invalid refresh token.
    pub(crate) REFRESH_REFUSED: UserId, refused;
    /// A client presented a refresh token again after its grace period, which ended the session.
    pub(crate) REFRESH_REUSED: UserId, refused;
    /// A client presented a refresh token that is newer than its session in the database, as after a restored backup;
    /// the session ended.
    pub(crate) REFRESH_AHEAD: UserId, refused;
    /// A client presented a refresh token with a valid seal of this server but without the secret of its session: the
    /// refresh key may be compromised.
    pub(crate) REFRESH_FORGED: UserId, refused;
    /// A client presented an invalid token of a mailed link.
    pub(crate) LINK_REFUSED: UserId, refused;
    /// A caller used a field or an object without the necessary role, permission or recent sign-in.
    pub(crate) ACCESS_DENIED: UserId, refused;
    /// A caller exceeded a rate limit.
    pub(crate) RATE_LIMITED: UserId, refused;
    /// The role of a user changed.
    pub(crate) ROLE_CHANGED: UserId;
    /// A user was granted a permission.
    pub(crate) PERMISSION_GRANTED: UserId;
    /// A permission of a user was revoked.
    pub(crate) PERMISSION_REVOKED: UserId;
    /// The public or private metadata of a user changed.
    pub(crate) METADATA_UPDATED: UserId;
    /// An account was deactivated, which ended its sessions.
    pub(crate) USER_DEACTIVATED: UserId;
    /// A deactivated account was reactivated.
    pub(crate) USER_REACTIVATED: UserId;
    /// An account was deleted.
    pub(crate) USER_DELETED: UserId;
    /// The operator set a user's password.
    pub(crate) PASSWORD_SET: UserId;
    /// The user, an admin or the operator ended all sessions of a user, or all but one.
    pub(crate) SESSIONS_ENDED: UserId;
    /// Somebody requested an account with an email address that is not verified yet.
    pub(crate) REGISTRATION_REQUESTED: UserId;
    /// An admin invited somebody to create an account.
    pub(crate) USER_INVITED: UserId;
    /// An invitation to create an account was revoked; the target is the user who sent it.
    pub(crate) USER_INVITATION_REVOKED: UserId;
    /// An invited person created their account.
    pub(crate) INVITATION_ACCEPTED: UserId;
    /// A client requested a mail to verify an email address.
    pub(crate) VERIFICATION_REQUESTED: UserId;
    /// A user verified the email address of their account.
    pub(crate) EMAIL_VERIFIED: UserId;
    /// A user requested a change of their email address, which they have yet to confirm.
    pub(crate) EMAIL_CHANGE_REQUESTED: UserId;
    /// The email address of an account changed.
    pub(crate) EMAIL_CHANGED: UserId;
    /// The owner of the previous email address undid the change of address, which ended all sessions.
    pub(crate) EMAIL_CHANGE_UNDONE: UserId;
    /// A client requested a mail to reset a password.
    pub(crate) PASSWORD_RESET_REQUESTED: UserId;
    /// A user reset their password by a mailed link, which ended all sessions.
    pub(crate) PASSWORD_RESET: UserId;
    /// A user changed their password, which ended their other sessions.
    pub(crate) PASSWORD_CHANGED: UserId;
    /// A signed-in user reauthenticated, which replaced their session.
    pub(crate) REAUTHENTICATED: UserId;
    /// A user linked an identity of another provider to their account.
    pub(crate) IDENTITY_LINKED: UserId;
    /// An identity of another provider was unlinked from an account.
    pub(crate) IDENTITY_UNLINKED: UserId;
    /// The server closed an account with an unverified email address, because a provider proved that somebody else owns
    /// the address.
    pub(crate) ADDRESS_RELEASED: UserId;
    /// A user replaced the username that the server had proposed.
    pub(crate) USERNAME_CHOSEN: UserId;
    /// The second factor of an account was turned on.
    pub(crate) SECOND_FACTOR_TURNED_ON: UserId;
    /// The second factor of an account was turned off.
    pub(crate) SECOND_FACTOR_TURNED_OFF: UserId;
    /// An admin or the operator removed all second factors and passkeys of an account, or undoing a change of address
    /// removed those that may belong to somebody else. All sessions of the account ended.
    pub(crate) SECOND_FACTORS_RESET: UserId;
    /// A user set up an authenticator app, which replaces a previous one.
    pub(crate) TOTP_CONFIRMED: UserId;
    /// The authenticator app of an account was removed.
    pub(crate) TOTP_REMOVED: UserId;
    /// The server locked an authenticator app after too many wrong codes in a row.
    pub(crate) TOTP_LOCKED: UserId;
    /// An account received new recovery codes, which invalidate the previous ones.
    pub(crate) RECOVERY_CODES_ISSUED: UserId;
    /// A user used a recovery code.
    pub(crate) RECOVERY_CODE_USED: UserId;
    /// A user registered a passkey.
    pub(crate) PASSKEY_ADDED: UserId;
    /// A user deleted a passkey.
    pub(crate) PASSKEY_REMOVED: UserId;
    /// The server refused a passkey because its signature counter went backwards, which indicates a copy.
    pub(crate) PASSKEY_COUNTER_REFUSED: UserId;
    /// A user changed their profile.
    pub(crate) PROFILE_UPDATED: UserId;
    /// A user ended one of their sessions.
    pub(crate) SESSION_REVOKED: UserId;
    /// The server ended a session from which too many wrong passwords came.
    pub(crate) SESSION_ENDED_BY_FAILURES: UserId;
    /// The owner of a reclaimed account kept its leftovers.
    pub(crate) LEFTOVERS_KEPT: UserId;
    /// The owner of a reclaimed account discarded its leftovers.
    pub(crate) LEFTOVERS_DROPPED: UserId;
    /// A user exported their data.
    pub(crate) DATA_EXPORTED: UserId;
    /// A user created an organization.
    pub(crate) ORGANIZATION_CREATED: OrganizationId;
    /// The name of an organization changed.
    pub(crate) ORGANIZATION_UPDATED: OrganizationId;
    /// An organization was deleted, by an owner or together with its only member.
    pub(crate) ORGANIZATION_DELETED: OrganizationId;
    /// A member invited somebody to join an organization.
    pub(crate) MEMBER_INVITED: OrganizationId;
    /// A member revoked an invitation to join an organization.
    pub(crate) MEMBER_INVITATION_REVOKED: OrganizationId;
    /// A user accepted an invitation to join an organization.
    pub(crate) ORGANIZATION_JOINED: OrganizationId;
    /// The role of a member in an organization changed.
    pub(crate) MEMBER_ROLE_CHANGED: UserId;
    /// A member was removed from an organization.
    pub(crate) MEMBER_REMOVED: UserId;
    /// A member left an organization.
    pub(crate) ORGANIZATION_LEFT: OrganizationId;
    /// An owner made another member an owner in their place, and became an admin.
    pub(crate) OWNERSHIP_TRANSFERRED: UserId;
    /// A user obtained an access token for another organization, or for none.
    pub(crate) ORGANIZATION_SWITCHED: OrganizationId;
    /// A signing key or a refresh key was created: the first one, or one for a rotation or a restored backup.
    pub(crate) KEY_ADDED: Uuid;
    /// The operator withdrew a signing key with immediate effect.
    pub(crate) KEY_RETIRED: Uuid;
    /// The operator encrypted all keys with a new secret.
    pub(crate) KEYS_RESEALED: Uuid;
    /// The operator retried undelivered mail.
    pub(crate) MAIL_RETRIED: MailId;
    /// The operator deleted old events.
    pub(crate) AUDIT_PRUNED: UserId;
    /// The operator signed the log in its current state.
    pub(crate) AUDIT_SIGNED: UserId;
    /// The operator restored a backup of the database. The detail is the last link of the log in the backup, and whether
    /// its sessions were kept.
    pub(crate) BACKUP_RESTORED: UserId;
    /// The operator began to revert migrations, which deletes the data in what they created. The detail is the first of
    /// them.
    pub(crate) MIGRATIONS_REVERTED: UserId;
    /// An instance of the server read its settings and started to serve requests.
    pub(crate) SERVER_STARTED: UserId;
    /// An instance of the server stopped on request. A killed instance does not record this event.
    pub(crate) SERVER_STOPPED: UserId;
}

/// How what happened ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Outcome {
    Done,
    Refused,
}

impl From<Refused> for Kind {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::SignIn => SIGN_IN_REFUSED,
            Refused::Refresh => REFRESH_REFUSED,
            Refused::Link => LINK_REFUSED,
            Refused::Access => ACCESS_DENIED,
            Refused::Rate => RATE_LIMITED,
        }
    }
}
