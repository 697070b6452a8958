//! What can happen, as it is stored.

use crate::kernel::access::Refused;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $outcome:literal;)*) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Kind { $($(#[$doc])* $name,)* }

        impl Kind {
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Reads a kind back.
            pub(super) fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$name),)* _ => None }
            }

            /// Whether it was done or refused.
            pub(super) fn outcome(self) -> &'static str {
                match self { $(Self::$name => $outcome,)* }
            }
        }
    };
}

kinds! {
    /// Somebody made an account for themselves.
    Registered = "REGISTERED", "DONE";
    /// The operator made an account.
    UserCreated = "USER_CREATED", "DONE";
    /// A session began.
    SignedIn = "SIGNED_IN", "DONE";
    /// A session began, and the account's last attempts had failed.
    SignedInAfterFailures = "SIGNED_IN_AFTER_FAILURES", "DONE";
    /// Nobody was signed in: an unknown name, a wrong password, or an account that may not.
    SignInRefused = "SIGN_IN_REFUSED", "REFUSED";
    /// After too many wrong passwords no password opens the account.
    AccountLocked = "ACCOUNT_LOCKED", "DONE";
    /// The operator opened it again.
    UserUnlocked = "USER_UNLOCKED", "DONE";
    /// A session was ended by whoever held it.
    SignedOut = "SIGNED_OUT", "DONE";
    /// A refresh token was presented that gives nothing.
    RefreshRefused = "REFRESH_REFUSED", "REFUSED";
    /// A refresh token was presented again after its grace, and its session ended.
    RefreshReused = "REFRESH_REUSED", "REFUSED";
    /// What a link in a mail carries was presented, and gives nothing.
    LinkRefused = "LINK_REFUSED", "REFUSED";
    /// A caller asked for what their role or permissions, or a sign-in too long ago, do not let them have.
    AccessDenied = "ACCESS_DENIED", "REFUSED";
    /// A caller asked too often.
    RateLimited = "RATE_LIMITED", "REFUSED";
    RoleChanged = "ROLE_CHANGED", "DONE";
    /// A user was given a permission.
    PermissionGranted = "PERMISSION_GRANTED", "DONE";
    /// A permission was taken back from a user.
    PermissionRevoked = "PERMISSION_REVOKED", "DONE";
    UserDeactivated = "USER_DEACTIVATED", "DONE";
    UserReactivated = "USER_REACTIVATED", "DONE";
    UserDeleted = "USER_DELETED", "DONE";
    /// The operator gave a user another password.
    PasswordSet = "PASSWORD_SET", "DONE";
    /// All sessions of a user were ended, or all but one: by themselves, an admin or the operator.
    SessionsEnded = "SESSIONS_ENDED", "DONE";
    /// Somebody asked for an account, with an address that is still to be proven.
    RegistrationRequested = "REGISTRATION_REQUESTED", "DONE";
    /// An admin invited somebody to make an account.
    UserInvited = "USER_INVITED", "DONE";
    /// An invited person made their account.
    InvitationAccepted = "INVITATION_ACCEPTED", "DONE";
    /// A mail was asked for that shows whose an address is.
    VerificationRequested = "VERIFICATION_REQUESTED", "DONE";
    /// An account's address was shown to be its owner's.
    EmailVerified = "EMAIL_VERIFIED", "DONE";
    /// Another address was asked for, and is still to be confirmed.
    EmailChangeRequested = "EMAIL_CHANGE_REQUESTED", "DONE";
    /// An account got another address.
    EmailChanged = "EMAIL_CHANGED", "DONE";
    /// The owner of the address before took a change back, and all sessions ended.
    EmailChangeUndone = "EMAIL_CHANGE_UNDONE", "DONE";
    /// A mail was asked for that lets its reader choose another password.
    PasswordResetRequested = "PASSWORD_RESET_REQUESTED", "DONE";
    /// Another password was chosen with what such a mail carries, and all sessions ended.
    PasswordReset = "PASSWORD_RESET", "DONE";
    /// A user changed their password, and their other sessions ended.
    PasswordChanged = "PASSWORD_CHANGED", "DONE";
    /// A signed-in user proved their password again, and their session was replaced.
    Reauthenticated = "REAUTHENTICATED", "DONE";
    /// A user changed what is shown of them.
    ProfileUpdated = "PROFILE_UPDATED", "DONE";
    /// A user ended one of their sessions.
    SessionRevoked = "SESSION_REVOKED", "DONE";
    /// Too many wrong passwords came from whoever held a session, and it ended.
    SessionEndedByFailures = "SESSION_ENDED_BY_FAILURES", "DONE";
    /// The owner of an account that was taken back has kept what was in it.
    LeftoversKept = "LEFTOVERS_KEPT", "DONE";
    /// The owner of an account that was taken back has dropped what was in it.
    LeftoversDropped = "LEFTOVERS_DROPPED", "DONE";
    /// A user fetched all that is kept of them.
    DataExported = "DATA_EXPORTED", "DONE";
    /// A user made a task.
    TaskCreated = "TASK_CREATED", "DONE";
    /// A task was changed.
    TaskUpdated = "TASK_UPDATED", "DONE";
    /// A task was deleted.
    TaskDeleted = "TASK_DELETED", "DONE";
    /// A user made an organization.
    OrganizationCreated = "ORGANIZATION_CREATED", "DONE";
    /// An organization got another name.
    OrganizationUpdated = "ORGANIZATION_UPDATED", "DONE";
    /// An organization was deleted, by an owner or with its only member.
    OrganizationDeleted = "ORGANIZATION_DELETED", "DONE";
    /// Somebody was invited to join an organization.
    MemberInvited = "MEMBER_INVITED", "DONE";
    /// Such an invitation was taken back.
    MemberInvitationRevoked = "MEMBER_INVITATION_REVOKED", "DONE";
    /// A user accepted such an invitation.
    OrganizationJoined = "ORGANIZATION_JOINED", "DONE";
    /// A member got another role in an organization.
    MemberRoleChanged = "MEMBER_ROLE_CHANGED", "DONE";
    /// A member was removed from an organization.
    MemberRemoved = "MEMBER_REMOVED", "DONE";
    /// A member left an organization.
    OrganizationLeft = "ORGANIZATION_LEFT", "DONE";
    /// An owner made another member one, and is none any more.
    OwnershipTransferred = "OWNERSHIP_TRANSFERRED", "DONE";
    /// A session acts in another organization, or in none.
    OrganizationSwitched = "ORGANIZATION_SWITCHED", "DONE";
    /// A key was made: the first one, or by a rotation.
    KeyAdded = "KEY_ADDED", "DONE";
    /// A signing key was dropped at once.
    KeyRetired = "KEY_RETIRED", "DONE";
    /// All keys were sealed under another secret.
    KeysResealed = "KEYS_RESEALED", "DONE";
    /// The operator had mail sent again that could not be sent.
    MailRetried = "MAIL_RETRIED", "DONE";
    /// The operator removed old events.
    AuditPruned = "AUDIT_PRUNED", "DONE";
    /// The operator had the log signed as it stands.
    AuditSigned = "AUDIT_SIGNED", "DONE";
    /// An instance began to serve, with its settings read.
    ServerStarted = "SERVER_STARTED", "DONE";
    /// An instance was told to stop and did. One that was killed leaves no such event.
    ServerStopped = "SERVER_STOPPED", "DONE";
}

impl From<Refused> for Kind {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::SignIn => Self::SignInRefused,
            Refused::Refresh => Self::RefreshRefused,
            Refused::Link => Self::LinkRefused,
            Refused::Access => Self::AccessDenied,
            Refused::Rate => Self::RateLimited,
        }
    }
}
