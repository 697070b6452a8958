// Ceremonies with passkeys, by the browser's own interfaces (WebAuthn Level 3, section 5.1).

import { PortcullisError } from "./errors.js";
import type { Passkey, Proof } from "./schema.js";
import { type AnySession } from "./session.js";
import { begin, call, enroll, type SignInResult } from "./sign-in.js";

/** Functions of newer browsers that TypeScript does not know. */
interface Signals {
  signalUnknownCredential?(about: { rpId: string; credentialId: string }): Promise<void>;
  signalAllAcceptedCredentials?(about: { rpId: string; userId: string; allAcceptedCredentialIds: string[] }): Promise<void>;
  signalCurrentUserDetails?(about: { rpId: string; userId: string; name: string; displayName: string }): Promise<void>;
}
type RequestOptions = PublicKeyCredentialRequestOptionsJSON & { rpId: string };
type CreationOptions = PublicKeyCredentialCreationOptionsJSON & { rp: { id: string } };
interface Ceremony<Options> {
  ceremony: string;
  options: Options;
  expiresIn: number;
}

const interfaces = () => globalThis.PublicKeyCredential as (typeof PublicKeyCredential & Signals) | undefined;

/**
 * Why this page cannot use passkeys: at an IP address (`ADDRESS`) or in this browser (`BROWSER`). Null if it can. Whether
 * the server can, `config { features }` says.
 */
export function passkeyObstacle(): "ADDRESS" | "BROWSER" | null {
  if (/^[\d.]+$|^\[/.test(location.hostname)) return "ADDRESS";
  return interfaces()?.parseRequestOptionsFromJSON ? null : "BROWSER";
}

/** A request that waits for a choice. The browser serves one at a time, so any other ends it. */
let waiting = new AbortController();

const alone = (signal?: AbortSignal) => {
  waiting.abort();
  waiting = new AbortController();
  return signal ? AbortSignal.any([waiting.signal, signal]) : waiting.signal;
};

async function assert({ ceremony, options }: Ceremony<RequestOptions>, how: CredentialRequestOptions) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = (await navigator.credentials.get({ publicKey, ...how })) as PublicKeyCredential;
  return { ceremony, credential: credential.toJSON() };
}

const started = (session: AnySession): Promise<Ceremony<RequestOptions>> =>
  session.request("mutation{startPasskeySignIn{ceremony options expiresIn}}").then((data) => data.startPasskeySignIn);

async function finish(session: AnySession, { options: { rpId } }: Ceremony<RequestOptions>, assertion: { credential: { id: string } }) {
  try {
    return await begin(session, "finishPasskeySignIn", assertion);
  } catch (error) {
    if (error instanceof PortcullisError && error.reason === "UNKNOWN_PASSKEY") await forget(rpId, assertion.credential.id);
    throw error;
  }
}

/** The server does not know this passkey: the browser stops offering it. It may refuse the call, and offers it again then. */
const forget = (rpId: string, credentialId: string) =>
  interfaces()?.signalUnknownCredential?.({ rpId, credentialId }).catch(() => {});

/**
 * Signs in with a passkey, in a dialogue of the browser. Call it for a click.
 *
 * @throws {DOMException} `NotAllowedError`: cancelled, or there is no passkey here; the browser does not say which.
 * @throws {PortcullisError} `INVALID_CREDENTIALS`: offer the other ways to sign in.
 */
export async function signInWithPasskey(session: AnySession): Promise<SignInResult> {
  const signal = alone();
  const ceremony = await started(session);
  return finish(session, ceremony, await assert(ceremony, { signal }));
}

/**
 * Offers passkeys in the autofill of `<input autocomplete="username webauthn">`. Waits until one is chosen: call it when
 * the form is shown. Null if the browser offers none there, `signal` aborts, or another request of this module begins.
 */
export async function autofillPasskey(session: AnySession, signal?: AbortSignal): Promise<SignInResult | null> {
  if (passkeyObstacle()) return null;
  // Before anything is waited for: a button that is pressed meanwhile comes later.
  const end = alone(signal);
  if (!(await interfaces()!.isConditionalMediationAvailable?.())) return null;
  while (!end.aborted) {
    const ceremony = await started(session);
    if (end.aborted) break;
    // The page may be open for longer than a ceremony lives.
    const renewal = AbortSignal.timeout(Math.max(1, ceremony.expiresIn - 30) * 1000);
    let assertion;
    try {
      assertion = await assert(ceremony, { mediation: "conditional", signal: AbortSignal.any([end, renewal]) });
    } catch (error) {
      if (end.aborted) break;
      if (renewal.aborted) continue;
      throw error;
    }
    return finish(session, ceremony, assertion);
  }
  return null;
}

/**
 * Asks for a passkey as a proof: for `completeSignIn` with its challenge, or for `StepUp.prove` without one.
 *
 * @throws {DOMException} `NotAllowedError`: cancelled, or there is no passkey here.
 */
export async function passkeyProof(session: AnySession, challenge?: string): Promise<Proof> {
  const signal = alone();
  const ceremony = await call(session, "startPasskeyProof", "ceremony options", { challenge }, true);
  return { passkey: await assert(ceremony, { signal }) };
}

/** The proof of a user who must set up a second factor before they are signed in. */
export interface Enrolling {
  /** That of `EnrollmentRequired`. */
  enrollment?: string;
  /** The code from the mail, if `codeMailed` is true. */
  mailedCode?: string;
}

/** A passkey that has been registered. */
export interface Registered {
  passkey: Pick<Passkey, "id" | "name" | "userVerified">;
  /** With an `enrollment`, the codes that replace a lost passkey. The server shows them once. */
  recoveryCodes: readonly string[] | null;
}

const REFUSALS = ["BAD_USER_INPUT", "INVALID_CREDENTIALS", "INVALID_TOKEN", "UNAUTHENTICATED"];

async function make(
  session: AnySession, { enrollment, mailedCode, name }: Enrolling & { name?: string }, how: CredentialCreationOptions & { mediation?: string },
): Promise<Registered> {
  const conditional = how.mediation === "conditional";
  const { ceremony, options }: Ceremony<CreationOptions> =
    await call(session, "startPasskeyRegistration", "ceremony options", { enrollment, conditional }, true);
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const credential = (await navigator.credentials.create({ publicKey, ...how })) as PublicKeyCredential;
  const input = { ceremony, credential: credential.toJSON(), name, enrollment, mailedCode };
  try {
    return await enroll(session, "finishPasskeyRegistration", " passkey{id name userVerified}", input);
  } catch (error) {
    // Nobody needs a passkey that the server has refused. Without an answer it may be registered.
    const isRefused = error instanceof PortcullisError && REFUSALS.includes(error.code) && !error.field("name");
    if (isRefused) await forget(options.rp.id, credential.id);
    throw error;
  }
}

/**
 * Makes a passkey and registers it: in a session, or with an `enrollment`, which signs in. Without a `name` it is named
 * after the browser and the system.
 *
 * @throws {PortcullisError} `STEP_UP_REQUIRED`: call it in `session.run`.
 * @throws {DOMException} `NotAllowedError` if it was cancelled, `InvalidStateError` if the device has one already.
 */
export const registerPasskey = (session: AnySession, how: Enrolling & { name?: string } = {}): Promise<Registered> =>
  make(session, how, { signal: alone() });

/**
 * Has the browser make a passkey without asking. Call it after a sign-in with a password, if the account has none, and do
 * not wait for it. Null if the browser made none; nobody asked for it, so show no failure.
 */
export async function upgradeToPasskey(session: AnySession): Promise<Registered | null> {
  if (passkeyObstacle()) return null;
  const signal = alone();
  const capabilities = await interfaces()!.getClientCapabilities?.();
  if (!capabilities?.conditionalCreate) return null;
  return make(session, {}, { mediation: "conditional", signal }).catch(() => null);
}

/**
 * Tells the browser which passkeys the user has and what they are called. Call it after each sign-in, after a passkey was
 * deleted, and after a name has changed.
 */
export async function signalPasskeys(session: AnySession): Promise<void> {
  if (!interfaces()?.signalAllAcceptedCredentials) return;
  const { me } = await session.request("{me{username fullName passkeyUserHandle passkeys{credentialId}}}");
  const userId = me.passkeyUserHandle;
  // The account never had a passkey.
  if (!userId) return;
  const { rpId } = (await started(session)).options;
  const allAcceptedCredentialIds = me.passkeys.map((passkey: Passkey) => passkey.credentialId);
  const [name, displayName] = [me.username, me.fullName ?? me.username];
  // The browser may refuse either: it then offers what it knows.
  await interfaces()?.signalAllAcceptedCredentials?.({ rpId, userId, allAcceptedCredentialIds }).catch(() => {});
  await interfaces()?.signalCurrentUserDetails?.({ rpId, userId, name, displayName }).catch(() => {});
}
