//! What can happen, as it is stored.

use serde::{Serialize, Serializer};
use strum::{EnumString, IntoStaticStr};
use uuid::Uuid;

use crate::kernel::access::Refused;
use crate::kernel::id::{Id, MailId, OrganizationId, TypedId, UserId};
use crate::kernel::registered::Registered;

/// The longest name that the log's column holds.
const NAME_LENGTH_MAX: usize = 64;

/// What happened. The schema and the log spell it alike.
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

    /// The id of what it has happened to.
    pub(super) fn target_id(self, uuid: Uuid) -> Id {
        Id { of: self.target, uuid }
    }

    /// How it ended.
    pub(super) fn outcome(self) -> Outcome {
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
    /// Somebody made an account for themselves.
    pub(crate) REGISTERED: UserId;
    /// The operator made an account.
    pub(crate) USER_CREATED: UserId;
    /// A session began.
    pub(crate) SIGNED_IN: UserId;
    /// A session began, and the account's last attempts had failed.
    pub(crate) SIGNED_IN_AFTER_FAILURES: UserId;
    /// Nobody was signed in: an unknown name, a wrong password, or an account that may not.
    pub(crate) SIGN_IN_REFUSED: UserId, refused;
    /// After too many wrong passwords no password opens the account.
    pub(crate) ACCOUNT_LOCKED: UserId;
    /// The operator opened it again.
    pub(crate) USER_UNLOCKED: UserId;
    /// A session was ended by whoever held it.
    pub(crate) SIGNED_OUT: UserId;
    /// A refresh token was presented that gives nothing.
    pub(crate) REFRESH_REFUSED: UserId, refused;
    /// A refresh token was presented again after its grace, and its session ended.
    pub(crate) REFRESH_REUSED: UserId, refused;
    /// A refresh token was newer than what the database knows of its session, as after a backup was restored; the session
    /// ended.
    pub(crate) REFRESH_AHEAD: UserId, refused;
    /// A refresh token had the seal of this server and not the secret of its session: somebody may have the refresh key.
    pub(crate) REFRESH_FORGED: UserId, refused;
    /// What a link in a mail carries was presented, and gives nothing.
    pub(crate) LINK_REFUSED: UserId, refused;
    /// A caller asked for what their role or permissions, or a sign-in too long ago, do not let them have.
    pub(crate) ACCESS_DENIED: UserId, refused;
    /// A caller asked too often.
    pub(crate) RATE_LIMITED: UserId, refused;
    /// An account got another role.
    pub(crate) ROLE_CHANGED: UserId;
    /// A user was given a permission.
    pub(crate) PERMISSION_GRANTED: UserId;
    /// A permission was taken back from a user.
    pub(crate) PERMISSION_REVOKED: UserId;
    /// The public or private metadata of a user was changed.
    pub(crate) METADATA_UPDATED: UserId;
    /// An account was shut, and its sessions ended.
    pub(crate) USER_DEACTIVATED: UserId;
    /// A shut account was opened again.
    pub(crate) USER_REACTIVATED: UserId;
    /// An account was deleted.
    pub(crate) USER_DELETED: UserId;
    /// The operator gave a user another password.
    pub(crate) PASSWORD_SET: UserId;
    /// All sessions of a user were ended, or all but one: by themselves, an admin or the operator.
    pub(crate) SESSIONS_ENDED: UserId;
    /// Somebody asked for an account, with an address that is still to be proven.
    pub(crate) REGISTRATION_REQUESTED: UserId;
    /// An admin invited somebody to make an account.
    pub(crate) USER_INVITED: UserId;
    /// An invitation to make an account was taken back; the target is who had sent it.
    pub(crate) USER_INVITATION_REVOKED: UserId;
    /// An invited person made their account.
    pub(crate) INVITATION_ACCEPTED: UserId;
    /// A mail was asked for that shows whose an address is.
    pub(crate) VERIFICATION_REQUESTED: UserId;
    /// An account's address was shown to be its owner's.
    pub(crate) EMAIL_VERIFIED: UserId;
    /// Another address was asked for, and is still to be confirmed.
    pub(crate) EMAIL_CHANGE_REQUESTED: UserId;
    /// An account got another address.
    pub(crate) EMAIL_CHANGED: UserId;
    /// The owner of the address before took a change back, and all sessions ended.
    pub(crate) EMAIL_CHANGE_UNDONE: UserId;
    /// A mail was asked for that lets its reader choose another password.
    pub(crate) PASSWORD_RESET_REQUESTED: UserId;
    /// Another password was chosen with what such a mail carries, and all sessions ended.
    pub(crate) PASSWORD_RESET: UserId;
    /// A user changed their password, and their other sessions ended.
    pub(crate) PASSWORD_CHANGED: UserId;
    /// A signed-in user proved their password again, and their session was replaced.
    pub(crate) REAUTHENTICATED: UserId;
    /// An identity of another provider was linked to an account.
    pub(crate) IDENTITY_LINKED: UserId;
    /// An identity of another provider was unlinked from an account.
    pub(crate) IDENTITY_UNLINKED: UserId;
    /// A provider proved that somebody else owns the address of an account that had never verified it. The account was closed.
    pub(crate) ADDRESS_RELEASED: UserId;
    /// The owner of an account chose another username in the place of the one that was proposed.
    pub(crate) USERNAME_CHOSEN: UserId;
    /// An account asks for a second factor from now on.
    pub(crate) SECOND_FACTOR_TURNED_ON: UserId;
    /// An account asks for no second factor any more.
    pub(crate) SECOND_FACTOR_TURNED_OFF: UserId;
    /// An admin or the operator removed all second factors and passkeys of an account, or an undone change of address those that
    /// may be somebody else's. Its sessions ended.
    pub(crate) SECOND_FACTORS_RESET: UserId;
    /// An authenticator app tells codes of an account from now on, in the place of another if there was one.
    pub(crate) TOTP_CONFIRMED: UserId;
    /// No authenticator app tells codes of an account any more.
    pub(crate) TOTP_REMOVED: UserId;
    /// After too many wrong codes in a row none is accepted any more.
    pub(crate) TOTP_LOCKED: UserId;
    /// An account got recovery codes, and those before are void.
    pub(crate) RECOVERY_CODES_ISSUED: UserId;
    /// A recovery code was used.
    pub(crate) RECOVERY_CODE_USED: UserId;
    /// A passkey was registered for an account.
    pub(crate) PASSKEY_ADDED: UserId;
    /// A passkey of an account was deleted.
    pub(crate) PASSKEY_REMOVED: UserId;
    /// A passkey's counter went back, as that of a copy does; it proved nothing.
    pub(crate) PASSKEY_COUNTER_REFUSED: UserId;
    /// A user changed what is shown of them.
    pub(crate) PROFILE_UPDATED: UserId;
    /// A user ended one of their sessions.
    pub(crate) SESSION_REVOKED: UserId;
    /// Too many wrong passwords came from whoever held a session, and it ended.
    pub(crate) SESSION_ENDED_BY_FAILURES: UserId;
    /// The owner of an account that was taken back has kept what was in it.
    pub(crate) LEFTOVERS_KEPT: UserId;
    /// The owner of an account that was taken back has dropped what was in it.
    pub(crate) LEFTOVERS_DROPPED: UserId;
    /// A user fetched all that is kept of them.
    pub(crate) DATA_EXPORTED: UserId;
    /// A user made an organization.
    pub(crate) ORGANIZATION_CREATED: OrganizationId;
    /// An organization got another name.
    pub(crate) ORGANIZATION_UPDATED: OrganizationId;
    /// An organization was deleted, by an owner or with its only member.
    pub(crate) ORGANIZATION_DELETED: OrganizationId;
    /// Somebody was invited to join an organization.
    pub(crate) MEMBER_INVITED: OrganizationId;
    /// Such an invitation was taken back.
    pub(crate) MEMBER_INVITATION_REVOKED: OrganizationId;
    /// A user accepted such an invitation.
    pub(crate) ORGANIZATION_JOINED: OrganizationId;
    /// A member got another role in an organization.
    pub(crate) MEMBER_ROLE_CHANGED: UserId;
    /// A member was removed from an organization.
    pub(crate) MEMBER_REMOVED: UserId;
    /// A member left an organization.
    pub(crate) ORGANIZATION_LEFT: OrganizationId;
    /// An owner made another member one, and is none any more.
    pub(crate) OWNERSHIP_TRANSFERRED: UserId;
    /// A user took an access token that acts in another organization, or in none.
    pub(crate) ORGANIZATION_SWITCHED: OrganizationId;
    /// A key was made: the first one, or by a rotation.
    pub(crate) KEY_ADDED: Uuid;
    /// A signing key was dropped at once.
    pub(crate) KEY_RETIRED: Uuid;
    /// All keys were sealed under another secret.
    pub(crate) KEYS_RESEALED: Uuid;
    /// The operator had undelivered mail sent again.
    pub(crate) MAIL_RETRIED: MailId;
    /// The operator removed old events.
    pub(crate) AUDIT_PRUNED: UserId;
    /// The operator had the log signed as it stands.
    pub(crate) AUDIT_SIGNED: UserId;
    /// An instance began to serve, with its settings read.
    pub(crate) SERVER_STARTED: UserId;
    /// An instance was told to stop and did. One that was killed leaves no such event.
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
