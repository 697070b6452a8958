// Who the page acts for. The access token is in memory only; the refresh token is in the cookie.

import { useSyncExternalStore } from "react";
import { call, type Answer, type Failure } from "./api";

export type User = { id: string; username: string; email: string; fullName: string | null; role: string };
type Pair = { accessToken: string; expiresIn: number; user?: Partial<User> };

export type Session = {
  user: User | null;
  token: string | null;
  /** By the page's own clock, in milliseconds. */
  expiresAt: number;
  /** The same: when it is renewed by itself. */
  renewsAt: number;
  renews: boolean;
  sends: boolean;
  /** Whether a session may still turn up, before the first answer. */
  isStarting: boolean;
};

/** Which session the cookie may hold, for the next visit and for other tabs: its id, which is no secret. */
const SEEN = "portcullis:signed-in";
/** So long before its end a token is renewed, or after half of its life if that is later. */
const EARLY_MS = 30_000;
/** After this long it is tried again, when the server was away. */
const AGAIN_MS = 5_000;

export const PAIR = "accessToken expiresIn user { id username email fullName role }";

let session: Session = {
  user: null, token: null, expiresAt: 0, renewsAt: 0, renews: true, sends: true, isStarting: true,
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
  const { user, sends } = useSession();
  return user && sends ? `${user.id} ${user.role}` : "anybody";
};

export const setRenews = (renews: boolean) => change({ renews });
export const setSends = (sends: boolean) => change({ sends });
export const bearer = () => (session.sends ? session.token : null);

/** Acts for whoever a pair of tokens is of. */
export async function adopt(pair: Pair) {
  const life = pair.expiresIn * 1000;
  const expiresAt = performance.now() + life;
  const renewsAt = expiresAt - Math.min(EARLY_MS, life / 2);
  // Nobody else is shown meanwhile, whatever an operation in the editor has left out.
  const isWhole = pair.user?.username !== undefined && pair.user.email !== undefined && pair.user.role !== undefined;
  const user = isWhole ? (pair.user as User) : null;
  change({ token: pair.accessToken, user, expiresAt, renewsAt, isStarting: false });
  localStorage.setItem(SEEN, sessionOf(pair.accessToken));
  if (user) return;
  const me = await call<{ me: User }>("{ me { id username email fullName role } }", {}, pair.accessToken);
  if (me.data?.me && session.token === pair.accessToken) change({ user: me.data.me });
}

const sessionOf = (token: string) => String(decode(token)?.sid ?? "");

function forget() {
  localStorage.removeItem(SEEN);
  change({ user: null, token: null, expiresAt: 0, renewsAt: 0, isStarting: false });
}

let renewing: Promise<void> | null = null;

/** Exchanges what the cookie holds for the next pair: one tab at a time, where the browser has locks. */
export function renew(): Promise<void> {
  const run = async () => {
    const answer = await call<{ refreshToken: Pair }>(`mutation { refreshToken { ${PAIR} } }`);
    if (answer.data?.refreshToken) return adopt(answer.data.refreshToken);
    // Nothing is over while the server is away.
    if (answer.errors?.[0]?.extensions?.code === "INVALID_TOKEN") forget();
    else change({ isStarting: false, renewsAt: performance.now() + AGAIN_MS });
  };
  const locked = () => navigator.locks ? navigator.locks.request("portcullis-refresh", run) : run();
  renewing ??= Promise.resolve(locked()).finally(() => (renewing = null));
  return renewing;
}

/** Before a call: a token that is about to end is renewed. */
export async function fresh() {
  const isEnding = session.token && session.expiresAt - performance.now() < 2_000;
  if (isEnding && session.renews && session.sends) await renew();
}

/** Ends this session. Answers what stands in the way: then it is not over. */
export const signOut = () => end("logout");

/** The same with every session of the user. */
export const signOutEverywhere = () => end("revokeAllSessions");

async function end(field: string): Promise<Failure | null> {
  const answer = await call(`mutation { ${field} }`, {}, session.token);
  if (answer.errors) return answer.errors[0]!;
  forget();
  return null;
}

export async function reauthenticate(password: string): Promise<Answer<{ reauthenticate: Pair }>> {
  const query = `mutation($password: String!) { reauthenticate(password: $password) { ${PAIR} } }`;
  const answer = await call<{ reauthenticate: Pair }>(query, { password }, session.token);
  if (answer.data?.reauthenticate) await adopt(answer.data.reauthenticate);
  return answer;
}

/**
 * Learns from the answer to an operation of the editor: acts for whom it has signed in, and finds out what
 * is left of a session that is over, here or elsewhere.
 */
export function learnFrom(answer: Answer<Record<string, unknown>>, sent: string | null) {
  const reason = answer.errors?.[0]?.extensions?.reason;
  if (sent && sent === session.token) {
    if (reason === "SESSION_ENDED" || (reason === "TOKEN_EXPIRED" && session.renews)) void renew();
  }
  for (const [field, value] of Object.entries(answer.data ?? {})) {
    if (field === "logout" && value === true) return forget();
    const pair = value as Partial<Pair> | null;
    if (typeof pair?.accessToken === "string") {
      const claims = decode(pair.accessToken);
      const expiresIn = pair.expiresIn ?? (claims ? Number(claims.exp) - Number(claims.iat) : 60);
      void adopt({ ...pair, accessToken: pair.accessToken, expiresIn });
    }
  }
}

/** The claims of a token, unverified: it is the page's own. */
export function decode(token: string): Record<string, unknown> | null {
  try {
    const bytes = atob(token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"));
    return JSON.parse(bytes);
  } catch {
    return null;
  }
}

export function start() {
  if (localStorage.getItem(SEEN)) void renew();
  else change({ isStarting: false });
  setInterval(() => {
    const isWanted = session.token ? session.renews : localStorage.getItem(SEEN) && !session.isStarting;
    if (isWanted && performance.now() > session.renewsAt) void renew();
  }, 1000);
  // Another tab signed in or out.
  addEventListener("storage", ({ key, newValue }) => {
    if (key !== SEEN) return;
    if (!newValue) return session.token ? forget() : undefined;
    if (!session.token || sessionOf(session.token) !== newValue) void renew();
  });
}
