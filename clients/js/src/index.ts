// Everything for pages and apps. Bundlers leave out what a page does not import.

export { errorIn, NetworkError, PortcullisError, type FieldError } from "./errors.js";
export * from "./passkeys.js";
export * from "./providers.js";
export {
  createSession, RESULT, type AnySession, type Session, type SessionOptions, type SessionState, type SessionUser, type StepUp,
  type TypedDocument,
} from "./session.js";
export {
  acceptUserInvitation, changePassword, completeSignIn, confirmTotpEnrollment, register, requestEmailVerification,
  requestPasswordReset, resetPassword, setPassword, signIn, signInWithIdToken, signOutEverywhere, startIdTokenSignIn,
  startTotpEnrollment, undoEmailChange, verifyEmail, type SignedIn, type SignInResult,
} from "./sign-in.js";
export { accessToken, indexedDbStorage, memoryStorage, tokens, type TokenStorage } from "./tokens.js";
export type { Issued, Mode, Post, Transport } from "./transport.js";
export type * from "./schema.js";
