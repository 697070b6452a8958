// Calls of a GraphQL server, and what they are expected to answer.
import { isDeepStrictEqual } from 'node:util';

/** The status and the answer of a call; anything that is no JSON is an answer of its own. */
export async function call(url, query, { token, variables, headers } = {}) {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  try {
    return { status: response.status, ...JSON.parse(text) };
  } catch {
    return { status: response.status, text };
  }
}

/** The codes of the errors of an answer; null for one without. */
export const codes = (answer) => (answer.errors ?? []).map((error) => error.extensions?.code ?? null);

let failures = 0;

/** Says whether `actual` is what is expected. `answer` is shown if it is not. */
export function is(what, actual, expected, answer = actual) {
  if (isDeepStrictEqual(actual, expected)) {
    console.log(`ok: ${what}`);
    return;
  }
  failures += 1;
  console.error(`FAILED: ${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
  if (answer !== actual) console.error(`  in ${JSON.stringify(answer).slice(0, 2000)}`);
  process.exitCode = 1;
}

/** What to exit with. */
export const verdict = () => (failures > 0 ? 1 : 0);

const PASSWORD = 'correct horse battery';
const SIGNED_IN = '... on AuthPayload { accessToken user { id username } }';

async function signedIn(url, query, variables) {
  const answer = await call(url, query, { variables });
  const [payload] = Object.values(answer.data ?? {});
  if (!payload?.accessToken) throw new Error(`nobody is signed in: ${JSON.stringify(answer)}`);
  return { token: payload.accessToken, ...payload.user };
}

/** A new user, signed in. */
export const register = (url, username) =>
  signedIn(url, `mutation ($input: RegisterInput!) { register(input: $input) { ${SIGNED_IN} } }`, {
    input: { username, email: `${username}@example.com`, password: PASSWORD },
  });

/** A user of the command line, signed in. */
export const login = (url, identifier, password) =>
  signedIn(url, `mutation ($input: LoginInput!) { login(input: $input) { ${SIGNED_IN} } }`, {
    input: { identifier, password },
  });

/** The token with another signature. */
export function forged(token) {
  const [header, payload, signature] = token.split('.');
  return [header, payload, signature.slice(5, 10) + signature.slice(0, 5) + signature.slice(10)].join('.');
}
