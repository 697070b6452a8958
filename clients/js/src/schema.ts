// The types of schema.graphql that the client is made of. Written by `npm run types`.

/**
 * The account that an invited person creates.
 */
export interface AcceptUserInvitationInput {
  /**
   * The user's display name: at most 100 characters.
   */
  fullName?: string | null | undefined;
  /**
   * The language of mails to the account. Defaults to the preferred language in the request's `Accept-Language`
   * header.
   */
  locale?: Locale | null | undefined;
  /**
   * The password: 8 to 128 characters of any kind. The server refuses common passwords and those that repeat public
   * facts about the account or the service.
   */
  password: string;
  /**
   * The token from the link in the mail.
   */
  token: string;
  /**
   * The username: 3 to 64 ASCII letters, digits, dots, underscores and hyphens, with a letter or digit first and last. Names that look like the service, its staff or a website address are reserved.
   */
  username: string;
}

/**
 * The caller's access to one field.
 */
export interface Access {
  /**
   * Whether the field's rules admit the caller. A call can still fail: the answer ignores rate limits and what the
   * arguments name, except for the object that was asked.
   */
  allowed: boolean;
  /**
   * The error code that a call would return in `extensions.code`; null if the call is allowed.
   */
  code: ErrorCode | null;
  /**
   * The factors that the caller can use to reauthenticate, as in `extensions.factors`; empty unless the code is
   * STEP_UP_REQUIRED.
   */
  factors: readonly Factor[];
  /**
   * The name of the field, as the caller wrote it.
   */
  field: string;
  /**
   * Why the server does not recognize the caller, as in `extensions.reason`; null unless the code is
   * UNAUTHENTICATED.
   */
  reason: ErrorReason | null;
  /**
   * The rule that the caller does not meet, as the schema spells it; null if the call is allowed or the field does
   * not exist.
   */
  rule: string | null;
}

/**
 * The kind of actor that caused an event.
 */
export type ActorType =
  | "CLI"
  | "SYSTEM"
  | "UNKNOWN"
  | "USER";

/**
 * A security-relevant event in the audit log.
 */
export interface AuditEvent {
  /**
   * The user who caused the event. Null if no user did, if that account no longer exists, or if the caller may not
   * see it: other users are visible only with the permission USERS_READ.
   */
  actor: User | null;
  /**
   * The kind of actor that caused the event; null for a kind that only a newer version of the server knows.
   */
  actorType: ActorType | null;
  /**
   * When the event happened. An event that stands for several refusals has the time of the first one.
   */
  createdAt: string;
  /**
   * Details that depend on the type. For roles and permissions: the role, or the permission and its expiry, as in
   * "USERS_READ until 2030-01-01T00:00:00Z". For AUDIT_PRUNED and AUDIT_SIGNED: the links of the log's chain that
   * were removed or present, as the first and the last one with its digest. For MAIL_RETRIED: the number of mails,
   * if the operator retried all of them. For METADATA_UPDATED: publicMetadata, privateMetadata or both. For events
   * of other providers: the provider's id, as in signInProviders.
   */
  detail: string | null;
  /**
   * An opaque id that is unique across all types.
   */
  id: string;
  /**
   * The IP address of the request; null once the server has erased it.
   */
  ip: string | null;
  /**
   * The number of identical refusals that this event stands for; 1 for any other event.
   */
  occurrences: number;
  /**
   * The organization that the event happened in, unless the organization is the target.
   */
  organization: string | null;
  /**
   * The outcome of the action.
   */
  outcome: AuditEventOutcome;
  /**
   * The id of the request, as in the server's log.
   */
  requestId: string | null;
  /**
   * The user, key, organization or mail that the event affected.
   */
  target: string | null;
  /**
   * The type of the event; null for a type that only a newer version of the server knows.
   */
  type: AuditEventType | null;
  /**
   * The `User-Agent` header of the request.
   */
  userAgent: string | null;
}

/**
 * A page of a list.
 */
export interface AuditEventConnection {
  /**
   * The entries of this page with their cursors.
   */
  edges: readonly AuditEventEdge[];
  /**
   * The entries of this page.
   */
  nodes: readonly AuditEvent[];
  /**
   * The position of this page in the list.
   */
  pageInfo: PageInfo;
}

/**
 * An entry of a list with its cursor.
 */
export interface AuditEventEdge {
  /**
   * An opaque cursor that marks the entry's position in the list.
   */
  cursor: string;
  /**
   * The entry.
   */
  node: AuditEvent;
}

/**
 * The outcome of the action.
 */
export type AuditEventOutcome =
  | "DONE"
  | "REFUSED";

/**
 * The type of an audit event.
 */
export type AuditEventType =
  | "ACCESS_DENIED"
  | "ACCOUNT_LOCKED"
  | "ADDRESS_RELEASED"
  | "AUDIT_PRUNED"
  | "AUDIT_SIGNED"
  | "BACKUP_RESTORED"
  | "DATA_EXPORTED"
  | "EMAIL_CHANGED"
  | "EMAIL_CHANGE_REQUESTED"
  | "EMAIL_CHANGE_UNDONE"
  | "EMAIL_VERIFIED"
  | "IDENTITY_LINKED"
  | "IDENTITY_UNLINKED"
  | "INVITATION_ACCEPTED"
  | "KEYS_RESEALED"
  | "KEY_ADDED"
  | "KEY_RETIRED"
  | "LEFTOVERS_DROPPED"
  | "LEFTOVERS_KEPT"
  | "LINK_REFUSED"
  | "MAIL_RETRIED"
  | "MEMBER_INVITATION_REVOKED"
  | "MEMBER_INVITED"
  | "MEMBER_REMOVED"
  | "MEMBER_ROLE_CHANGED"
  | "METADATA_UPDATED"
  | "MIGRATIONS_REVERTED"
  | "ORGANIZATION_CREATED"
  | "ORGANIZATION_DELETED"
  | "ORGANIZATION_JOINED"
  | "ORGANIZATION_LEFT"
  | "ORGANIZATION_SWITCHED"
  | "ORGANIZATION_UPDATED"
  | "OWNERSHIP_TRANSFERRED"
  | "PASSKEY_ADDED"
  | "PASSKEY_COUNTER_REFUSED"
  | "PASSKEY_REMOVED"
  | "PASSWORD_CHANGED"
  | "PASSWORD_RESET"
  | "PASSWORD_RESET_REQUESTED"
  | "PASSWORD_SET"
  | "PERMISSION_GRANTED"
  | "PERMISSION_REVOKED"
  | "PROFILE_UPDATED"
  | "RATE_LIMITED"
  | "REAUTHENTICATED"
  | "RECOVERY_CODES_ISSUED"
  | "RECOVERY_CODE_USED"
  | "REFRESH_AHEAD"
  | "REFRESH_FORGED"
  | "REFRESH_REFUSED"
  | "REFRESH_REUSED"
  | "REGISTERED"
  | "REGISTRATION_REQUESTED"
  | "ROLE_CHANGED"
  | "SECOND_FACTORS_RESET"
  | "SECOND_FACTOR_TURNED_OFF"
  | "SECOND_FACTOR_TURNED_ON"
  | "SERVER_STARTED"
  | "SERVER_STOPPED"
  | "SESSIONS_ENDED"
  | "SESSION_ENDED_BY_FAILURES"
  | "SESSION_REVOKED"
  | "SIGNED_IN"
  | "SIGNED_IN_AFTER_FAILURES"
  | "SIGNED_OUT"
  | "SIGN_IN_REFUSED"
  | "TOTP_CONFIRMED"
  | "TOTP_LOCKED"
  | "TOTP_REMOVED"
  | "USERNAME_CHOSEN"
  | "USER_CREATED"
  | "USER_DEACTIVATED"
  | "USER_DELETED"
  | "USER_INVITATION_REVOKED"
  | "USER_INVITED"
  | "USER_REACTIVATED"
  | "USER_UNLOCKED"
  | "VERIFICATION_REQUESTED";

/**
 * A signed-in user with the tokens of their session.
 */
export interface AuthPayload {
  /**
   * The access token, to send as `Authorization: Bearer …` with every request. Null in cookie mode, where the cookie
   * is the session.
   */
  accessToken: string | null;
  /**
   * The token that lets a later login recognize this device: see LoginInput.deviceToken. Keep it after the session
   * ends. Null in cookie mode, where the browser keeps it, and when no session begins.
   */
  deviceToken: string | null;
  /**
   * Seconds until the access token expires; null without an access token.
   */
  expiresIn: number | null;
  /**
   * The refresh token, to exchange for the next pair by refreshToken. Keep it where third-party scripts cannot read
   * it. Null in cookie mode, and for switchOrganization, where the previous refresh token stays valid.
   */
  refreshToken: string | null;
  /**
   * The type of the access token: always "Bearer".
   */
  tokenType: string;
  /**
   * The signed-in user.
   */
  user: User;
}

/**
 * The arguments of changeEmail.
 */
export interface ChangeEmailInput {
  /**
   * The email address. Mail must be able to reach it.
   */
  newEmail: string;
}

/**
 * The result of changeEmail.
 */
export interface ChangeEmailPayload {
  /**
   * Seconds for which the mailed link is valid. The value is the same whether or not a mail was sent.
   */
  linkExpiresIn: number;
  /**
   * The caller, with the pending change of address.
   */
  user: User;
}

/**
 * The arguments of changePassword.
 */
export interface ChangePasswordInput {
  /**
   * The current password.
   */
  currentPassword: string;
  /**
   * The password: 8 to 128 characters of any kind. The server refuses common passwords and those that repeat public facts about the account or the service.
   */
  newPassword: string;
}

/**
 * The result of changePassword.
 */
export interface ChangePasswordPayload {
  /**
   * The caller.
   */
  user: User;
}

/**
 * Settings of this server. They change only when the server restarts. Query.signInProviders lists the providers that
 * users can sign in with.
 */
export interface Config {
  /**
   * The features that this server offers. Fields with @needs require some of them.
   */
  features: readonly ServerFeature[];
  /**
   * An id that is always the same, so that client caches can merge answers. Query.node does not accept it.
   */
  id: string;
  /**
   * The rules for new passwords.
   */
  password: PasswordRules;
  /**
   * Who can create an account without the operator. Unless the value is OPEN, `register` fails with FORBIDDEN.
   */
  registration: RegistrationMode;
  /**
   * Who must have a second factor, new accounts included.
   */
  secondFactorRequirement: SecondFactorRequirement;
  /**
   * Whether `register` creates the account only after its owner verifies the email address.
   */
  verificationRequired: boolean;
  /**
   * The version of the server.
   */
  version: string;
}

/**
 * The arguments of confirmTotpEnrollment.
 */
export interface ConfirmTotpEnrollmentInput {
  /**
   * The current code of the authenticator app.
   */
  code: string;
  /**
   * EnrollmentRequired.enrollment, for callers who are not signed in.
   */
  enrollment?: string | null | undefined;
  /**
   * The code from the mail, if EnrollmentRequired.codeMailed is true.
   */
  mailedCode?: string | null | undefined;
}

/**
 * The result of confirmTotpEnrollment.
 */
export interface ConfirmTotpEnrollmentPayload {
  /**
   * The new recovery codes, each of which replaces a lost factor once. The server shows them only now. Null if the previous codes stay valid.
   */
  recoveryCodes: readonly string[] | null;
  /**
   * The new session, if a sign-in required the enrollment; null for signed-in callers.
   */
  signedIn: AuthPayload | null;
  /**
   * The owner of the account.
   */
  user: User;
}

/**
 * The sign-in is incomplete: the account needs a second factor but has none. The fields with @enrolling set one up and
 * complete the sign-in.
 */
export interface EnrollmentRequired {
  /**
   * Whether the server mailed a code to the account's address. The enrollment then needs this code besides the new
   * factor.
   */
  codeMailed: boolean;
  /**
   * The secret to pass to the fields with @enrolling. It has no other use. Keep it private.
   */
  enrollment: string;
  /**
   * Seconds for which the enrollment is valid. Never null: the field is nullable only to match AuthPayload.
   */
  expiresIn: number | null;
}

/**
 * The possible values of `extensions.code` in an error.
 */
export type ErrorCode =
  | "BAD_REQUEST"
  | "BAD_USER_INPUT"
  | "CONFLICT"
  | "DOCUMENT_LIMIT"
  | "FORBIDDEN"
  | "GRAPHQL_PARSE_FAILED"
  | "GRAPHQL_VALIDATION_FAILED"
  | "INTERNAL_SERVER_ERROR"
  | "INVALID_CREDENTIALS"
  | "INVALID_TOKEN"
  | "NOT_FOUND"
  | "PERSISTED_QUERY_NOT_FOUND"
  | "PERSISTED_QUERY_NOT_SUPPORTED"
  | "RATE_LIMITED"
  | "SERVICE_UNAVAILABLE"
  | "STEP_UP_REQUIRED"
  | "UNAUTHENTICATED";

/**
 * The possible values of `extensions.reason` in an error, where one code has several causes.
 */
export type ErrorReason =
  | "ACCOUNT_EXISTS"
  | "IDENTITY_TAKEN"
  | "INVALID_TOKEN"
  | "LAST_WAY_IN"
  | "MAILED_CODE"
  | "MISSING_TOKEN"
  | "NOT_A_MEMBER"
  | "NOT_ENROLLING"
  | "NO_EMAIL"
  | "NO_FACTOR"
  | "NO_TOTP"
  | "PASSKEY_TAKEN"
  | "SECOND_FACTOR_OFF"
  | "SECOND_FACTOR_ON"
  | "SECOND_FACTOR_REQUIRED"
  | "SESSION_ENDED"
  | "TOKEN_EXPIRED"
  | "TOO_MANY"
  | "UNKNOWN_PASSKEY"
  | "USED";

/**
 * A factor that an account can use to prove its owner's identity.
 */
export type Factor =
  | "PASSKEY"
  | "PASSWORD"
  | "PROVIDER"
  | "RECOVERY_CODE"
  | "TOTP";

/**
 * The rule that an input field violates, as in `extensions.fields` of an error.
 */
export type FieldErrorCode =
  | "CONTAINS_IDENTITY"
  | "EXPIRED"
  | "INVALID_FORMAT"
  | "NOT_ALLOWED"
  | "REQUIRED"
  | "RESERVED"
  | "TAKEN"
  | "TOO_COMMON"
  | "TOO_LONG"
  | "TOO_SHORT";

/**
 * A user's identity at another provider, with which they can sign in to their account.
 */
export interface Identity {
  /**
   * When the user linked the identity.
   */
  createdAt: string;
  /**
   * The email address that the provider shared when the user linked the identity, if any.
   */
  email: string | null;
  /**
   * An opaque id that is unique across all types.
   */
  id: string;
  /**
   * When the user last signed in or reauthenticated with the identity.
   */
  lastUsedAt: string;
  /**
   * The provider. Null if the server no longer supports it, in which case the user cannot sign in with the identity.
   */
  provider: SignInProvider | null;
}

/**
 * An invitation to join an organization.
 */
export interface Invitation {
  /**
   * When the invitation was sent.
   */
  createdAt: string;
  /**
   * The email address of the invited person, as the sender typed it.
   */
  email: string;
  /**
   * When the invitation expires.
   */
  expiresAt: string;
  /**
   * An opaque id that is unique across all types.
   */
  id: string;
  /**
   * The id of the user who sent the invitation; null if that account no longer exists.
   */
  invitedBy: string | null;
  /**
   * The organization's name.
   */
  organizationName: string;
  /**
   * The role that the invited person will have in the organization.
   */
  role: OrganizationRole;
}

/**
 * A page of a list.
 */
export interface InvitationConnection {
  /**
   * The entries of this page with their cursors.
   */
  edges: readonly InvitationEdge[];
  /**
   * The entries of this page.
   */
  nodes: readonly Invitation[];
  /**
   * The position of this page in the list.
   */
  pageInfo: PageInfo;
  /**
   * The number of entries in the whole list.
   */
  totalCount: number;
}

/**
 * An entry of a list with its cursor.
 */
export interface InvitationEdge {
  /**
   * An opaque cursor that marks the entry's position in the list.
   */
  cursor: string;
  /**
   * The entry.
   */
  node: Invitation;
}

/**
 * The leftovers of one kind.
 */
export interface Leftover {
  /**
   * The kind, as named in the data of exportMyData: for example "organizations" or "tasks".
   */
  kind: string;
  /**
   * The names of the objects: at most 100.
   */
  names: readonly string[];
}

/**
 * The contents of an account from before its owner reclaimed it.
 */
export interface Leftovers {
  /**
   * The leftovers by kind.
   */
  kinds: readonly Leftover[];
  /**
   * When the owner reclaimed the account by choosing a password through a mailed link.
   */
  takenBackAt: string;
}

/**
 * The effect of a mailed link.
 */
export type LinkOutcome =
  | "DONE"
  | "DONE_BEFORE";

/**
 * A language of the server's mails.
 */
export type Locale =
  | "DE"
  | "EN";

/**
 * The credentials to sign in with.
 */
export interface LoginInput {
  /**
   * AuthPayload.deviceToken of an earlier sign-in to the account from this device. With a valid token, failed
   * sign-ins by others do not block this device. The token does not replace the password: a missing or invalid one
   * is ignored. Leave it out in cookie mode.
   */
  deviceToken?: string | null | undefined;
  /**
   * The username or the email address.
   */
  identifier: string;
  /**
   * The password.
   */
  password: string;
}

/**
 * The result of a sign-in. VerificationRequired occurs only when registering, or when signing in with another
 * provider.
 */
export type LoginResult =
  | ({ __typename: "AuthPayload" } & AuthPayload)
  | ({ __typename: "SecondFactorRequired" } & SecondFactorRequired)
  | ({ __typename: "EnrollmentRequired" } & EnrollmentRequired)
  | ({ __typename: "VerificationRequired" } & VerificationRequired);

/**
 * A user's membership in an organization.
 */
export interface Membership {
  /**
   * When the user joined.
   */
  createdAt: string;
  /**
   * An opaque id that is unique across all types.
   */
  id: string;
  /**
   * The organization.
   */
  organization: Organization;
  /**
   * The user's role in the organization.
   */
  role: OrganizationRole;
  /**
   * The member.
   */
  user: User;
  /**
   * Tells for each field whether the caller may use it for this member, as Organization.viewerCan does for any
   * member.
   */
  viewerCan: readonly Access[] | null;
}

/**
 * A page of a list.
 */
export interface MembershipConnection {
  /**
   * The entries of this page with their cursors.
   */
  edges: readonly MembershipEdge[];
  /**
   * The entries of this page.
   */
  nodes: readonly Membership[];
  /**
   * The position of this page in the list.
   */
  pageInfo: PageInfo;
  /**
   * The number of entries in the whole list.
   */
  totalCount: number;
}

/**
 * An entry of a list with its cursor.
 */
export interface MembershipEdge {
  /**
   * An opaque cursor that marks the entry's position in the list.
   */
  cursor: string;
  /**
   * The entry.
   */
  node: Membership;
}

/**
 * A group of users. Only its members can see that it exists.
 */
export interface Organization {
  /**
   * When the organization was created.
   */
  createdAt: string;
  /**
   * An opaque id that is unique across all types.
   */
  id: string;
  /**
   * The pending invitations to join the organization, oldest first.
   * Requires a signed-in caller who is ADMIN or OWNER in the organization.
   */
  invitations: InvitationConnection | null;
  /**
   * The members of the organization, in the order in which they joined.
   * Requires a signed-in caller.
   */
  members: MembershipConnection | null;
  /**
   * The caller's role in the organization; null if the caller is not a member.
   */
  myRole: OrganizationRole | null;
  /**
   * The organization's name.
   */
  name: string;
  /**
   * When the organization was last renamed.
   */
  updatedAt: string;
  /**
   * Tells for each field whether the caller may use it for this organization. Viewer.access tells the same for the
   * organization that the call acts in.
   */
  viewerCan: readonly Access[] | null;
}

/**
 * A member's role in an organization. Roles are ordered MEMBER, ADMIN, OWNER; each role includes everything that the
 * lower ones allow.
 */
export type OrganizationRole =
  | "ADMIN"
  | "MEMBER"
  | "OWNER";

/**
 * The position of this page in the list.
 */
export interface PageInfo {
  /**
   * The cursor of the page's last entry.
   */
  endCursor: string | null;
  /**
   * Whether the list has entries after this page.
   */
  hasNextPage: boolean;
  /**
   * Whether the list has entries before this page.
   */
  hasPreviousPage: boolean;
  /**
   * The cursor of the page's first entry.
   */
  startCursor: string | null;
}

/**
 * A passkey of a user.
 */
export interface Passkey {
  /**
   * The model of the authenticator, as the authenticator claims without proof; all zeros if it names no model.
   */
  aaguid: string;
  /**
   * Whether the passkey was backed up when it was last used.
   */
  backedUp: boolean;
  /**
   * Whether the passkey can be on several devices of its owner.
   */
  backupEligible: boolean;
  /**
   * When the passkey was registered.
   */
  createdAt: string;
  /**
   * The id of the passkey in browsers and the Signal API, in base64url.
   */
  credentialId: string;
  /**
   * An opaque id that is unique across all types.
   */
  id: string;
  /**
   * When the passkey was last used; null if never.
   */
  lastUsedAt: string | null;
  /**
   * The name that the owner gave the passkey.
   */
  name: string;
  /**
   * Whether the passkey alone can sign its owner in, provided that its authenticator verifies its user. True if the
   * authenticator did so at the registration, or if the browser created the passkey without asking (conditional).
   */
  userVerified: boolean;
}

/**
 * A browser's proof of a passkey.
 */
export interface PasskeyAssertion {
  /**
   * StartPasskeyProofPayload.ceremony.
   */
  ceremony: string;
  /**
   * The credential that the browser returned, as its `toJSON()` gives it.
   */
  credential: unknown;
}

/**
 * The rules for a new password. Beyond these, the server refuses common passwords and those that name the account.
 */
export interface PasswordRules {
  /**
   * The maximum number of characters.
   */
  lengthMax: number;
  /**
   * The minimum number of characters.
   */
  lengthMin: number;
}

/**
 * An unconfirmed change of address. It takes effect when somebody uses the link that the server mailed to the new
 * address.
 */
export interface PendingEmailChange {
  /**
   * When the link expires.
   */
  expiresAt: string;
  /**
   * The new address, as typed. The server does not tell whether another account has it.
   */
  newEmail: string;
}

/**
 * A permission. Roles imply some permissions, and admins can grant others individually. The role ADMIN
 * has all of them.
 */
export type Permission =
  | "AUDIT_READ"
  | "DOCUMENTS_ANY"
  | "PERMISSIONS_GRANT"
  | "USERS_READ"
  | "USERS_WRITE";

/**
 * A permission that was granted to a user in addition to those of their role.
 */
export interface PermissionGrant {
  /**
   * When the permission expires; null if it stays until it is revoked.
   */
  expiresAt: string | null;
  /**
   * The permission.
   */
  permission: Permission;
}

/**
 * A proof of identity. Set exactly one field.
 */
export type Proof =
  | { passkey: PasskeyAssertion }
  | { password: string }
  | { recoveryCode: string }
  | { totp: string };

/**
 * The protocol of a provider.
 */
export type ProviderKind =
  | "APPLE"
  | "GITHUB"
  | "GOOGLE"
  | "MICROSOFT"
  | "OAUTH2"
  | "OIDC";

/**
 * The account to register.
 */
export interface RegisterInput {
  /**
   * The email address. Mail must be able to reach it.
   */
  email: string;
  /**
   * The user's display name: at most 100 characters.
   */
  fullName?: string | null | undefined;
  /**
   * The language of mails to the account. Defaults to the preferred language in the request's `Accept-Language`
   * header.
   */
  locale?: Locale | null | undefined;
  /**
   * The password: 8 to 128 characters of any kind. The server refuses common passwords and those that repeat public
   * facts about the account or the service.
   */
  password: string;
  /**
   * The username: 3 to 64 ASCII letters, digits, dots, underscores and hyphens, with a letter or digit first and last. Names that look like the service, its staff or a website address are reserved.
   */
  username: string;
}

/**
 * Who can create an account without the operator.
 */
export type RegistrationMode =
  | "CLOSED"
  | "INVITE"
  | "OPEN";

/**
 * The arguments of requestEmailVerification.
 */
export interface RequestEmailVerificationInput {
  /**
   * The address.
   */
  email: string;
}

/**
 * The result of requestEmailVerification.
 */
export interface RequestEmailVerificationPayload {
  /**
   * Seconds for which the mailed link is valid. The value is the same whether or not a mail was sent.
   */
  linkExpiresIn: number;
}

/**
 * The arguments of requestPasswordReset.
 */
export interface RequestPasswordResetInput {
  /**
   * The username or the email address.
   */
  identifier: string;
}

/**
 * The result of requestPasswordReset.
 */
export interface RequestPasswordResetPayload {
  /**
   * Seconds for which the mailed link is valid. The value is the same whether or not a mail was sent.
   */
  linkExpiresIn: number;
}

/**
 * The arguments of resetPassword.
 */
export interface ResetPasswordInput {
  /**
   * The password: 8 to 128 characters of any kind. The server refuses common passwords and those that repeat public facts about the account or the service.
   */
  newPassword: string;
  /**
   * The token from the link in the mail.
   */
  token: string;
}

/**
 * The result of resetPassword.
 */
export interface ResetPasswordPayload {
  /**
   * The username of the account, to sign in with.
   */
  username: string;
}

/**
 * The role of a user. Roles are ordered USER, ADMIN; each role includes everything that the lower one allows.
 */
export type Role =
  | "ADMIN"
  | "USER";

/**
 * The sign-in is incomplete: complete it by passing a second factor to completeSignIn. The challenge becomes invalid
 * after five wrong answers, and when the password or the factors of the account change.
 */
export interface SecondFactorRequired {
  /**
   * The secret to pass to completeSignIn and startPasskeyProof. Keep it private.
   */
  challenge: string;
  /**
   * Seconds for which the challenge is valid. Never null: the field is nullable only to match AuthPayload.
   */
  expiresIn: number | null;
  /**
   * The factors that the account can use.
   */
  factors: readonly Factor[];
}

/**
 * Who must have a second factor. A user of this kind who has none sets one up when they sign in: see
 * EnrollmentRequired.
 */
export type SecondFactorRequirement =
  | "ADMINS"
  | "ALL"
  | "OFF";

/**
 * The second factors of a user.
 */
export interface SecondFactors {
  /**
   * An id that stays the same for one user, so that client caches can merge answers. Query.node does not accept it.
   */
  id: string;
  /**
   * Whether the account requires a second factor to sign in.
   */
  isOn: boolean;
  /**
   * The number of unused recovery codes.
   */
  recoveryCodesLeft: number;
  /**
   * The authenticator app; null if the account has none.
   */
  totp: Totp | null;
}

/**
 * A feature that depends on the server's settings.
 */
export type ServerFeature =
  | "MAIL"
  | "NEW_ACCOUNTS"
  | "OPEN_REGISTRATION"
  | "PASSKEYS";

/**
 * A sign-in of a user on one device.
 */
export interface Session {
  /**
   * The browser; null if the server does not recognize it.
   */
  browser: string | null;
  /**
   * When the user signed in.
   */
  createdAt: string;
  /**
   * Whether the caller is using this session.
   */
  current: boolean;
  /**
   * The browser and the operating system, as in "Firefox on Windows"; null if the server does not recognize them.
   */
  device: string | null;
  /**
   * When the session ended; null while it is active.
   */
  endedAt: string | null;
  /**
   * When the session expires unless it is used again. Each use extends it, up to an absolute end.
   */
  expiresAt: string;
  /**
   * An opaque id that is unique across all types.
   */
  id: string;
  /**
   * The IP address of the sign-in.
   */
  ip: string | null;
  /**
   * When the session was last refreshed or, in cookie mode, last used, accurate to a minute.
   */
  lastUsedAt: string;
  /**
   * The `User-Agent` header of the sign-in.
   */
  userAgent: string | null;
}

/**
 * A page of a list.
 */
export interface SessionConnection {
  /**
   * The entries of this page with their cursors.
   */
  edges: readonly SessionEdge[];
  /**
   * The entries of this page.
   */
  nodes: readonly Session[];
  /**
   * The position of this page in the list.
   */
  pageInfo: PageInfo;
  /**
   * The number of entries in the whole list.
   */
  totalCount: number;
}

/**
 * An entry of a list with its cursor.
 */
export interface SessionEdge {
  /**
   * An opaque cursor that marks the entry's position in the list.
   */
  cursor: string;
  /**
   * The entry.
   */
  node: Session;
}

/**
 * The arguments of setPassword.
 */
export interface SetPasswordInput {
  /**
   * The password: 8 to 128 characters of any kind. The server refuses common passwords and those that repeat public facts about the account or the service.
   */
  newPassword: string;
}

/**
 * The result of setPassword.
 */
export interface SetPasswordPayload {
  /**
   * The caller.
   */
  user: User;
}

/**
 * A provider that users can sign in with on this server.
 */
export interface SignInProvider {
  /**
   * Whether the provider supports startReauthentication.
   */
  canReauthenticate: boolean;
  /**
   * The operator's name for the provider, unique on this server.
   */
  id: string;
  /**
   * The kind of provider, for example to show its logo.
   */
  kind: ProviderKind;
  /**
   * The name for people, as in "Google".
   */
  name: string;
}

/**
 * An ID token that an app obtained itself.
 */
export interface SignInWithIdTokenInput {
  /**
   * StartIdTokenSignInPayload.flow.
   */
  flow: string;
  /**
   * The ID token. The provider must have issued it for StartIdTokenSignInPayload.nonce.
   */
  idToken: string;
  /**
   * The id of one of signInProviders.
   */
  providerId: string;
}

/**
 * The arguments of startTotpEnrollment.
 */
export interface StartTotpEnrollmentInput {
  /**
   * EnrollmentRequired.enrollment, for callers who are not signed in.
   */
  enrollment?: string | null | undefined;
}

/**
 * The result of startTotpEnrollment.
 */
export interface StartTotpEnrollmentPayload {
  /**
   * Seconds until the secret must be confirmed.
   */
  expiresIn: number;
  /**
   * The secret as a URL, to show as a QR code.
   */
  otpauthUrl: string;
  /**
   * The secret in base32, to type into the app. The server shows it only now.
   */
  secret: string;
}

/**
 * An authenticator app that generates codes (TOTP).
 */
export interface Totp {
  /**
   * When the user confirmed the first code.
   */
  confirmedAt: string;
  /**
   * Whether the app is locked after too many wrong codes in a row. The server accepts its codes again after a
   * recovery code is used, or after another app is set up.
   */
  isLocked: boolean;
  /**
   * When the server last accepted a code; null if never.
   */
  lastUsedAt: string | null;
}

/**
 * Why the server does not recognize a caller, as in `extensions.reason` of an error.
 */
export type UnauthenticatedReason =
  | "INVALID_TOKEN"
  | "MISSING_TOKEN"
  | "NOT_A_MEMBER"
  | "SECOND_FACTOR_REQUIRED"
  | "SESSION_ENDED"
  | "TOKEN_EXPIRED";

/**
 * The arguments of undoEmailChange.
 */
export interface UndoEmailChangeInput {
  /**
   * The token from the link in the mail.
   */
  token: string;
}

/**
 * The result of undoEmailChange.
 */
export interface UndoEmailChangePayload {
  /**
   * The effect of the link.
   */
  outcome: LinkOutcome;
}

/**
 * A user account. Everybody who may know that the user exists can read the id, names, picture and public metadata.
 */
export interface User {
  /**
   * The https URL of the picture that the user chose. The server neither fetches nor checks the picture; a page that
   * shows it reveals the viewer to the picture's host.
   */
  avatarUrl: string | null;
  /**
   * When the account was created.
   * Null unless the caller is that user or has the permission USERS_READ.
   */
  createdAt: string | null;
  /**
   * The email address, as typed at registration; unique in its canonical form.
   * Null unless the caller is that user or has the permission USERS_READ.
   */
  email: string | null;
  /**
   * Whether the user has verified the email address.
   * Null unless the caller is that user or has the permission USERS_READ.
   */
  emailVerified: boolean | null;
  /**
   * The user's display name.
   */
  fullName: string | null;
  /**
   * Whether the account has a password.
   * Requires a signed-in caller who is that user.
   */
  hasPassword: boolean | null;
  /**
   * An opaque id that is unique across all types.
   */
  id: string;
  /**
   * The identities of other providers with which the user can sign in, oldest first.
   * Requires a signed-in caller who is that user.
   */
  identities: readonly Identity[] | null;
  /**
   * Whether the account is active. A deactivated user cannot sign in.
   * Null unless the caller is that user or has the permission USERS_READ.
   */
  isActive: boolean | null;
  /**
   * When the user last signed in; null if never.
   * Null unless the caller is that user or has the permission USERS_READ.
   */
  lastLoginAt: string | null;
  /**
   * The leftovers in the account: its contents from before the user reclaimed it by choosing a password through a
   * mailed link while the address was unverified. Somebody else may have created them. Null if the account was not
   * reclaimed, and once the user has decided by keepLeftovers or dropLeftovers. Only the owner of the account can
   * read this.
   * Requires a signed-in caller who is that user.
   */
  leftovers: Leftovers | null;
  /**
   * The language of mails to the user.
   * Null unless the caller is that user or has the permission USERS_READ.
   */
  locale: Locale | null;
  /**
   * Whether the user can still replace the username that the server proposed: see chooseUsername. Only the owner of
   * the account can read this.
   * Requires a signed-in caller who is that user.
   */
  mayChooseUsername: boolean | null;
  /**
   * The user's id in passkeys and the Signal API, in base64url; null until the user first starts to register a
   * passkey.
   * Requires a signed-in caller who is that user.
   */
  passkeyUserHandle: string | null;
  /**
   * The user's passkeys, oldest first.
   * Requires a signed-in caller who is that user.
   */
  passkeys: readonly Passkey[] | null;
  /**
   * The change of address that the user requested by changeEmail and has not confirmed yet; null if there is no such
   * change.
   * Requires a signed-in caller who is that user.
   */
  pendingEmailChange: PendingEmailChange | null;
  /**
   * The permissions that were granted to the user in addition to those of their role.
   * Null unless the caller is that user or has the permission USERS_READ.
   */
  permissionGrants: readonly PermissionGrant[] | null;
  /**
   * All permissions of the user: those of their role and those granted to them.
   * Null unless the caller is that user or has the permission USERS_READ.
   */
  permissions: readonly Permission[] | null;
  /**
   * Metadata that your own programs keep with the user. The user cannot read it here, but exportMyData includes it,
   * because it is about them. Only updateUserMetadata changes it. Null if the user has none.
   * Requires the permission USERS_READ.
   */
  privateMetadata: Record<string, unknown> | null;
  /**
   * Metadata that your own programs keep with the user. Everybody who can see the user can read it, including other
   * members of their organizations. Only updateUserMetadata changes it. Null if the user has none.
   */
  publicMetadata: Record<string, unknown> | null;
  /**
   * The user's role.
   * Null unless the caller is that user or has the permission USERS_READ.
   */
  role: Role | null;
  /**
   * The user's second factors.
   * Requires a signed-in caller who is that user.
   */
  secondFactors: SecondFactors | null;
  /**
   * The security events that the user caused or that affected the account, newest first. Only the owner of the
   * account can read this.
   * Requires a signed-in caller who is that user.
   */
  securityEvents: AuditEventConnection | null;
  /**
   * The user's sessions, newest first.
   * Requires a signed-in caller who is that user.
   */
  sessions: SessionConnection | null;
  /**
   * When the account was last changed.
   * Null unless the caller is that user or has the permission USERS_READ.
   */
  updatedAt: string | null;
  /**
   * The username, as typed at registration; unique regardless of case.
   */
  username: string;
  /**
   * Tells for each field whether the caller may use it for this user, as Viewer.access does for any user. The answer
   * ignores what else the call names, such as the permission to grant.
   */
  viewerCan: readonly Access[] | null;
}

/**
 * The account does not exist yet. The server creates it when its owner uses the link that was mailed to the address.
 */
export interface VerificationRequired {
  /**
   * The address, as the user submitted it or the provider shared it.
   */
  email: string;
}

/**
 * The arguments of verifyEmail.
 */
export interface VerifyEmailInput {
  /**
   * A new password, 8 to 128 characters, for a caller who did not choose the previous one.
   */
  newPassword?: string | null | undefined;
  /**
   * The password of the account, or the one chosen at registration.
   */
  password?: string | null | undefined;
  /**
   * The token from the link in the mail.
   */
  token: string;
  /**
   * The username of an account that does not exist yet, required with newPassword and if the previous one has been taken meanwhile: 3 to 64 ASCII letters, digits, dots, underscores and hyphens, with a letter or digit first and last. Names that look like the service, its staff or a website address are reserved.
   */
  username?: string | null | undefined;
}

/**
 * The result of verifyEmail.
 */
export interface VerifyEmailPayload {
  /**
   * The effect of the link.
   */
  outcome: LinkOutcome;
}
