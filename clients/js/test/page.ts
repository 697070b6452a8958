// The page that tests drive: all of the package within reach, and a session as the test says.

import * as client from "@portcullis/client";

/** What comes of it, in a form that leaves the page. */
async function attempt(action: () => Promise<unknown>) {
  try {
    return { value: await action() };
  } catch (error) {
    const { name, message, code, reason, fields, retryAfterSeconds, error: refusal, state } = error as any;
    return { name, message, code, reason, fields, retryAfterSeconds, refusal, state };
  }
}

/** Makes the session of this tab. */
function open({ tokens, ...options }: { tokens?: "memory" | "shared" } & client.SessionOptions<any>) {
  const storage = tokens === "shared" ? client.indexedDbStorage() : client.memoryStorage();
  const session = client.createSession({ ...options, ...(tokens && { mode: client.tokens({ storage }) }) });
  const states: string[] = [];
  session.subscribe((state) => states.push(state.user?.username ?? state.status));
  Object.assign(globalThis, { session, storage, states });
}

Object.assign(globalThis, { client, attempt, open });
