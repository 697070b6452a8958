// Hooks for React 18 and later.

import {
  createContext, createElement, useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore, type ReactNode,
} from "react";
import type { Access, Factor, Proof } from "./schema.js";
import type { AnySession, Session, SessionState, SessionUser } from "./session.js";

const Context = createContext<AnySession | null>(null);

/** Gives a session to the hooks below it, and asks the server who is signed in. */
export function SessionProvider({ session, children }: { session: AnySession; children?: ReactNode }) {
  useEffect(() => void session.ready(), [session]);
  return createElement(Context.Provider, { value: session }, children);
}

function useGiven(): AnySession {
  const session = useContext(Context);
  if (!session) throw new Error("There is no <SessionProvider> above this component.");
  return session;
}

const useSessionState = (session: AnySession): SessionState<any> =>
  useSyncExternalStore(session.subscribe, () => session.state, () => session.state);

/** The session, and who is signed in: `const { session, status, user } = useSession()`. */
export function useSession<U = SessionUser>(): SessionState<U> & { session: Session<U> } {
  const session = useGiven();
  const state = useSessionState(session);
  return useMemo(() => ({ ...state, session }), [state, session]);
}

/** The server's answers about the caller's access, for one state of a session. */
interface Known {
  state: SessionState<any>;
  organizationId: string | null;
  access: Map<string, Access>;
  asked: Set<string>;
  /** Fields that are asked for together, at the end of this tick. */
  wanted: string[];
  changed: Set<() => void>;
}
const known = new WeakMap<AnySession, Known>();

/** The most fields that one request asks for. */
const MOST = 100;
const ACCESS = "query($fields:[String!]!){viewer{access(fields:$fields){field allowed code reason rule factors}}}";

function knownOf(session: AnySession): Known {
  const { state, organizationId } = session;
  const before = known.get(session);
  if (before?.state === state && before.organizationId === organizationId) return before;
  // The answers for the same caller stand until others arrive: only the age of the last proof may differ.
  const isSame = before?.state.user?.id === state.user?.id && before?.organizationId === organizationId;
  const access = new Map(isSame ? before?.access : null);
  const fresh = { state, organizationId, access, asked: new Set<string>(), wanted: [], changed: before?.changed ?? new Set<() => void>() };
  known.set(session, fresh);
  return fresh;
}

function want(session: AnySession, fields: readonly string[]) {
  const now = knownOf(session);
  for (const field of fields) {
    if (now.asked.has(field)) continue;
    now.asked.add(field);
    if (now.wanted.push(field) === 1) setTimeout(() => void ask(session, now));
  }
}

async function ask(session: AnySession, now: Known) {
  const all = now.wanted.splice(0);
  while (all.length > 0) {
    const fields = all.splice(0, MOST);
    try {
      const { viewer } = await session.request(ACCESS, { fields });
      for (const access of viewer.access) now.access.set(access.field, access);
    } catch {
      // They are asked for again with the next change of the session.
    }
  }
  for (const changed of now.changed) changed();
}

/**
 * Whether the server's rules admit the caller to fields, for example `useCan(["Mutation.inviteUser"])`. A field is
 * undefined until the server has answered. One request asks for all fields of the components that mount together.
 *
 * `allowed` decides what to show. With the code `STEP_UP_REQUIRED` a field can be shown too: `session.run` asks for a proof.
 */
export function useCan<Field extends string>(fields: readonly Field[]): Readonly<Partial<Record<Field, Access>>> {
  const session = useGiven();
  const state = useSessionState(session);
  const [count, setCount] = useState(0);
  const names = fields.join();
  useEffect(() => {
    const changed = () => setCount((count) => count + 1);
    const { changed: listeners } = knownOf(session);
    listeners.add(changed);
    return () => void listeners.delete(changed);
  }, [session]);
  useEffect(() => {
    if (state.status !== "unknown" && names) want(session, names.split(","));
  }, [session, state, names]);
  return useMemo(() => {
    const { access } = knownOf(session);
    return Object.fromEntries(fields.map((field) => [field, access.get(field)])) as Partial<Record<Field, Access>>;
  }, [session, state, names, count]);
}

/** A proof that `session.run` waits for. */
export interface StepUpRequest {
  /** The proofs that the user can give. */
  factors: readonly Factor[];
  /** How many seconds old a proof may be. */
  maxAgeSeconds: number | null;
  /** Proves who the user is, and continues. Throws `PortcullisError` if the proof is wrong. */
  prove(proof: Proof): Promise<void>;
  /** Leaves it: the refusal of the action stands. */
  giveUp(): void;
}

/** The proof that is asked for, or null. Use it once, in the component that shows the form. */
export function useStepUp(): StepUpRequest | null {
  const session = useGiven();
  const [request, setRequest] = useState<StepUpRequest | null>(null);
  const pending = useRef(() => {});
  const ask = useCallback(({ factors, maxAgeSeconds, prove }: Omit<StepUpRequest, "giveUp">) => {
    const over = new Promise<void>((resolve) => {
      pending.current = resolve;
      const proved = async (proof: Proof) => {
        await prove(proof);
        resolve();
      };
      setRequest({ factors, maxAgeSeconds, prove: proved, giveUp: resolve });
    });
    return over.finally(() => setRequest(null));
  }, []);
  useEffect(() => {
    const off = session.onStepUp(ask);
    return () => {
      off();
      // Nobody can answer any more.
      pending.current();
    };
  }, [session, ask]);
  return request;
}
