//! What can happen, in the schema.

use async_graphql::Enum;

use crate::features::audit::Kind;

/// What happened.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Kind")]
pub(crate) enum AuditEventType {
    /// Somebody made an account for themselves.
    Registered,
    /// The operator made an account.
    UserCreated,
    /// A session began.
    SignedIn,
    /// A session began, and the account's last attempts had failed.
    SignedInAfterFailures,
    /// Nobody was signed in: an unknown name, a wrong password, or an account that may not.
    SignInRefused,
    /// After too many wrong passwords no password opens the account.
    AccountLocked,
    /// The operator opened it again.
    UserUnlocked,
    /// A session was ended by whoever held it.
    SignedOut,
    /// A refresh token was presented that gives nothing.
    RefreshRefused,
    /// A refresh token was presented again after its grace, and its session ended.
    RefreshReused,
    /// What a link in a mail carries was presented, and gives nothing.
    LinkRefused,
    /// A caller asked for what their role or permissions, or a sign-in too long ago, do not let them have.
    AccessDenied,
    /// A caller asked too often.
    RateLimited,
    /// An account got another role.
    RoleChanged,
    /// A user was given a permission.
    PermissionGranted,
    /// A permission was taken back from a user.
    PermissionRevoked,
    /// An account was shut, and its sessions ended.
    UserDeactivated,
    /// A shut account was opened again.
    UserReactivated,
    /// An account was deleted.
    UserDeleted,
    /// The operator gave a user another password.
    PasswordSet,
    /// All sessions of a user were ended, or all but one: by themselves, an admin or the operator.
    SessionsEnded,
    /// Somebody asked for an account, with an address that is still to be proven.
    RegistrationRequested,
    /// An admin invited somebody to make an account.
    UserInvited,
    /// An invited person made their account.
    InvitationAccepted,
    /// A mail was asked for that shows whose an address is.
    VerificationRequested,
    /// An account's address was shown to be its owner's.
    EmailVerified,
    /// Another address was asked for, and is still to be confirmed.
    EmailChangeRequested,
    /// An account got another address.
    EmailChanged,
    /// The owner of the address before took a change back, and all sessions ended.
    EmailChangeUndone,
    /// A mail was asked for that lets its reader choose another password.
    PasswordResetRequested,
    /// Another password was chosen with what such a mail carries, and all sessions ended.
    PasswordReset,
    /// A user changed their password, and their other sessions ended.
    PasswordChanged,
    /// A signed-in user proved their password again, and their session was replaced.
    Reauthenticated,
    /// A user changed what is shown of them.
    ProfileUpdated,
    /// A user ended one of their sessions.
    SessionRevoked,
    /// Too many wrong passwords came from whoever held a session, and it ended.
    SessionEndedByFailures,
    /// The owner of an account that was taken back has kept what was in it.
    LeftoversKept,
    /// The owner of an account that was taken back has dropped what was in it.
    LeftoversDropped,
    /// A user fetched all that is kept of them.
    DataExported,
    /// A user made a task.
    TaskCreated,
    /// A task was changed.
    TaskUpdated,
    /// A task was deleted.
    TaskDeleted,
    /// A user made an organization.
    OrganizationCreated,
    /// An organization got another name.
    OrganizationUpdated,
    /// An organization was deleted, by an owner or with its only member.
    OrganizationDeleted,
    /// Somebody was invited to join an organization.
    MemberInvited,
    /// Such an invitation was taken back.
    MemberInvitationRevoked,
    /// A user accepted such an invitation.
    OrganizationJoined,
    /// A member got another role in an organization.
    MemberRoleChanged,
    /// A member was removed from an organization.
    MemberRemoved,
    /// A member left an organization.
    OrganizationLeft,
    /// An owner made another member one, and is none any more.
    OwnershipTransferred,
    /// A session acts in another organization, or in none.
    OrganizationSwitched,
    /// A key was made: the first one, or by a rotation.
    KeyAdded,
    /// A signing key was dropped at once.
    KeyRetired,
    /// All keys were sealed under another secret.
    KeysResealed,
    /// The operator had undelivered mail sent again.
    MailRetried,
    /// The operator removed old events.
    AuditPruned,
    /// The operator had the log signed as it stands.
    AuditSigned,
    /// An instance began to serve, with its settings read.
    ServerStarted,
    /// An instance was told to stop and did. One that was killed leaves no such event.
    ServerStopped,
}
