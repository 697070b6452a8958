// urql with its normalized cache: it finds objects by `id`, as Apollo Client does, and fetches nothing again.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createClient, fetchExchange, gql } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';

const username = `user-${randomBytes(6).toString('hex')}`;
const password = randomBytes(16).toString('hex');
let token;
let requests = 0;

const client = createClient({
  url: process.env.PORTCULLIS_URL ?? 'http://127.0.0.1:8000/graphql',
  exchanges: [
    cacheExchange({
      // Objects without an identity of their own: a page of a list, and an entry of it.
      keys: { OrganizationConnection: () => null, MembershipConnection: () => null },
      updates: {
        // The payload names what is gone by its id.
        Mutation: {
          deleteOrganization: ({ deleteOrganization }, _arguments, cache) => {
            const id = deleteOrganization?.deletedOrganizationId;
            if (id) cache.invalidate({ __typename: 'Organization', id });
          },
        },
      },
    }),
    fetchExchange,
  ],
  fetchOptions: () => (token ? { headers: { authorization: `Bearer ${token}` } } : {}),
  fetch: (...request) => {
    requests += 1;
    return fetch(...request);
  },
});

async function answered(source) {
  const { data, error } = await source;
  if (error) throw error;
  return data;
}

const mutate = (document, variables) => answered(client.mutation(document, variables));
const query = (document, variables) => answered(client.query(document, variables));

const { register } = await mutate(
  gql`
    mutation Register($input: RegisterInput!) {
      register(input: $input) { ... on AuthPayload { accessToken } }
    }
  `,
  { input: { username, email: `${username}@example.com`, password } },
);
token = register.accessToken;
const { createOrganization } = await mutate(
  gql`mutation Create($name: String!) { createOrganization(input: { name: $name }) { organization { id name } } }`,
  { name: 'Ash' },
);
const { id } = createOrganization.organization;
console.log('signed in');

const OWNER = gql`
  query Owner($id: ID!) { organization(id: $id) { id members(first: 1) { nodes { id role user { id fullName } } } } }
`;
const ownersName = async () => (await query(OWNER, { id })).organization.members.nodes[0].user.fullName;
assert.equal(await ownersName(), null);
const before = requests;
await mutate(
  gql`mutation ChangeName($input: UpdateProfileInput!) { updateProfile(input: $input) { user { id fullName } } }`,
  { input: { fullName: 'Ada Lovelace' } },
);
assert.equal(await ownersName(), 'Ada Lovelace');
assert.equal(requests - before, 1);
console.log("changed the name: the cached organization's owner has it, without another request");

await mutate(
  gql`mutation Delete($id: ID!) { deleteOrganization(input: { id: $id }) { deletedOrganizationId } }`,
  { id },
);
assert.equal((await query(OWNER, { id })).organization, null);
assert.equal(requests - before, 3);
console.log('deleted an organization: the cache has forgotten it, and asked the server again');

await mutate(gql`mutation SignOut { logout { sessionId } }`, {});
console.log('signed out');
