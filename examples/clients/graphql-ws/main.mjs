// Subscriptions: graphql-ws over a WebSocket, as Apollo Client, urql and Relay have it, and graphql-sse as server-sent events.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const url = process.env.PORTCULLIS_URL ?? 'http://127.0.0.1:8000/graphql';
const username = `user-${randomBytes(6).toString('hex')}`;
const password = randomBytes(16).toString('hex');
let token;

const bearer = () => (token ? { authorization: `Bearer ${token}` } : {});

async function call(query, variables) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...bearer() },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

await call('mutation ($input: RegisterInput!) { register(input: $input) { __typename } }', {
  input: { username, email: `${username}@example.com`, password },
});
const { login } = await call(
  'mutation ($input: LoginInput!) { login(input: $input) { ... on AuthPayload { accessToken } } }',
  { input: { identifier: username, password } },
);
token = login.accessToken;
console.log('signed in');

const clients = {
  // Node 22 has a WebSocket of its own. What a page cannot say by a header stands in the payload.
  'graphql-ws': createClient({ url: url.replace(/^http/, 'ws'), webSocketImpl: WebSocket, connectionParams: bearer }),
  'graphql-sse': createSseClient({ url, headers: bearer }),
};
const query = 'subscription { sessionEvents { type reason viewer { user { fullName } } } }';
const streams = Object.entries(clients).map(([name, client]) => ({ name, events: client.iterate({ query }) }));
const next = async ({ events }) => (await events.next()).value?.data.sessionEvents;

// A client connects when the first event is asked for.
const first = streams.map(next);
// Until both are open, each change is told to those who are.
let changes = 0;
const changing = setInterval(() => {
  changes += 1;
  call('mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { user { id } } }', {
    input: { fullName: `Name ${changes}` },
  });
}, 500);
for (const [index, event] of (await Promise.all(first)).entries()) {
  assert.equal(event.type, 'USER_CHANGED');
  assert.match(event.viewer.user.fullName, /^Name \d+$/);
  console.log(`${streams[index].name}: told of a change`);
}
clearInterval(changing);

// Nobody may read the audit log without a permission.
for (const [name, client] of Object.entries(clients)) {
  const refused = async () => {
    const { value } = await client.iterate({ query: 'subscription { auditEvents { type } }' }).next();
    throw value.errors;
  };
  await assert.rejects(refused, ([error]) => error.extensions.code === 'FORBIDDEN', name);
}
console.log('refused what takes a permission');

await call('mutation { logout(input: {}) { sessionId } }');
for (const stream of streams) {
  let event;
  do event = await next(stream);
  while (event.type === 'USER_CHANGED');
  assert.equal(event.type, 'SESSION_ENDED');
  assert.equal((await stream.events.next()).done, true);
}
await clients['graphql-ws'].dispose();
console.log('signed out');
