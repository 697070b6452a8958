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

/** Says, to the next visit and to other tabs, that the cookie may hold something. Never a secret. */
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

export const setRenews = (renews: boolean) => change({ renews });
export const setSends = (sends: boolean) => change({ sends });
export const bearer = () => (session.sends ? session.token : null);

/** Acts for whoever a pair of tokens is of. */
export async function adopt(pair: Pair) {
  const life = pair.expiresIn * 1000;
  const expiresAt = performance.now() + life;
  const renewsAt = expiresAt - Math.min(EARLY_MS, life / 2);
  change({ token: pair.accessToken, expiresAt, renewsAt, isStarting: false });
  localStorage.setItem(SEEN, "1");
  await look();
}

/** Asks again who is signed in. */
async function look() {
  const me = await call<{ me: User }>("{ me { id username email fullName role } }", {}, session.token);
  if (me.data?.me) change({ user: me.data.me });
}

function forget() {
  localStorage.removeItem(SEEN);
  change({ user: null, token: null, expiresAt: 0, isStarting: false });
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

export async function signOut() {
  await call("mutation { logout }", {}, session.token);
  forget();
}

/** Ends every session of the user. Answers what stands in the way. */
export async function signOutEverywhere(): Promise<Failure | null> {
  const answer = await call("mutation { revokeAllSessions }", {}, session.token);
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

/** Acts for whom an operation in the editor has signed in, and for nobody once it has signed out. */
export function adoptFrom(answer: Answer<Record<string, unknown>>) {
  for (const [field, value] of Object.entries(answer.data ?? {})) {
    if (field === "logout" && value === true) return forget();
    const pair = value as Partial<Pair> | null;
    if (typeof pair?.accessToken === "string") {
      const claims = decode(pair.accessToken);
      const expiresIn = pair.expiresIn ?? (claims ? Number(claims.exp) - Number(claims.iat) : 60);
      void adopt({ accessToken: pair.accessToken, expiresIn });
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
    if (session.token && session.renews && performance.now() > session.renewsAt) void renew();
  }, 1000);
  // Another tab signed in or out.
  addEventListener("storage", ({ key, newValue }) => {
    if (key !== SEEN) return;
    if (newValue && !session.token) void renew();
    if (!newValue && session.token) forget();
  });
}
