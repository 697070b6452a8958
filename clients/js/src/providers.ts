// The way to a sign-in provider and back. The page is left in between, so the browser keeps what it began.

import type { Identity } from "./schema.js";
import { AUTH, type AnySession } from "./session.js";
import { begin, call, mutation, type SignInResult } from "./sign-in.js";

/** The purpose of a visit to a provider: to sign in, to link an identity to the account, or to prove again who the user is. */
export type ProviderPurpose = "SignIn" | "Link" | "Reauthentication";

/** A visit to a provider, and the way back. */
export interface ProviderStart {
  /** `SignIn` by default. */
  purpose?: ProviderPurpose;
  /** The id of one of `signInProviders`. */
  providerId: string;
  /** The page to come back to, which the server's `RETURN_URLS` lists; this page by default. */
  returnTo?: string;
  /** The token of the mail that finishes a registration. */
  verificationToken?: string;
  /** Any JSON value that `finishProvider` gives back to the page. */
  state?: unknown;
  /** Where the flow waits; `sessionStorage` by default. An app gives its own. */
  storage?: FlowStorage;
  /** Opens the provider's page; `location.assign` by default. */
  open?: (authorizationUrl: string) => void;
}

/** Keeps a flow, which is a secret, while the user is away. */
export type FlowStorage = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** A finished visit to a provider. */
export interface ProviderReturn {
  purpose: ProviderPurpose;
  providerId: string;
  /** The `state` of `startProvider`. */
  state: unknown;
  /** The result of the sign-in; null for the other purposes. */
  result: SignInResult | null;
  /** The linked identity; null for the other purposes. */
  identity: Pick<Identity, "id" | "email"> | null;
}

/** The provider sent the user back without an answer. */
export class ProviderError extends Error {
  override readonly name: string = "ProviderError";
  constructor(
    /** The code of OAuth 2.0: `access_denied` if the user did not agree. `flow_missing` if another browser began. */
    readonly error: string,
    /** The id of the provider, if this browser began. */
    readonly providerId: string | null,
    /** The `state` of `startProvider`. */
    readonly state: unknown,
  ) {
    super(`The provider answered ${error}.`);
  }
}

const KEY = "portcullis:flow";

/**
 * Goes to a provider. The page that the user comes back to calls `finishProvider`.
 *
 * @throws {PortcullisError} `BAD_USER_INPUT` at `returnTo` if the server does not list that page. `STEP_UP_REQUIRED` to
 * link: call it in `session.run`.
 */
export async function startProvider(session: AnySession, how: ProviderStart): Promise<void> {
  const { purpose = "SignIn", providerId, verificationToken, state = null, storage = sessionStorage } = how;
  const returnTo = how.returnTo ?? location.href.split("#")[0];
  const input = { providerId, returnTo, ...(verificationToken && { verificationToken }) };
  const started = await call(session, `start${purpose}`, "authorizationUrl flow", input);
  storage.setItem(KEY, JSON.stringify({ purpose, flow: started.flow, providerId, state }));
  (how.open ?? ((url) => location.assign(url)))(started.authorizationUrl);
}

/**
 * Finishes what `startProvider` began, on the page that the user came back to. Null if nobody came back. Takes what the
 * provider sent out of the address.
 *
 * @throws {ProviderError} The user did not agree, or the provider failed.
 * @throws {PortcullisError} `CONFLICT` with the reason `ACCOUNT_EXISTS`: sign in, then link the provider.
 */
export async function finishProvider(
  session: AnySession, { url, storage = sessionStorage }: { url?: string; storage?: FlowStorage } = {},
): Promise<ProviderReturn | null> {
  const sent = new URLSearchParams(new URL(url ?? location.href).hash.slice(1));
  if (!sent.has("state")) return null;
  const kept = storage.getItem(KEY);
  storage.removeItem(KEY);
  if (url === undefined) history.replaceState(history.state, "", location.pathname + location.search);
  const { purpose, flow, providerId, state } = JSON.parse(kept ?? "{}");
  const error = sent.get("error") ?? (kept ? null : "flow_missing");
  if (error) throw new ProviderError(error, providerId ?? null, state ?? null);
  const input: Record<string, string | null> = { flow };
  for (const name of ["code", "state", "iss"]) input[name] = sent.get(name);
  const returned: ProviderReturn = { purpose, providerId, state, result: null, identity: null };
  if (purpose === "SignIn") {
    // Apple tells a name there, the first time.
    returned.result = await begin(session, "finishSignIn", { ...input, user: sent.get("user") });
  } else if (purpose === "Link") {
    returned.identity = (await call(session, "finishLink", "identity{id email}", input)).identity;
  } else {
    await session.enter(mutation("finishReauthentication", AUTH), { input }, "caller");
  }
  return returned;
}
