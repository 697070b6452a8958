// Who is signed in, as the server last said. The session itself is a cookie, which all tabs share; where it acts is for
// each tab to choose.

import { useSyncExternalStore } from "react";
import { call, MODE, type Answer, type Factor } from "./api";
import type { Operation } from "./operations";
import type { Assertion } from "./passkey";
import { words } from "./words";

/** Another server that says who somebody is. */
export type Provider = { id: string; kind: string; name: string; canReauthenticate: boolean };
/** Who the user is to a provider; to one that is not configured any more, if that is null. */
export type Identity = { id: string; provider: Provider | null; email: string | null; lastUsedAt: string };
export type SecondFactors = {
  isOn: boolean;
  totp: { confirmedAt: string; lastUsedAt: string | null; isLocked: boolean } | null;
  recoveryCodesLeft: number;
};
export type Passkey = {
  id: string; name: string; credentialId: string;
  userVerified: boolean; backupEligible: boolean; backedUp: boolean;
  createdAt: string; lastUsedAt: string | null;
};
export type User = {
  id: string; username: string; email: string; fullName: string | null; role: string;
  identities: Identity[];
  secondFactors: SecondFactors;
  passkeys: Passkey[];
  passkeyUserHandle: string | null;
};
export type Organization = { id: string; name: string };

/** What signing in is answered. */
export type LoginResult =
  | { __typename: "AuthPayload" }
  | { __typename: "SecondFactorRequired"; challenge: string; factors: Factor[]; expiresIn: number }
  | { __typename: "EnrollmentRequired"; enrollment: string; codeMailed: boolean; expiresIn: number }
  | { __typename: "VerificationRequired"; email: string };

/** A sign-in that needs another step. What it waits with is a secret, and stays in memory. */
export type Unfinished = Extract<LoginResult, { expiresIn: number }>;
export type EnrollmentRequired = Extract<LoginResult, { enrollment: string }>;

export type Session = {
  user: User | null;
  /** To which the user belongs. */
  organizations: Organization[];
  /** The id of the one in which this tab acts. */
  organization: string | null;
  /** Whether the editor acts for the user; otherwise for nobody. */
  sends: boolean;
  /** Why a session that there was has ended. */
  over: string | null;
  /** Why the server could not say who is signed in. */
  failure: string | null;
  /** What the server is set up for. */
  features: string[];
  /** With whom people can sign in beside this server. */
  providers: Provider[];
  /** What became of what was begun with a provider. */
  notice: Notice | null;
  /** What the server asks for a proof for, and what would be one. */
  stepUp: { factors: Factor[]; goOn: () => void } | null;
  /** A sign-in that has begun in this tab. */
  unfinished: Unfinished | null;
  /** The user's new recovery codes, until they say that they have kept them. */
  recoveryCodes: string[] | null;
};

export type Notice = { text: string; isFailure: boolean };

const ORGANIZATION = "portcullis:organization";

let session: Session = {
  user: null, organizations: [], organization: null, sends: true, over: null, failure: null,
  features: [], providers: [], notice: null, stepUp: null, unfinished: null, recoveryCodes: null,
};
const listeners = new Set<() => void>();

function change(changes: Partial<Session>) {
  session = { ...session, ...changes };
  for (const listener of listeners) listener();
}

export const current = () => session;
export const useSession = () =>
  useSyncExternalStore((listener) => (listeners.add(listener), () => listeners.delete(listener)), current);

/** For whom requests are: what a server shows of itself may depend on it. */
export const useCaller = () => {
  const { user, organization, sends } = useSession();
  return user && sends ? `${user.id} ${user.role} ${organization}` : "anybody";
};

export const tell = (notice: Notice | null) => change({ notice });
export const say = (text: string) => tell({ text, isFailure: false });
export const showRecoveryCodes = (recoveryCodes: string[] | null) => change({ recoveryCodes });

export const setSends = (sends: boolean) => change({ sends });

export function actIn(organization: string | null) {
  if (organization) sessionStorage.setItem(ORGANIZATION, organization);
  else sessionStorage.removeItem(ORGANIZATION);
  change({ organization });
}

/** The headers by which a request acts for the user, where this tab acts. */
export function identity(): Record<string, string> {
  const { organization, sends } = session;
  if (!sends) return {};
  return organization ? { ...MODE, "portcullis-organization": organization } : MODE;
}

// Another tab signed in or out.
const tabs = new BroadcastChannel("portcullis:session");
tabs.onmessage = () => void ask();

let asked = 0;

/** Asks the server who is signed in. The last to be asked counts. */
export async function ask() {
  const number = ++asked;
  // The second is null for a guest.
  const { data, errors } = await call<{
    viewer: { reason: string | null; user: User | null } | null;
    myOrganizations: { nodes: Organization[] } | null;
    signInProviders: Provider[] | null;
    config: { features: string[] } | null;
  }>("session");
  if (number !== asked) return;
  if (!data?.viewer || (data.viewer.user && errors)) return change({ failure: errors?.[0]?.message ?? null });
  const { user, reason } = data.viewer;
  change({ providers: data.signInProviders ?? [], features: data.config?.features ?? [] });
  const isOver = !user && (session.user !== null || reason !== "MISSING_TOKEN");
  const why = reason === "SECOND_FACTOR_REQUIRED" ? words.needsFactor : words.isOver;
  show(user, data.myOrganizations?.nodes ?? [], isOver ? why : null);
}

/** Shows who is signed in, and has the other tabs ask if that is somebody else than before. */
function show(user: User | null, organizations: Organization[], over: string | null) {
  asked++;
  const isOther = user?.id !== session.user?.id;
  const chosen = sessionStorage.getItem(ORGANIZATION);
  const organization = organizations.find(({ id }) => id === chosen)?.id ?? null;
  const anew = isOther ? { sends: true, stepUp: null, unfinished: null, recoveryCodes: null, notice: null } : {};
  change({ user, organizations, organization, over, failure: null, ...anew });
  if (isOther) tabs.postMessage(null);
}

/**
 * Asks again where an answer shows that somebody else is signed in than the page thinks, and for a proof where the
 * server does.
 */
export function learnFrom({ errors = [] }: Answer<unknown>, goOn = () => {}) {
  for (const { extensions: { code, reason, factors = [] } = {} } of errors) {
    if ((code === "UNAUTHENTICATED" && session.user) || reason === "NOT_A_MEMBER") void ask();
    if (code === "STEP_UP_REQUIRED") change({ stepUp: { factors, goOn } });
  }
}

export const signOut = () => end("logout");

/** Ends every session of the user. */
export const signOutEverywhere = () => end("revokeAllSessions");

async function end(operation: Operation) {
  const answer = await call(operation);
  if (!answer.errors) show(null, [], null);
  return answer;
}

/** What proves who somebody is: exactly one of these. */
export type Proof = { password: string } | { totp: string } | { recoveryCode: string } | { passkey: Assertion };

/** Proves to the server once more who the user is, and continues with what that was needed for. */
export async function prove(proof: Proof) {
  const goOn = session.stepUp?.goOn;
  const answer = await call("reauthenticate", { proof });
  learnFrom(answer, goOn);
  if (answer.errors) return answer;
  change({ stepUp: null });
  goOn?.();
  return answer;
}

/** Leaves what the server asks for a proof for. */
export const giveUp = () => change({ stepUp: null });

/** Goes on from what a sign-in was answered. */
export async function enter(result: LoginResult | null | undefined) {
  if (!result) return;
  change({ unfinished: "expiresIn" in result ? result : null, notice: null });
  await ask();
}

/** Goes back to where somebody signs in, and says why. */
export const abandon = (why?: string) => change({ unfinished: null, notice: why ? { text: why, isFailure: true } : null });

/** Leaves an unfinished sign-in of which an answer says that it is over. */
export function abandonIfOver({ errors }: Answer<unknown>) {
  const failure = errors?.[0];
  if (session.unfinished && failure?.extensions?.code === "INVALID_TOKEN") abandon(failure.message);
}

/** Completes a sign-in by its second factor. */
export async function complete(challenge: string, proof: Proof) {
  const answer = await call("completeSignIn", { input: { challenge, proof } });
  abandonIfOver(answer);
  if (!answer.errors) await ask();
  return answer;
}

/** An access token for another service. The page itself has no use for it. */
export const exchange = () => call<{ refreshToken: { accessToken: string; expiresIn: number } }>(
  "refreshToken", { organizationId: session.organization });
