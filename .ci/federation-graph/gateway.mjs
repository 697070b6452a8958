// Hive Gateway in front of the server at URL and the service of reviews, composed and set up as docs/how-to/federation.md says.
// PASSWORD is that of the admin, boss; FOLDER has portcullis.graphql, and gets the files of the documentation. BINARY is the program.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, openSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { call, codes, forged, is, login, register, verdict } from './calls.mjs';
import { policyThrough } from './policy.mjs';
import { serviceOf } from './reviews.mjs';

const [server, password, folder, binary] = process.argv.slice(2);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

async function listen(handler) {
  const listener = createServer(handler).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return `http://127.0.0.1:${listener.address().port}`;
}

/** Passes on what the gateway asks of the server, and notes it: nothing here means that the gateway answered alone. */
const asked = [];
const between = await listen(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString();
  asked.push({ headers: request.headers, ...JSON.parse(body) });
  const { host, connection, 'content-length': length, ...headers } = request.headers;
  const answer = await fetch(server + request.url, { method: request.method, headers, body });
  response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') });
  response.end(await answer.text());
});

const reviews = [];
const beside = await listen(serviceOf(reviews));

// The files of the documentation, with the addresses of here.
const documentation = readFileSync(here('../../docs/how-to/federation.md'), 'utf8');
for (const [, text, name] of documentation.matchAll(/^```js\n(\/\/ (\S+)\n[^]*?)^```/gm)) {
  const local = text
    .replaceAll('http://portcullis.internal:8000', between)
    .replaceAll('http://reviews.internal:4001', beside)
    .replaceAll('https://auth.example.com', server);
  writeFileSync(join(folder, name), local);
}
symlinkSync(here('node_modules'), join(folder, 'node_modules'));
copyFileSync(here('reviews.graphql'), join(folder, 'reviews.graphql'));
execFileSync(process.execPath, ['compose.mjs'], { cwd: folder, stdio: 'inherit' });

const free = createServer().listen(0, '127.0.0.1');
await once(free, 'listening');
const { port } = free.address();
free.close();
const log = join(folder, 'gateway.log');
const out = openSync(log, 'w');
const gateway = spawn(
  process.execPath,
  [here('node_modules/@graphql-hive/gateway/dist/bin.js'), 'supergraph', '--host', '127.0.0.1', '--port', port],
  { cwd: folder, stdio: ['ignore', out, out] },
);
process.on('exit', () => gateway.kill());
process.once('SIGINT', () => process.exit(1)).once('SIGTERM', () => process.exit(1));
const url = `http://127.0.0.1:${port}/graphql`;
const isReady = () => fetch(`http://127.0.0.1:${port}/readiness`).then((answer) => answer.ok, () => false);
for (let tries = 0; !(await isReady()); tries += 1) {
  if (tries === 300 || gateway.exitCode !== null) throw new Error(`no gateway: ${readFileSync(log, 'utf8')}`);
  await new Promise((resolve) => { setTimeout(resolve, 100); });
}

const carla = await register(`${server}/graphql`, 'carla');
const dora = await register(`${server}/graphql`, 'dora');
const boss = await login(`${server}/graphql`, 'boss', password);
const by = ({ id }, text) => ({ id: text, text, author: { __typename: 'User', id } });
reviews.push(by(carla, 'good'));

/** What the gateway answers to a call, and how often it asked the server for that. */
async function through(query, { token, ...rest } = {}) {
  asked.length = 0;
  const { data, status, ...answer } = await call(url, query, { token, ...rest });
  return { status, data: data ?? null, codes: codes(answer), asked: asked.length };
}

async function gives(what, query, options, data, calls) {
  const answer = await through(query, options);
  is(what, answer, { status: 200, data, codes: [], asked: calls });
}

/** That the gateway says no by itself. */
async function refuses(what, query, options, status = 401, code = 'UNAUTHORIZED_FIELD_OR_TYPE') {
  const answer = await through(query, options);
  is(`the gateway refuses ${what}`, answer, { status, data: null, codes: [code], asked: 0 });
}

// Nobody.
await gives('nobody: reviews', '{ reviews { text } }', {}, { reviews: [{ text: 'good' }] }, 0);
await gives('nobody: a public field', '{ viewer { reason } }', {}, { viewer: { reason: 'MISSING_TOKEN' } }, 1);
await gives('nobody: a sign-in', `mutation { login(input: { identifier: "boss", password: "${password}" }) {
  ... on AuthPayload { tokenType user { username } } } }`, {},
{ login: { tokenType: 'Bearer', user: { username: 'boss' } } }, 1);
await refuses('nobody: me', '{ me { username } }');
await refuses('nobody: me under another name, from a fragment', 'query { ...F } fragment F on Query { reviews: me { username } }');
await refuses('nobody: me beside what is public', '{ reviews { text } me { username } }');
await refuses('nobody: a field of a user', '{ reviews { author { sessions(first: 1) { totalCount } } } }');
await refuses('nobody: users', '{ users { totalCount } }');
const anonymous = await through('{ reviews { visibleAuthor { username } } }');
is('nobody: the server has no entities for them', anonymous.codes, ['UNAUTHENTICATED'], anonymous);

// A user.
const plain = { token: carla.token };
await gives('a user: their name beside their review', '{ reviews { text author { username email } } }', plain,
  { reviews: [{ text: 'good', author: { username: 'carla', email: 'carla@example.com' } }] }, 1);
is('by way of _entities', /_entities/.test(asked[0]?.query), true, asked);
is('with their token and without their claims', [asked[0]?.headers.authorization, asked[0]?.extensions],
  [`Bearer ${carla.token}`, undefined]);
await gives('a user: their reviews', '{ me { username reviews { text } } }', plain,
  { me: { username: 'carla', reviews: [{ text: 'good' }] } }, 1);
await gives('a user: their reviews, by node', 'query ($id: ID!) { node(id: $id) { ... on User { username reviews { text } } } }',
  { ...plain, variables: { id: carla.id } }, { node: { username: 'carla', reviews: [{ text: 'good' }] } }, 1);
await refuses('a user: users', '{ users { totalCount } }', plain);
const direct = await call(`${server}/graphql`, '{ users { totalCount } }', plain);
is('the server by itself says it otherwise', codes(direct), ['FORBIDDEN'], direct);

// The session is the client's, as the server has it from the gateway.
const headers = { 'x-forwarded-for': '192.0.2.1', 'user-agent': 'Phone/1' };
const IN = `mutation { login(input: { identifier: "boss", password: "${password}" }) { ... on AuthPayload { accessToken } } }`;
const { data: phone } = await through(IN, { headers });
await gives('an admin: where they are signed in', '{ me { sessions(first: 1) { nodes { ip userAgent } } } }',
  { token: phone.login.accessToken }, { me: { sessions: { nodes: [{ ip: '192.0.2.1', userAgent: 'Phone/1' }] } } }, 1);

// An admin.
await gives('an admin: users', '{ users { totalCount } }', { token: boss.token }, { users: { totalCount: 5 } }, 1);

// Forged tokens.
const refused = [401, null];
await refuses('a forged token: me', '{ me { username } }', { token: forged(carla.token) }, ...refused);
await refuses('a forged token: what is public', '{ reviews { text } }', { token: forged(carla.token) }, ...refused);
const [header, payload, signature] = boss.token.split('.');
await refuses('the claims of one under the signature of another', '{ users { totalCount } }',
  { token: [header, payload, carla.token.split('.')[2]].join('.') }, ...refused);
const none = Buffer.from(JSON.stringify({ typ: 'at+jwt', alg: 'none', kid: JSON.parse(Buffer.from(header, 'base64url')).kid }));
await refuses('alg none', '{ users { totalCount } }', { token: [none.toString('base64url'), payload, ''].join('.') }, ...refused);
await refuses('garbage', '{ reviews { text } }', { token: 'garbage' }, 400, null);

// Whom the caller may not see.
reviews.push(by(dora, 'bad'));
const hidden = await through('{ reviews { text visibleAuthor { username } } }', plain);
is('a user: a hidden author is null, with an error', hidden, {
  status: 200,
  data: { reviews: [{ text: 'good', visibleAuthor: { username: 'carla' } }, { text: 'bad', visibleAuthor: null }] },
  codes: ['INTERNAL_SERVER_ERROR'],
  asked: 1,
});
const lost = await through('{ reviews { text author { username } } }', plain);
is('a user: where authors are not nullable all is lost', lost, { status: 200, data: null, codes: ['INTERNAL_SERVER_ERROR'], asked: 1 });

// What one call to the server may not carry.
const strangers = Array.from({ length: 249 }, (_, index) => `user_00000000-0000-7000-8000-${String(index).padStart(12, '0')}`);
reviews.splice(1, Infinity, ...strangers.map((id) => by({ id }, id)));
const long = await through('{ reviews { visibleAuthor { email } } }', plain);
is('250 authors: in three calls', [long.status, long.data?.reviews.length, long.data?.reviews[0].visibleAuthor.email, long.codes, long.asked],
  [200, 250, 'carla@example.com', [], 3], long);
reviews.length = 1;
const names = ['username', 'email', 'fullName', 'role', 'locale'];
const selections = Array.from({ length: 20 }, (_, index) => (
  `r${index}: reviews { visibleAuthor { ${names.filter((_, bit) => ((index + 1) >> bit) & 1).join(' ')} } }`));
const wide = await through(`{ ${selections.join(' ')} }`, plain);
is('20 fields of one operation lead to entities', [wide.status, Object.keys(wide.data ?? {}).length, wide.codes], [200, 20, []], wide);

// The whole policy, each field as each kind of caller.
const own = `${server}/graphql`;
let users = 0;
const callers = {
  anonymous: async () => undefined,
  user: async () => (await register(own, `user${users += 1}`)).token,
  admin: async () => (await login(own, 'boss', password)).token,
};
await policyThrough({ folder, binary, url, callers, through });

if (verdict()) console.error(readFileSync(log, 'utf8').slice(-5000));
gateway.kill();
await once(gateway, 'exit');
// The listeners would keep it alive.
process.exit(verdict());
