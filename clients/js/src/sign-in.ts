// Sign-ins, passwords, and the pages that links in mails open.

import type {
  AcceptUserInvitationInput, ChangePasswordInput, ConfirmTotpEnrollmentInput, EnrollmentRequired, LoginInput, Proof,
  RegisterInput, ResetPasswordInput, SecondFactorRequired, SetPasswordInput, SignInWithIdTokenInput,
  StartTotpEnrollmentPayload, UndoEmailChangePayload, VerificationRequired, VerifyEmailInput, VerifyEmailPayload,
} from "./schema.js";
import { AUTH, RESULT, type AnySession } from "./session.js";

/** The session has begun, and its `state` has the user. */
export interface SignedIn {
  __typename: "AuthPayload";
  user: { id: string };
}

/**
 * The result of a sign-in: the session has begun (`AuthPayload`), or something comes first. With `SecondFactorRequired`
 * call `completeSignIn`; with `EnrollmentRequired` set up a second factor, by an app or a passkey; with
 * `VerificationRequired` a mail is on its way to `email`. Challenges and enrollments are secrets: keep them in memory.
 */
export type SignInResult =
  | SignedIn
  | ({ __typename: "SecondFactorRequired" } & SecondFactorRequired)
  | ({ __typename: "EnrollmentRequired" } & EnrollmentRequired)
  | ({ __typename: "VerificationRequired" } & VerificationRequired);

/** The document of a mutation that takes one input, whose type is named after it. */
export const mutation = (name: string, selection: string, isOptional = false) => {
  const type = `${name[0]!.toUpperCase()}${name.slice(1)}Input`;
  return `mutation($input:${type}${isOptional ? "" : "!"}){${name}(input:$input){${selection}}}`;
};

/** Calls a mutation for the user, or for nobody. */
export const call = async (session: AnySession, name: string, selection: string, input?: object, isOptional = false) =>
  (await session.request<any>(mutation(name, selection, isOptional), { input }))[name];

/** Calls a mutation that answers a `LoginResult`. */
export const begin = async (session: AnySession, name: string, input: object): Promise<SignInResult> =>
  (await session.enter(mutation(name, RESULT), { input }))[name];

/**
 * Signs in with a username or an address, and a password.
 *
 * @throws {PortcullisError} `INVALID_CREDENTIALS`, or `RATE_LIMITED` after too many wrong passwords.
 */
export const signIn = async (session: AnySession, input: Omit<LoginInput, "deviceToken">): Promise<SignInResult> =>
  begin(session, "login", { ...input, ...(await session.transport.device?.()) });

/**
 * Creates an account.
 *
 * @throws {PortcullisError} `BAD_USER_INPUT` or `CONFLICT` with `fields`; `FORBIDDEN` if registration is closed.
 */
export const register = (session: AnySession, input: RegisterInput): Promise<SignInResult> =>
  begin(session, "register", input);

/** Creates the account that a mail invites to. `token` comes from the link. */
export const acceptUserInvitation = (session: AnySession, input: AcceptUserInvitationInput): Promise<SignInResult> =>
  begin(session, "acceptUserInvitation", input);

/**
 * Completes a sign-in that answered `SecondFactorRequired`.
 *
 * @throws {PortcullisError} `INVALID_CREDENTIALS` if the code is wrong or used; `INVALID_TOKEN` if the sign-in is over.
 */
export const completeSignIn = async (session: AnySession, challenge: string, proof: Proof): Promise<SignedIn> =>
  (await session.enter(mutation("completeSignIn", AUTH), { input: { challenge, proof } })).completeSignIn;

/**
 * Begins to set up an authenticator app, in a session or with the `enrollment` of `EnrollmentRequired`. Draw
 * `otpauthUrl` as a QR code in the page, and show `secret` beside it.
 */
export const startTotpEnrollment = (session: AnySession, enrollment?: string): Promise<StartTotpEnrollmentPayload> =>
  call(session, "startTotpEnrollment", "secret otpauthUrl expiresIn", { enrollment });

/**
 * Sets the app up with one of its codes, and signs in if that came with `enrollment`. Show `recoveryCodes` now: the server
 * shows them once. They are null if the second factor was on already.
 *
 * @throws {PortcullisError} `INVALID_CREDENTIALS`, with the reason `MAILED_CODE` if the code from the mail is wrong.
 */
export const confirmTotpEnrollment = (
  session: AnySession, input: ConfirmTotpEnrollmentInput): Promise<{ recoveryCodes: readonly string[] | null }> =>
  enroll(session, "confirmTotpEnrollment", "", input);

/** Calls a mutation that sets up a second factor, in a session or before it begins. */
export const enroll = async (session: AnySession, name: string, selection: string, input: { enrollment?: string | null | undefined }) => {
  const document = mutation(name, `recoveryCodes signedIn{${AUTH}}${selection}`);
  return (await session.enter(document, { input }, input.enrollment ? "guest" : "caller"))[name];
};

/** Begins a sign-in with the ID token of a provider's library: pass `nonce` to the library, and keep `flow`. */
export const startIdTokenSignIn = async (session: AnySession): Promise<{ flow: string; nonce: string; expiresIn: number }> =>
  (await session.request("mutation{startIdTokenSignIn{flow nonce expiresIn}}")).startIdTokenSignIn;

/** Signs in with the ID token of a provider's library. The results are those of any sign-in with a provider. */
export const signInWithIdToken = (session: AnySession, input: SignInWithIdTokenInput): Promise<SignInResult> =>
  begin(session, "signInWithIdToken", input);

/**
 * Ends all sessions of the user.
 *
 * @throws {PortcullisError} `STEP_UP_REQUIRED`: call it in `session.run`.
 */
export async function signOutEverywhere(session: AnySession): Promise<void> {
  await session.request("mutation{revokeAllSessions{endedSessions}}");
  // The session is over; this forgets its credentials.
  await session.signOut();
}

/**
 * Mails a link that verifies an address. Answers the same whether or not there is something to verify, with the seconds
 * for which a link is valid.
 */
export const requestEmailVerification = (session: AnySession, email: string): Promise<{ linkExpiresIn: number }> =>
  call(session, "requestEmailVerification", "linkExpiresIn", { email });

/**
 * Verifies an address with the `token` of a link, and a session, the password or a new password.
 *
 * @throws {PortcullisError} `INVALID_CREDENTIALS`: ask for the password again. `CONFLICT` at `username`: ask for another
 * one. `INVALID_TOKEN`: offer another link.
 */
export const verifyEmail = (session: AnySession, input: VerifyEmailInput): Promise<VerifyEmailPayload> =>
  call(session, "verifyEmail", "outcome", input);

/** Mails a link to choose another password. Answers the same whether or not there is such an account. */
export const requestPasswordReset = (session: AnySession, identifier: string): Promise<{ linkExpiresIn: number }> =>
  call(session, "requestPasswordReset", "linkExpiresIn", { identifier });

/** Chooses another password with the `token` of a link. Nobody is signed in by it, and all sessions end. */
export const resetPassword = (session: AnySession, input: ResetPasswordInput): Promise<{ username: string }> =>
  call(session, "resetPassword", "username", input);

/** Gives the account its old address back, with the `token` of a link. All sessions end. */
export const undoEmailChange = (session: AnySession, token: string): Promise<UndoEmailChangePayload> =>
  call(session, "undoEmailChange", "outcome", { token });

/** Changes the password, and ends the user's other sessions. */
export const changePassword = (session: AnySession, input: ChangePasswordInput): Promise<{ user: { id: string } }> =>
  call(session, "changePassword", "user{id}", input);

/** Gives a password to an account without one, and ends the user's other sessions. */
export const setPassword = (session: AnySession, input: SetPasswordInput): Promise<{ user: { id: string } }> =>
  call(session, "setPassword", "user{id}", input);
