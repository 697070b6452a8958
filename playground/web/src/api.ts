// Calls of the API, in cookie mode: the refresh token is where no script can read it.

// From /playground/, also when a proxy takes away a path that stands before both.
export const ENDPOINT = "../graphql";
export const MODE = { "portcullis-token-mode": "cookie" };

export type Field = { path: string; code: string; message: string };
export type Failure = {
  message: string;
  extensions?: { code?: string; reason?: string; field?: string; fields?: Field[]; retryAfter?: number };
};
export type Answer<T> = { data?: T | null; errors?: Failure[] };

export async function call<T>(query: string, variables: object = {}, bearer?: string | null): Promise<Answer<T>> {
  const headers: Record<string, string> = { "content-type": "application/json", ...MODE };
  if (bearer) headers.authorization = `Bearer ${bearer}`;
  try {
    const body = JSON.stringify({ query, variables });
    // A call that never ends would keep all tabs from renewing.
    const signal = AbortSignal.timeout(15_000);
    const response = await fetch(ENDPOINT, { method: "POST", headers, body, credentials: "same-origin", signal });
    return await response.json();
  } catch {
    return { errors: [{ message: "The server cannot be reached" }] };
  }
}
