// Who is signed in, as the server last said, and calls for them.

import { errorIn, isRefusal, NetworkError, PortcullisError, type Answer } from "./errors.js";
import type { Factor, Proof, UnauthenticatedReason, User } from "./schema.js";
import { cookie, type Issued, type Mode, type Post, type Transport } from "./transport.js";

/** The user, with the default of `userFields`. */
export type SessionUser = Pick<
  User,
  "id" | "username" | "fullName" | "email" | "emailVerified" | "avatarUrl" | "locale" | "role" | "permissions"
>;
const USER_FIELDS = "id username fullName email emailVerified avatarUrl locale role permissions";

/** Who is signed in. */
export type SessionState<U> =
  /** The server has not been asked yet, or `failure` says why it could not answer. */
  | { status: "unknown"; user: null; reason: null; failure: Error | null }
  /** Nobody is. `reason` tells a session that has ended from one that never began (`MISSING_TOKEN`). */
  | { status: "guest"; user: null; reason: UnauthenticatedReason | null; failure: null }
  /** `failure` says why the server could not be asked again; the user is as before. */
  | { status: "user"; user: U; reason: null; failure: Error | null };

/** The options of a session. Pages of the server's own origin need none. */
export interface SessionOptions<U> {
  /** The URL of the GraphQL endpoint; `/graphql` by default. */
  endpoint?: string;
  /** How calls authenticate: by the cookie, which is the default, or by `tokens()`. */
  mode?: Mode;
  /** The fields of the user to ask for: a selection of the type `User` that includes `id`. */
  userFields?: string;
  /** The language of messages and mails, for example `de`; that of the browser by default. */
  locale?: () => string | undefined;
  /** The organization in which calls act at first. */
  organizationId?: string | null;
  /** After how many milliseconds the session's own calls fail with `NetworkError`; 15,000 by default. */
  timeoutMs?: number;
  /** Sends requests, in the place of the global `fetch`. */
  fetch?: typeof fetch;
  /** The state that a server rendered the page with: see `@portcullis/client/server`. */
  initial?: SessionState<U>;
}

/** The server wants a proof before it runs an action. */
export interface StepUp {
  /** The proofs that the user can give. If it is empty, they sign out and in again. */
  readonly factors: readonly Factor[];
  /** How many seconds old a proof may be. */
  readonly maxAgeSeconds: number | null;
  /** Proves who the user is. Throws `PortcullisError` if the proof is wrong; then another can follow. */
  prove(proof: Proof): Promise<void>;
}

/** A document whose types GraphQL Code Generator or gql.tada know; it is sent as what `toString` gives. */
export interface TypedDocument<Data, Variables> {
  toString(): string;
  __apiType?: (variables: Variables) => Data;
}

/** A user's session, in one tab. */
export interface Session<U = SessionUser> {
  /** Who is signed in. Each change makes another object. */
  readonly state: SessionState<U>;
  /** The organization in which calls act, or null. Each tab has its own. */
  readonly organizationId: string | null;
  /** The endpoint, as a whole URL. */
  readonly endpoint: string;
  /** Calls `listener` after each change of `state`, with the state before. Returns how to stop that. */
  subscribe(listener: (state: SessionState<U>, before: SessionState<U>) => void): () => void;
  /** Asks the server who is signed in, unless it has said so already. Failures are in the state. */
  ready(): Promise<SessionState<U>>;
  /** Asks the server again, for example after a change of the profile. Failures are in the state. */
  load(): Promise<SessionState<U>>;
  /**
   * `fetch` for any GraphQL client: adds to a call of the endpoint who makes it. With tokens, a call that is refused
   * for its token is sent once more with a new one, unless it is a mutation that may have run.
   */
  readonly fetch: typeof fetch;
  /**
   * Sends an operation and returns its data.
   *
   * @throws {PortcullisError} The server refused it, or a part of it.
   * @throws {NetworkError} No answer arrived.
   */
  request<Data = any, Variables extends object = Record<string, unknown>>(
    document: string | TypedDocument<Data, Variables>, variables?: Variables): Promise<Data>;
  /**
   * Runs an action. If the server answers `STEP_UP_REQUIRED`, has the user prove who they are and runs it once more.
   * Several actions ask once. The action may use any GraphQL client. Without a proof its refusal stands.
   */
  run<T>(action: () => Promise<T>): Promise<T>;
  /**
   * Says how `run` asks for a proof: show a form, call `prove`, and return when that succeeded or the user gave up.
   * Returns how to take that back.
   */
  onStepUp(ask: (wanted: StepUp) => Promise<void>): () => void;
  /** Has calls of this tab act in an organization, or in none. */
  actIn(organizationId: string | null): void;
  /**
   * Ends the session, here and in all tabs.
   *
   * @throws {NetworkError} The server does not know of it: the user is still signed in.
   */
  signOut(): Promise<void>;
  /**
   * Sends a mutation that may begin or replace the session, and keeps it. The package's functions cover those of the
   * schema; this is for the sign-ins of extensions. The mutation selects `RESULT` of its payload, or `signedIn` with it.
   */
  enter<Data = any>(mutation: string, variables: object, as?: "guest" | "caller"): Promise<Data>;
  /** How its calls authenticate. */
  readonly transport: Transport;
  /** Stops listening to other tabs. */
  close(): void;
}

/** Any session, whatever it knows about its user. */
export type AnySession = Session<any>;

const SECRETS = ["accessToken", "expiresIn", "refreshToken", "deviceToken"] as const;
const ISSUED = `${SECRETS.join(" ")} user{id}`;
/** The selection of a `LoginResult`. */
export const RESULT = `__typename
...on AuthPayload{${ISSUED}}
...on SecondFactorRequired{challenge factors expiresIn}
...on EnrollmentRequired{enrollment codeMailed expiresIn}
...on VerificationRequired{email}`;
/** The selection of an `AuthPayload`. */
export const AUTH = `__typename ${ISSUED}`;

const REAUTHENTICATE = `mutation($input:ReauthenticateInput!){reauthenticate(input:$input){${AUTH}}}`;

const isRefused = ({ data, errors }: Answer) =>
  errors?.some(({ extensions }) => extensions?.code === "UNAUTHENTICATED") ||
  (data?.viewer?.user === null && data.viewer.reason && data.viewer.reason !== "MISSING_TOKEN");

/** The server refuses a root field for its caller before it does anything. */
const didNothing = ({ data, errors }: Answer) =>
  errors?.every(({ path = [], extensions }) => extensions?.code === "UNAUTHENTICATED" && path.length < 2) &&
  Object.values(data ?? {}).every((value) => value === null);

/** A query can be sent again. The body of a `Request` and a registered document count as mutations. */
const isQuery = (method = "GET", body: unknown) => method === "GET" || (/"query"/.test(`${body}`) && !/\bmutation\b/.test(`${body}`));

/** Makes the session of this page or program. One is enough: make it beside your GraphQL client. */
export function createSession<U extends { id: string } = SessionUser>(options: SessionOptions<U> = {}): Session<U> {
  const { timeoutMs = 15_000, locale = () => undefined, mode = cookie, userFields = USER_FIELDS } = options;
  const endpoint = new URL(options.endpoint ?? "/graphql", globalThis.location?.href);
  const plainFetch: typeof fetch = (input, init) => (options.fetch ?? fetch)(input, init);
  const VIEWER = `{viewer{reason user{${userFields}}}}`;

  const unknown: SessionState<U> = { status: "unknown", user: null, reason: null, failure: null };
  let state = options.initial ?? unknown;
  let organizationId = options.organizationId ?? null;
  const listeners = new Set<(state: SessionState<U>, before: SessionState<U>) => void>();
  let ask: ((wanted: StepUp) => Promise<void>) | null = null;

  const localized = () => {
    const language = locale();
    return language ? { "accept-language": language } : {};
  };

  async function exchange(via: typeof fetch, query: string, variables: object, headers: object) {
    const body = JSON.stringify({ query, variables });
    // Not every app has it.
    const signal = AbortSignal.timeout?.(timeoutMs) ?? null;
    const sent = { "content-type": "application/json", ...localized(), ...headers };
    let response: Response, answer: Answer;
    try {
      response = await via(endpoint, { method: "POST", headers: sent, body, signal, credentials: transport.credentials });
      answer = await response.json();
    } catch (cause) {
      if (cause instanceof PortcullisError || cause instanceof NetworkError) throw cause;
      throw new NetworkError("No answer arrived.", { cause });
    }
    const failure = answer.errors?.[0];
    if (failure) throw new PortcullisError(failure, response.headers);
    if (!answer.data) throw new NetworkError(`Not an answer of the server: ${response.status}`);
    return answer.data;
  }
  const post: Post = (query, variables, headers = {}) => exchange(plainFetch, query, variables, headers);
  const transport = mode(endpoint.href, post);

  async function send(input: RequestInfo | URL, init: RequestInit | undefined, learns: boolean, isAgain = false): Promise<Response> {
    const request = input instanceof Request ? input : null;
    const url = new URL(request?.url ?? `${input}`, endpoint);
    // No other address may see the user's credentials.
    if (url.href.split("?")[0] !== endpoint.href) throw new TypeError(`This fetch is for ${endpoint} only`);
    const organization = organizationId;
    const own = await transport.headers(organization);
    const headers = new Headers(init?.headers ?? request?.headers);
    for (const [name, value] of Object.entries({ ...localized(), ...own })) headers.set(name, value);
    const response = await plainFetch(request?.clone() ?? input, { ...init, headers, credentials: transport.credentials });
    // A stream is read as it comes.
    const isWhole = /json/.test(response.headers.get("content-type")!);
    const answer: Answer = isWhole ? await response.clone().json().catch(() => ({})) : {};
    if (!isRefused(answer)) return response;
    const isRepeatable = !isAgain && (isQuery(request?.method ?? init?.method, init?.body) || didNothing(answer));
    if (isRepeatable && (await transport.renewed?.(headers, organization))) return send(input, init, learns, true);
    if (learns && state.status === "user") void load();
    return response;
  }

  const ownFetch: typeof fetch = (input, init) => send(input, init, true);

  let asked = 0;
  let readying: Promise<SessionState<U>> | null = null;

  /** A failure leaves the state as it is, unless somebody new has signed in. */
  async function load(isNew = false): Promise<SessionState<U>> {
    const number = ++asked;
    try {
      const { viewer } = await exchange((input, init) => send(input, init, false), VIEWER, {}, {});
      if (number === asked) show(viewer.user, viewer.reason);
    } catch (failure) {
      if (number !== asked || (state.status === "guest" && !isNew)) return state;
      change({ ...(isNew ? unknown : state), failure: failure as Error } as SessionState<U>);
    }
    return state;
  }

  function show(user: U | null, reason: UnauthenticatedReason | null) {
    const isOver = state.status === "user" && reason === "MISSING_TOKEN";
    change(user
      ? { status: "user", user, reason: null, failure: null }
      : { status: "guest", user: null, reason: isOver ? "SESSION_ENDED" : reason, failure: null });
  }

  function change(next: SessionState<U>) {
    const before = state;
    state = next;
    for (const listener of listeners) listener(state, before);
  }

  // Another tab signed in or out, or proved who the user is. It says who that is, and nothing that opens anything.
  const { document } = globalThis;
  const tabs = document && globalThis.BroadcastChannel ? new BroadcastChannel(`portcullis ${endpoint}`) : null;
  const announce = (userId: string | null) => tabs?.postMessage({ userId });
  const forget = (userId: string | null) => {
    transport.forget?.();
    if (state.status !== "unknown") {
      if ((state.user?.id ?? null) === userId) return;
      organizationId = null;
      change(unknown);
    }
    if (asked) void load();
  };
  if (tabs) tabs.onmessage = ({ data }) => forget(data.userId);

  // The cookie may have changed without a word, for example on another page of the same site.
  let askedAt = 0;
  const onVisible = () => {
    if (document.visibilityState !== "visible" || state.status === "unknown" || Date.now() - askedAt < 60_000) return;
    askedAt = Date.now();
    void load();
  };
  document?.addEventListener("visibilitychange", onVisible);

  async function enter(mutation: string, variables: object, as: "guest" | "caller" = "guest", isAgain = false): Promise<any> {
    const organization = as === "caller" ? organizationId : null;
    const headers = as === "caller" ? await transport.headers(organization) : transport.guest;
    let issued = null as Issued | null;
    let data: Record<string, any>;
    try {
      const work = async () => {
        const data = await post(mutation, variables, headers);
        const payload = Object.values(data)[0];
        issued = payload?.signedIn ?? (payload?.__typename === "AuthPayload" ? payload : null);
        if (issued) await transport.keep?.(issued, as);
        return data;
      };
      data = await (transport.alone?.(work) ?? work());
    } catch (error) {
      if (as === "caller" && isRefusal(error, "UNAUTHENTICATED")) {
        if (!isAgain && (await transport.renewed?.(new Headers(headers), organization))) return enter(mutation, variables, as, true);
        void load();
      }
      throw error;
    }
    if (issued) {
      const userId = issued.user!.id;
      // The page has no use for them.
      for (const name of SECRETS) delete issued[name];
      if (as === "guest") organizationId = null;
      await load(state.user?.id !== userId);
      announce(userId);
    }
    return data;
  }

  let proofs = 0;
  let proving: Promise<boolean> | null = null;
  const prove = ({ factors, maxAgeSeconds }: PortcullisError) =>
    (proving ??= (async () => {
      const before = proofs;
      await ask?.({
        factors, maxAgeSeconds,
        prove: async (proof) => {
          await enter(REAUTHENTICATE, { input: { proof } }, "caller");
          proofs++;
        },
      });
      return proofs > before;
    })().finally(() => (proving = null)));

  async function run<T>(action: () => Promise<T>): Promise<T> {
    const before = proofs;
    type Outcome = { value: T } | { thrown: unknown };
    const attempt = (): Promise<Outcome> => action().then((value) => ({ value }), (thrown) => ({ thrown }));
    const refusalOf = (outcome: Outcome) => {
      const refusal = errorIn("thrown" in outcome ? outcome.thrown : outcome.value);
      return refusal?.code === "STEP_UP_REQUIRED" ? refusal : null;
    };
    let outcome = await attempt();
    const refusal = refusalOf(outcome);
    // Another action may have asked for the proof while this one was under way.
    if (refusal && (proofs > before || (await prove(refusal)))) outcome = await attempt();
    if ("thrown" in outcome) throw outcome.thrown;
    return outcome.value;
  }

  return {
    get state() {
      return state;
    },
    get organizationId() {
      return organizationId;
    },
    endpoint: endpoint.href,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    load: () => load(),
    ready: async () =>
      state.status === "unknown" ? (readying ??= load().finally(() => (readying = null))) : state,
    fetch: ownFetch,
    request: (document, variables = {} as any) => exchange(ownFetch, `${document}`, variables, {}) as any,
    run,
    onStepUp(handler) {
      ask = handler;
      return () => {
        if (ask === handler) ask = null;
      };
    },
    actIn(id) {
      organizationId = id;
      change({ ...state });
    },
    async signOut() {
      await transport.end();
      asked++;
      organizationId = null;
      change({ status: "guest", user: null, reason: "MISSING_TOKEN", failure: null });
      announce(null);
    },
    enter,
    transport,
    close() {
      tabs?.close();
      document?.removeEventListener("visibilitychange", onVisible);
    },
  };
}
