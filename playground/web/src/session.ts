// Who is signed in, as the server last said. The session itself is a cookie, which all tabs share; where it acts is for
// each tab to choose.

import { useSyncExternalStore } from "react";
import { call, MODE, type Answer } from "./api";

/** Another server that says who somebody is. */
export type Provider = { id: string; kind: string; name: string; canReauthenticate: boolean };
/** Who the user is to a provider; to one that is not configured any more, if that is null. */
export type Identity = { id: string; provider: Provider | null; email: string | null; lastUsedAt: string };
export type User = {
  id: string; username: string; email: string; fullName: string | null; role: string;
  identities: Identity[];
  hasPassword: boolean;
};
export type Organization = { id: string; name: string };

export type Session = {
  user: User | null;
  /** To which the user belongs. */
  organizations: Organization[];
  /** The id of the one in which this tab acts. */
  organization: string | null;
  /** Whether the editor acts for the user; otherwise for nobody. */
  sends: boolean;
  /** Whether there was a session, and it has ended. */
  isOver: boolean;
  /** Why the server could not say who is signed in. */
  failure: string | null;
  /** With whom people can sign in beside this server. */
  providers: Provider[];
  /** What became of what was begun with a provider. */
  notice: Notice | null;
  /** Continues with what the server asks for a proof for. */
  afterProof: (() => void) | null;
};

export type Notice = { text: string; isFailure: boolean };

const ORGANIZATION = "portcullis:organization";

let session: Session = {
  user: null, organizations: [], organization: null, sends: true, isOver: false, failure: null,
  providers: [], notice: null, afterProof: null,
};
const listeners = new Set<() => void>();

function change(changes: Partial<Session>) {
  session = { ...session, ...changes };
  for (const listener of listeners) listener();
}

export const useSession = () =>
  useSyncExternalStore((listener) => (listeners.add(listener), () => listeners.delete(listener)), () => session);

/** For whom requests are: what a server shows of itself may depend on it. */
export const useCaller = () => {
  const { user, organization, sends } = useSession();
  return user && sends ? `${user.id} ${user.role} ${organization}` : "anybody";
};

export const tell = (notice: Notice | null) => change({ notice });

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

const PROVIDER = "id kind name canReauthenticate";
const IDENTITIES = `identities { id provider { ${PROVIDER} } email lastUsedAt } hasPassword`;
const SESSION = `{
  viewer { reason user { id username email fullName role ${IDENTITIES} } }
  myOrganizations(first: 100) { nodes { id name } }
  signInProviders { ${PROVIDER} }
}`;

/** Asks the server who is signed in. The last to be asked counts. */
export async function ask() {
  const number = ++asked;
  // The second is null for a guest.
  const { data, errors } = await call<{
    viewer: { reason: string | null; user: User | null } | null;
    myOrganizations: { nodes: Organization[] } | null;
    signInProviders: Provider[] | null;
  }>(SESSION);
  if (number !== asked) return;
  if (!data?.viewer || (data.viewer.user && errors)) return change({ failure: errors?.[0]?.message ?? null });
  const { user, reason } = data.viewer;
  change({ providers: data.signInProviders ?? [] });
  show(user, data.myOrganizations?.nodes ?? [], !user && (session.user !== null || reason !== "MISSING_TOKEN"));
}

/** Shows who is signed in, and has the other tabs ask if that is somebody else than before. */
function show(user: User | null, organizations: Organization[], isOver: boolean) {
  asked++;
  const isOther = user?.id !== session.user?.id;
  const chosen = sessionStorage.getItem(ORGANIZATION);
  const organization = organizations.find(({ id }) => id === chosen)?.id ?? null;
  const anew = isOther ? { sends: true, afterProof: null, notice: null } : {};
  change({ user, organizations, organization, isOver, failure: null, ...anew });
  if (isOther) tabs.postMessage(null);
}

/**
 * Asks again where an answer shows that somebody else is signed in than the page thinks, and for a proof where the
 * server does.
 */
export function learnFrom({ errors = [] }: Answer<unknown>, goOn = () => {}) {
  for (const { extensions: { code, reason } = {} } of errors) {
    if ((code === "UNAUTHENTICATED" && session.user) || reason === "NOT_A_MEMBER") void ask();
    if (code === "STEP_UP_REQUIRED") change({ afterProof: goOn });
  }
}

export const signOut = () => end("logout { sessionId }");

/** Ends every session of the user. */
export const signOutEverywhere = () => end("revokeAllSessions { endedSessions }");

async function end(field: string) {
  const answer = await call(`mutation { ${field} }`);
  if (!answer.errors) show(null, [], false);
  return answer;
}

/** Shows the server the password again, and continues with what it was needed for. */
export async function prove(password: string) {
  const query = "mutation($password: String!) { reauthenticate(input: { proof: { password: $password } }) { tokenType } }";
  const answer = await call(query, { password });
  learnFrom(answer);
  if (answer.errors) return answer;
  const goOn = session.afterProof;
  change({ afterProof: null });
  goOn?.();
  return answer;
}

/** An access token for another service. The page itself has no use for it. */
export const exchange = () => call<{ refreshToken: { accessToken: string; expiresIn: number } }>(
  "mutation($organizationId: ID) { refreshToken(input: { organizationId: $organizationId }) { accessToken expiresIn } }",
  { organizationId: session.organization });
