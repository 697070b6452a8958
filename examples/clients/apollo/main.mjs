// Apollo Client: persisted queries and the normalized cache, both as they come.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { SetContextLink } from '@apollo/client/link/context';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { generatePersistedQueryIdsFromManifest } from '@apollo/persisted-query-lists';
import { relayStylePagination } from '@apollo/client/utilities';
import { filter, firstValueFrom } from 'rxjs';

const username = `user-${randomBytes(6).toString('hex')}`;
const password = randomBytes(16).toString('hex');
let token;
let requests = 0;

const manifest = process.argv[2];
const named = manifest
  ? // The server has all documents from the file that `npm run documents` has written.
    generatePersistedQueryIdsFromManifest({ loadManifest: async () => JSON.parse(await readFile(manifest, 'utf8')) })
  : // The server has none and says so. The link sends whole ones then, and tries again after an error.
    { sha256: (text) => createHash('sha256').update(text).digest('hex') };

const client = new ApolloClient({
  // The cache needs to know only which fields are connections: it finds objects by `id`.
  cache: new InMemoryCache({
    typePolicies: { Query: { fields: { myOrganizations: relayStylePagination() } } },
  }),
  link: ApolloLink.from([
    new SetContextLink(() => (token ? { headers: { authorization: `Bearer ${token}` } } : {})),
    new PersistedQueryLink(named),
    new HttpLink({
      uri: process.env.PORTCULLIS_URL ?? 'http://127.0.0.1:8000/graphql',
      fetch: (...request) => {
        requests += 1;
        return fetch(...request);
      },
    }),
  ]),
});

async function mutate(mutation, variables, options) {
  return (await client.mutate({ mutation, variables, ...options })).data;
}

/** The first error that the server answers. */
async function refused(promise) {
  const error = await promise.then(
    () => assert.fail('the server refuses this'),
    (error) => error,
  );
  assert(CombinedGraphQLErrors.is(error), error);
  return error.errors[0];
}

await mutate(gql`mutation Register($input: RegisterInput!) { register(input: $input) { __typename } }`, {
  input: { username, email: `${username}@example.com`, password },
});
const { login } = await mutate(
  gql`
    mutation Login($input: LoginInput!) {
      login(input: $input) { ... on AuthPayload { accessToken user { id username } } }
    }
  `,
  { input: { identifier: username, password } },
);
assert.equal(login.user.username, username);
token = login.accessToken;
console.log('signed in');

const SESSIONS = gql`query Sessions { me { id sessions(first: 10) { nodes { id current } } } }`;
const { data: { me } } = await client.query({ query: SESSIONS });
assert.deepEqual(me.sessions.nodes.map((session) => session.current), [true, false]);
console.log('listed the sessions of register and login');

// The payload has the user, so the new list takes the place of the old one in the cache.
await mutate(gql`
  mutation RevokeOthers { revokeOtherSessions { user { id sessions(first: 10) { nodes { id current } } } } }
`);
assert.equal(client.readQuery({ query: SESSIONS }).me.sessions.nodes.length, 1);
console.log('ended the other session: the cache has dropped it');

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
      edges { cursor node { id name } }
      pageInfo { hasNextPage endCursor }
    }
  }
`;
const names = ({ myOrganizations }) => myOrganizations.edges.map(({ node }) => node.name);
const cached = () => names(client.readQuery({ query: ORGANIZATIONS }));
const query = client.watchQuery({ query: ORGANIZATIONS });
const first = await firstValueFrom(query.pipe(filter(({ loading }) => !loading)));
assert.deepEqual(names(first.data), ['Ash', 'Birch']);
const second = await query.fetchMore({ variables: { after: first.data.myOrganizations.pageInfo.endCursor } });
assert.deepEqual(names(second.data), ['Cedar']);
assert.deepEqual(cached(), ['Ash', 'Birch', 'Cedar']);
console.log('listed three organizations in two pages');

await mutate(
  gql`
    mutation Rename($input: UpdateOrganizationInput!) {
      updateOrganization(input: $input) { organization { id name } }
    }
  `,
  { input: { id: ids[0], name: 'Alder' } },
);
assert.deepEqual(cached(), ['Alder', 'Birch', 'Cedar']);
console.log('renamed an organization: the cache has the new name');

const OWNER = gql`
  query Owner($id: ID!) { organization(id: $id) { id members(first: 1) { nodes { id role user { id fullName } } } } }
`;
const owner = client.watchQuery({ query: OWNER, variables: { id: ids[0] } });
const shown = [];
const watching = owner.subscribe(({ data }) => {
  if (data) shown.push(data.organization.members.nodes[0].user.fullName);
});
await firstValueFrom(owner.pipe(filter(({ loading }) => !loading)));
const before = requests;
await mutate(
  gql`
    mutation ChangeName($input: UpdateProfileInput!) { updateProfile(input: $input) { user { id fullName } } }
  `,
  { input: { fullName: 'Ada Lovelace' } },
);
// The payload has the user by the same `id`, so every query that shows them has the new name.
assert.deepEqual(shown, [null, 'Ada Lovelace']);
assert.equal(requests - before, 1);
watching.unsubscribe();
console.log("changed the name: the cached organization's owner has it, without another request");

const { extensions } = await refused(mutate(CREATE, { name: '' }));
assert.equal(extensions.code, 'BAD_USER_INPUT');
const [{ path, code, message }] = extensions.fields;
assert.deepEqual([path, code], ['input.name', 'TOO_SHORT']);
console.log(`refused a name: ${message}`);

const STEP_UP = gql`
  mutation StepUp($password: String!) { reauthenticate(input: { proof: { password: $password } }) { accessToken } }
`;

/** Sends a mutation, and sends it again with a recent proof if the server asks for one. */
async function proven(mutation, variables, options) {
  try {
    return await mutate(mutation, variables, options);
  } catch (error) {
    const { code, factors } = (CombinedGraphQLErrors.is(error) && error.errors[0].extensions) || {};
    // An application asks its user for one of the factors here.
    if (code !== 'STEP_UP_REQUIRED' || !factors.includes('PASSWORD')) throw error;
    token = (await mutate(STEP_UP, { password })).reauthenticate.accessToken;
    console.log('proved the password again');
    return mutate(mutation, variables, options);
  }
}

await proven(
  gql`mutation Delete($id: ID!) { deleteOrganization(input: { id: $id }) { deletedOrganizationId } }`,
  { id: ids[1] },
  // The payload has only the id. Without the object, `relayStylePagination` leaves its edge out.
  { update: (cache) => cache.evict({ id: cache.identify({ __typename: 'Organization', id: ids[1] }) }) },
);
assert.deepEqual(cached(), ['Alder', 'Cedar']);
console.log('deleted an organization: the cache has dropped its edge');

await mutate(gql`mutation SignOut { logout { sessionId } }`);
await client.clearStore();
const ended = await refused(client.query({ query: SESSIONS }));
assert.equal(ended.extensions.code, 'UNAUTHENTICATED');
assert.equal(ended.extensions.reason, 'SESSION_ENDED');
console.log('signed out');
