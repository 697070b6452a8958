// Calls of the API in cookie mode: the session is a cookie, which no script can read.

import { operations, type Operation } from "./operations";
import { words } from "./words";

// From /playground/, also when a proxy takes away a path that stands before both.
export const ENDPOINT = "../graphql";
export const MODE = { "portcullis-token-mode": "cookie" };

/** What an account has to prove with who its owner is. */
export type Factor = "PASSWORD" | "PROVIDER" | "PASSKEY" | "TOTP" | "RECOVERY_CODE";
export type Field = { path: string; code: string; message: string };
export type Failure = {
  message: string;
  extensions?: { code?: string; reason?: string; fields?: Field[]; factors?: Factor[]; retryAfter?: number };
};
export type Answer<T> = { data?: T | null; errors?: Failure[] };

export async function call<T>(operation: Operation, variables: object = {}): Promise<Answer<T>> {
  const headers = { "content-type": "application/json", ...MODE };
  try {
    const body = JSON.stringify({ query: operations[operation], variables });
    // A form waits for its call, which has to end.
    const signal = AbortSignal.timeout(15_000);
    const response = await fetch(ENDPOINT, { method: "POST", headers, body, signal });
    return await response.json();
  } catch {
    return { errors: [{ message: words.unreachable }] };
  }
}

/** What an answer says went wrong, in a sentence; null where a proof of who somebody is comes first, which is asked for. */
export function saidOf({ errors }: Answer<unknown>) {
  const failure = errors?.[0];
  if (!failure || failure.extensions?.code === "STEP_UP_REQUIRED") return null;
  return failure.extensions?.fields?.[0]?.message ?? failure.message;
}
