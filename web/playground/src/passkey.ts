// Ceremonies with passkeys, by the browser's own interfaces (WebAuthn Level 3, section 5.1). Options and credentials go
// through as the JSON that the server and the browser exchange.

import { call, type Answer } from "./api";
import type { LoginResult, User } from "./session";
import { words } from "./words";

/** What the newest browsers have beside what TypeScript knows. */
type Signals = {
  signalUnknownCredential?(about: { rpId: string; credentialId: string }): Promise<void>;
  signalAllAcceptedCredentials?(about: { rpId: string; userId: string; allAcceptedCredentialIds: string[] }): Promise<void>;
};
type Creation = CredentialCreationOptions & { mediation?: CredentialMediationRequirement };
type Ceremony<Options> = { ceremony: string; options: Options; expiresIn: number };
type RequestOptions = PublicKeyCredentialRequestOptionsJSON & { rpId: string };
type CreationOptions = PublicKeyCredentialCreationOptionsJSON & { rp: { id: string } };
type Credential = PublicKeyCredentialJSON & { id: string };

/** Why this page can use no passkeys. */
export type Obstacle = "notOffered" | "address" | "browser";

export function obstacle(features: string[]): Obstacle | null {
  if (!features.includes("PASSKEYS")) return "notOffered";
  if (/^[\d.]+$|^\[/.test(location.hostname)) return "address";
  // It is missing on pages that came by plain http from elsewhere, too.
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) return "browser";
  return null;
}

/** This page at the name by which passkeys work, if it is this machine's own. */
export const atName = () => {
  const isLocal = /^127\.|^\[::1\]$/.test(location.hostname);
  return isLocal ? `${location.protocol}//localhost:${location.port}${location.pathname}` : null;
};

/** What the browser returns, or why it returns nothing. */
async function returned(ask: () => Promise<unknown>): Promise<Answer<Credential>> {
  try {
    return { data: ((await ask()) as PublicKeyCredential).toJSON() };
  } catch (error) {
    const { name } = error as Error;
    const known: Record<string, string> = {
      NotAllowedError: words.passkeyCancelled, InvalidStateError: words.passkeyThere, SecurityError: words.passkeyElsewhere,
    };
    return { errors: [{ message: known[name] ?? words.passkeyBroken(name) }] };
  }
}

/** An upgrade, which may wait for ever. The browser serves one request at a time, so any other ends it. */
let upgrading = new AbortController();

/** Asks the browser for a passkey. */
const asked = (options: RequestOptions, how: CredentialRequestOptions = {}) => returned(() => {
  upgrading.abort();
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return navigator.credentials.get({ publicKey, ...how });
});

const startSignIn = () =>
  call<{ startPasskeySignIn: Ceremony<RequestOptions> | null }>("startPasskeySignIn");

export type SignedIn = { finishPasskeySignIn: LoginResult | null };

/** Signs in with a passkey that the browser asks for in a dialogue. */
export async function signIn(): Promise<Answer<SignedIn>> {
  const { data, errors } = await startSignIn();
  const begun = data?.startPasskeySignIn;
  if (!begun) return { errors };
  const { data: credential, errors: failures } = await asked(begun.options);
  return credential ? finishSignIn(begun, credential) : { errors: failures };
}

/** Has the browser offer passkeys where a username is typed, until one is chosen; null where it does not, or `end` says so. */
export async function autofill(end: AbortSignal): Promise<Answer<SignedIn> | null> {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return null;
  while (!end.aborted) {
    const begun = (await startSignIn()).data?.startPasskeySignIn;
    if (!begun || end.aborted) return null;
    // The page may be open for longer than a ceremony lives.
    const renewal = AbortSignal.timeout((begun.expiresIn - 30) * 1000);
    const signal = AbortSignal.any([end, renewal]);
    const { data: credential } = await asked(begun.options, { mediation: "conditional", signal });
    if (credential) return finishSignIn(begun, credential);
    if (!renewal.aborted) return null;
  }
  return null;
}

async function finishSignIn({ ceremony, options: { rpId } }: Ceremony<RequestOptions>, credential: Credential) {
  const answer = await call<SignedIn>("finishPasskeySignIn", { input: { ceremony, credential } });
  // So that the browser offers it no more.
  if (answer.errors?.[0]?.extensions?.reason === "UNKNOWN_PASSKEY") await forget(rpId, credential);
  return answer;
}

export type Assertion = { ceremony: string; credential: Credential };

/** What proves by a passkey who the user is, or who signs in with this challenge. */
export async function prove(challenge?: string): Promise<Answer<Assertion>> {
  const { data, errors } = await call<{ startPasskeyProof: Ceremony<RequestOptions> | null }>(
    "startPasskeyProof", { input: { challenge } });
  const begun = data?.startPasskeyProof;
  if (!begun) return { errors };
  const { data: credential, errors: failures } = await asked(begun.options);
  return credential ? { data: { ceremony: begun.ceremony, credential } } : { errors: failures };
}

/** The enrollment of a person who is not signed in yet. */
export type Enrolling = { enrollment?: string; mailedCode?: string };
export type Registered = {
  finishPasskeyRegistration: { passkey: { name: string }; recoveryCodes: string[] | null } | null;
};

const REFUSALS = ["BAD_USER_INPUT", "INVALID_CREDENTIALS", "INVALID_TOKEN", "UNAUTHENTICATED"];

/** Makes a passkey, and registers it. */
export function register(enrolling: Enrolling = {}) {
  upgrading.abort();
  return make(enrolling);
}

/**
 * Has the browser make a passkey without asking, after a sign-in with a password, and registers it. Null where the browser
 * does not make one. The person has not asked for it, so the page shows no failure.
 */
export async function upgrade(): Promise<Answer<Registered> | null> {
  upgrading.abort();
  const { signal } = upgrading = new AbortController();
  const capabilities = await PublicKeyCredential.getClientCapabilities?.();
  return capabilities?.conditionalCreate ? make({}, { mediation: "conditional", signal }) : null;
}

async function make({ enrollment, mailedCode }: Enrolling, how: Creation = {}): Promise<Answer<Registered>> {
  const { data, errors } = await call<{ startPasskeyRegistration: Ceremony<CreationOptions> | null }>(
    "startPasskeyRegistration", { input: { enrollment, conditional: how.mediation === "conditional" } });
  const begun = data?.startPasskeyRegistration;
  if (!begun) return { errors };
  const { data: credential, errors: failures } = await returned(() => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(begun.options);
    return navigator.credentials.create({ publicKey, ...how });
  });
  if (!credential) return { errors: failures };
  const input = { ceremony: begun.ceremony, credential, enrollment, mailedCode };
  const answer = await call<Registered>("finishPasskeyRegistration", { input });
  // Nobody needs a passkey that the server has refused. After a failure of its own the server may have it nevertheless.
  if (REFUSALS.includes(answer.errors?.[0]?.extensions?.code ?? "")) await forget(begun.options.rp.id, credential);
  return answer;
}

const signals = () => window.PublicKeyCredential as unknown as Signals | undefined;

/** Tells the browser that the server does not know a passkey. */
async function forget(rpId: string, { id }: Credential) {
  // The browser may refuse this call. It then offers the passkey again.
  await signals()?.signalUnknownCredential?.({ rpId, credentialId: id }).catch(() => {});
}

/** Tells the browser which passkeys the user has: it offers the others no more. */
export async function signalAccepted(user: User) {
  if (!user.passkeyUserHandle || !signals()?.signalAllAcceptedCredentials) return;
  const rpId = (await startSignIn()).data?.startPasskeySignIn?.options.rpId;
  if (!rpId) return;
  const allAcceptedCredentialIds = user.passkeys.map(({ credentialId }) => credentialId);
  const about = { rpId, userId: user.passkeyUserHandle, allAcceptedCredentialIds };
  await signals()?.signalAllAcceptedCredentials?.(about).catch(() => {});
}
