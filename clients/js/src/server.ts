// For servers that render pages: calls for the visitor whose request is being answered. Nothing is shared between visitors.

import { NetworkError, PortcullisError } from "./errors.js";
import { createSession, type SessionState, type SessionUser, type TypedDocument } from "./session.js";

/** The request of a visitor: `Request`, or that of Node. */
export interface VisitorRequest {
  headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>;
  /** With Node's request, whence the address is. */
  socket?: { remoteAddress?: string | undefined };
}

/** Where the server is, and whose pages may change something by this one. */
export interface ServerOptions {
  /** The URL of the GraphQL endpoint, as this server reaches it. */
  endpoint: string;
  /** The origins of your own pages, for example `https://app.example.com`. Only they may change anything. */
  origins: readonly string[];
  /** The visitor's address, if the request does not have it. */
  address?: string;
  /** The fields of the user to ask for: a selection of the type `User` that includes `id`. */
  userFields?: string;
  /** After how many milliseconds a call fails with `NetworkError`; 15,000 by default. */
  timeoutMs?: number;
  /** Sends requests, in the place of the global `fetch`. */
  fetch?: typeof fetch;
}

/** Calls for one visitor, while one request of theirs is answered. */
export interface ServerSession<U = SessionUser> {
  /**
   * Asks who the visitor is. Give it to the page as `initial` of `createSession`, which then shows the same.
   * While the server cannot be asked, the state is unknown and `failure` is left out: an `Error` is not for pages.
   */
  state(): Promise<SessionState<U>>;
  /**
   * Sends an operation and returns its data.
   *
   * @throws {PortcullisError} The server refused it. `FORBIDDEN` without asking it: the visitor's page is not one of
   * `origins`, and the operation is a mutation.
   * @throws {NetworkError} No answer arrived.
   */
  request<Data = any, Variables extends object = Record<string, unknown>>(
    document: string | TypedDocument<Data, Variables>, variables?: Variables): Promise<Data>;
  /** `fetch` for a GraphQL client that is made for this request. */
  readonly fetch: typeof fetch;
  /** The `Set-Cookie` headers to put on the response. A lost one can sign the visitor out a minute later. */
  readonly setCookies: readonly string[];
}

/** The cookies of Portcullis; others of the visitor go nowhere. */
const OURS = /^__(Host|Secure)-portcullis_/;

/** A document without a text, such as a registered one, may be a mutation, so it counts as one. */
function isMutation(body: unknown): boolean {
  if (body == null) return false;
  const { query } = JSON.parse(String(body));
  return typeof query !== "string" || /\bmutation\b/.test(query);
}

/**
 * Begins the calls for a visitor. It forwards their cookie of Portcullis, user agent, language and address, and for
 * mutations the origin of their page, which it checks. List this server's address in `TRUSTED_PROXIES`.
 */
export function createServerSession<U extends { id: string } = SessionUser>(
  visitor: VisitorRequest, options: ServerOptions,
): ServerSession<U> {
  const { endpoint, origins, userFields, timeoutMs } = options;
  const header = (name: string) => {
    const { headers } = visitor;
    const value = headers instanceof Headers ? headers.get(name) : headers[name];
    return typeof value === "string" ? value : value?.join(", ") ?? null;
  };

  const cookies = new Map<string, string>();
  for (const pair of header("cookie")?.split(";") ?? []) {
    const [, name, value] = /^\s*([^=]*)=(.*)$/.exec(pair) ?? [];
    if (name && OURS.test(name)) cookies.set(name, value ?? "");
  }
  const setCookies: string[] = [];

  const origin = header("origin");
  const address = options.address ?? visitor.socket?.remoteAddress;
  const path = [header("x-forwarded-for"), address].filter(Boolean).join(", ");

  const forward: typeof fetch = async (input, init) => {
    const mutates = isMutation(init?.body);
    if (mutates && !(origin && origins.includes(origin))) {
      throw new PortcullisError({
        message: "This page may not change anything here.", extensions: { code: "FORBIDDEN" },
      });
    }
    const headers = new Headers(init?.headers);
    if (mutates) headers.set("origin", origin!);
    if (cookies.size > 0) headers.set("cookie", [...cookies].map(([name, value]) => `${name}=${value}`).join("; "));
    if (path) headers.set("x-forwarded-for", path);
    for (const name of ["user-agent", "accept-language"]) {
      const value = header(name);
      if (value) headers.set(name, value);
    }
    const response = await (options.fetch ?? fetch)(input, { ...init, headers });
    for (const cookie of response.headers.getSetCookie()) {
      setCookies.push(cookie);
      // Later calls for this request use the new cookie.
      const [, name, value] = /^([^=]*)=([^;]*)/.exec(cookie)!;
      if (value) cookies.set(name!, value);
      else cookies.delete(name!);
    }
    return response;
  };

  const session = createSession<U>({
    endpoint, fetch: forward, ...(userFields && { userFields }), ...(timeoutMs && { timeoutMs }),
  });
  return {
    async state() {
      const { failure, ...state } = await session.load();
      return (failure ? { ...state, failure: null } : { ...state, failure }) as SessionState<U>;
    },
    request: session.request,
    fetch: session.fetch,
    setCookies,
  };
}

export { NetworkError, PortcullisError };
