// What a gateway asks of the server at URL by itself. PASSWORD is that of the admin, boss, and SUBGRAPH a file with what
// `schema --federation` has printed.
import { readFileSync } from 'node:fs';
import { call, codes, forged, is, login, register, verdict } from './calls.mjs';

const [url, password, subgraph] = process.argv.slice(2);

const ENTITIES = `query ($representations: [_Any!]!) {
  _entities(representations: $representations) {
    __typename
    ... on User { id username email }
    ... on Organization { name }
  }
}`;

const anna = await register(url, 'anna');
const bert = await register(url, 'bert');
const boss = await login(url, 'boss', password);
const user = ({ id }) => ({ __typename: 'User', id });

const ask = (representations, token) => call(url, ENTITIES, { token, variables: { representations } });

/** What `_entities` gives, by name; the answer has to be without errors. */
async function gives(what, representations, { token }, expected) {
  const answer = await ask(representations, token);
  const got = answer.data?._entities?.map((entity) => entity && (entity.username ?? entity.name));
  is(what, { status: answer.status, codes: codes(answer), got }, { status: 200, codes: [], got: expected }, answer);
}

/** That nothing is given, and with which code. `data` is undefined where the operation did not run. */
async function refuses(what, representations, token, code, data) {
  const answer = await ask(representations, token);
  const got = { isFailure: answer.status >= 500, codes: codes(answer), data: answer.data };
  is(what, got, { isFailure: false, codes: [code], data }, answer);
}

const served = await call(url, '{ _service { sdl } }');
is('_service gives what the command prints', served.data?._service.sdl, readFileSync(subgraph, 'utf8'), served);

await gives('oneself', [user(anna)], anna, ['anna']);
await gives('somebody whom one may not see', [user(anna), user(bert)], anna, ['anna', null]);
await gives('everybody, for an admin, in the order asked', [user(bert), user(boss), user(anna), user(bert)], boss,
  ['bert', 'boss', 'anna', 'bert']);
await gives('with what else the other subgraph knows', [{ ...user(anna), reviews: [{ text: 'x' }] }], anna, ['anna']);
await gives('nothing', [], anna, []);
await gives('a type that is not the id\'s', [{ __typename: 'Organization', id: anna.id }], boss, [null]);
await gives('types without objects here', ['Review', 'Query', 'PageInfo', 'user', '', '💥'].map((of) => (
  { __typename: of, id: anna.id })), boss, Array(6).fill(null));
await gives('ids that name nothing', [
  'user_00000000-0000-7000-8000-000000000000', 'organization_x', 'x', '', '\u0000', '%', 'a'.repeat(5000),
].map((id) => ({ __typename: 'User', id })), boss, Array(7).fill(null));
await gives('an unknown one does not take its neighbours along', [user({ id: 'x' }), user(anna)], anna, [null, 'anna']);
await gives('100 at once', Array(100).fill(user(anna)), anna, Array(100).fill('anna'));

const none = { _entities: null };
await refuses('101 at once', Array(101).fill(user(anna)), anna.token, 'BAD_USER_INPUT', none);
await refuses('more than a request may carry', Array(5000).fill(user(anna)), anna.token, 'BAD_REQUEST', undefined);
for (const [what, bad] of Object.entries({
  'null': null,
  'a number': 1,
  'a text': 'User',
  'a list': [user(anna)],
  'an empty object': {},
  'no id': { __typename: 'User' },
  'no type': { id: anna.id },
  'a number as the type': { __typename: 1, id: anna.id },
  'a number as the id': { __typename: 'User', id: 1 },
  'null as the id': { __typename: 'User', id: null },
  'an object as the id': { __typename: 'User', id: { is: anna.id } },
})) {
  await refuses(`malformed: ${what}`, [user(anna), bad], anna.token, 'GRAPHQL_VALIDATION_FAILED', undefined);
}
await refuses('no list at all', null, anna.token, 'GRAPHQL_VALIDATION_FAILED', undefined);
await refuses('no variable', undefined, anna.token, 'GRAPHQL_VALIDATION_FAILED', undefined);

await refuses('without a token', [user(anna)], undefined, 'UNAUTHENTICATED', none);
await refuses('without a token, too many', Array(101).fill(user(anna)), undefined, 'UNAUTHENTICATED', none);
await refuses('with a forged token', [user(anna)], forged(anna.token), 'UNAUTHENTICATED', none);

// The rules of a field hold on this way as on every other.
const email = await ask([user(boss)], boss.token);
is('one\'s own address', email.data?._entities[0].email, 'boss@example.com', email);
const SESSIONS = ENTITIES.replace('id username email', 'sessions(first: 1) { totalCount }');
const sessions = await call(url, SESSIONS, { token: boss.token, variables: { representations: [user(anna), user(boss)] } });
is('sessions of nobody else, also for an admin', {
  codes: codes(sessions),
  got: sessions.data?._entities.map((entity) => entity.sessions),
}, { codes: ['FORBIDDEN'], got: [null, { totalCount: 1 }] }, sessions);

process.exitCode = verdict();
