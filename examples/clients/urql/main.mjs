// urql with its defaults: queries go by GET, and the document cache fetches again what a mutation has touched.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cacheExchange, createClient, fetchExchange, gql } from '@urql/core';

const username = `user-${randomBytes(6).toString('hex')}`;
const password = randomBytes(16).toString('hex');
let token;

const client = createClient({
  url: process.env.PORTCULLIS_URL ?? 'http://127.0.0.1:8000/graphql',
  exchanges: [cacheExchange, fetchExchange],
  fetchOptions: () => (token ? { headers: { authorization: `Bearer ${token}` } } : {}),
});

/** urql answers errors and does not throw them. */
async function answered(source) {
  const { data, error } = await source;
  if (error) throw error;
  return data;
}

const mutate = (document, variables, context) => answered(client.mutation(document, variables, context));

await mutate(gql`mutation Register($input: RegisterInput!) { register(input: $input) { __typename } }`, {
  input: { username, email: `${username}@example.com`, password },
});
const { login } = await mutate(
  gql`
    mutation Login($input: LoginInput!) {
      login(input: $input) { ... on AuthPayload { accessToken user { username } } }
    }
  `,
  { input: { identifier: username, password } },
);
assert.equal(login.user.username, username);
token = login.accessToken;
console.log('signed in');

const CREATE = gql`
  mutation Create($name: String!) { createOrganization(input: { name: $name }) { organization { id name } } }
`;
const ids = [];
for (const name of ['Ash', 'Birch', 'Cedar']) {
  ids.push((await mutate(CREATE, { name })).createOrganization.organization.id);
}

const ORGANIZATIONS = gql`
  query Organizations($after: String) {
    myOrganizations(first: 2, after: $after) {
      nodes { id name }
      pageInfo { hasNextPage endCursor }
    }
  }
`;
async function page(variables) {
  const { myOrganizations } = await answered(client.query(ORGANIZATIONS, variables));
  return { names: myOrganizations.nodes.map(({ name }) => name), ...myOrganizations.pageInfo };
}
const first = await page({});
const second = await page({ after: first.endCursor });
assert.deepEqual([first.names, second.names], [['Ash', 'Birch'], ['Cedar']]);
assert.equal(second.hasNextPage, false);
console.log('listed three organizations in two pages');

await mutate(
  gql`
    mutation Rename($input: UpdateOrganizationInput!) {
      updateOrganization(input: $input) { organization { id name } }
    }
  `,
  { input: { id: ids[0], name: 'Alder' } },
);
assert.deepEqual((await page({})).names, ['Alder', 'Birch']);
console.log('renamed an organization: the cache has fetched its page again');

const { error } = await client.mutation(CREATE, { name: '' });
const { extensions } = error.graphQLErrors[0];
assert.equal(extensions.code, 'BAD_USER_INPUT');
const [{ path, code, message }] = extensions.fields;
assert.deepEqual([path, code], ['input.name', 'TOO_SHORT']);
console.log(`refused a name: ${message}`);

const STEP_UP = gql`
  mutation StepUp($password: String!) { reauthenticate(input: { proof: { password: $password } }) { accessToken } }
`;

/** Sends a mutation, and sends it again with a recent proof if the server asks for one. */
async function proven(document, variables, context) {
  const { data, error } = await client.mutation(document, variables, context);
  if (!error) return data;
  const { code, factors } = error.graphQLErrors[0]?.extensions ?? {};
  // An application asks its user for one of the factors here.
  if (code !== 'STEP_UP_REQUIRED' || !factors.includes('PASSWORD')) throw error;
  token = (await mutate(STEP_UP, { password })).reauthenticate.accessToken;
  console.log('proved the password again');
  return mutate(document, variables, context);
}

await proven(
  gql`mutation Delete($id: ID!) { deleteOrganization(input: { id: $id }) { deletedOrganizationId } }`,
  { id: ids[1] },
  // The payload has no Organization, by which the cache would know what to fetch again.
  { additionalTypenames: ['Organization'] },
);
assert.deepEqual((await page({})).names, ['Alder', 'Cedar']);
console.log('deleted an organization: the cache has fetched its page again');

await mutate(gql`mutation SignOut { logout { sessionId } }`, {});
const ended = await client.query(gql`query Me { me { username } }`, {});
assert.equal(ended.error.graphQLErrors[0].extensions.code, 'UNAUTHENTICATED');
assert.equal(ended.error.graphQLErrors[0].extensions.reason, 'SESSION_ENDED');
console.log('signed out');
