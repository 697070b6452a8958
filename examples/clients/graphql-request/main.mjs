// graphql-request: one function that sends a document, and throws what the server answers as an error.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { ClientError, gql, GraphQLClient } from 'graphql-request';

const client = new GraphQLClient(process.env.PORTCULLIS_URL ?? 'http://127.0.0.1:8000/graphql');
const username = `user-${randomBytes(6).toString('hex')}`;
const password = randomBytes(16).toString('hex');

/** The first error that the server answers. */
async function refused(answer) {
  const error = await answer.then(
    () => assert.fail('the server refuses this'),
    (error) => error,
  );
  assert(error instanceof ClientError, error);
  return error.response.errors[0];
}

await client.request(gql`mutation Register($input: RegisterInput!) { register(input: $input) { __typename } }`, {
  input: { username, email: `${username}@example.com`, password },
});
const { login } = await client.request(
  gql`
    mutation Login($input: LoginInput!) {
      login(input: $input) { ... on AuthPayload { accessToken user { username } } }
    }
  `,
  { input: { identifier: username, password } },
);
assert.equal(login.user.username, username);
client.setHeader('authorization', `Bearer ${login.accessToken}`);
console.log('signed in');

const CREATE = gql`
  mutation Create($name: String!) { createOrganization(input: { name: $name }) { organization { id } } }
`;
const ids = [];
for (const name of ['Ash', 'Birch', 'Cedar']) {
  ids.push((await client.request(CREATE, { name })).createOrganization.organization.id);
}

const PAGE = gql`
  query Organizations($after: String) {
    myOrganizations(first: 2, after: $after) {
      nodes { name }
      pageInfo { hasNextPage endCursor }
    }
  }
`;
const pages = [];
let after = null;
do {
  const { myOrganizations } = await client.request(PAGE, { after });
  pages.push(myOrganizations.nodes.map(({ name }) => name));
  after = myOrganizations.pageInfo.hasNextPage ? myOrganizations.pageInfo.endCursor : null;
} while (after !== null);
assert.deepEqual(pages, [['Ash', 'Birch'], ['Cedar']]);
console.log('listed three organizations in two pages');

const { updateOrganization } = await client.request(
  gql`
    mutation Rename($input: UpdateOrganizationInput!) {
      updateOrganization(input: $input) { organization { name } }
    }
  `,
  { input: { id: ids[0], name: 'Alder' } },
);
assert.equal(updateOrganization.organization.name, 'Alder');
console.log('renamed an organization');

const { extensions } = await refused(client.request(CREATE, { name: '' }));
assert.equal(extensions.code, 'BAD_USER_INPUT');
const [{ path, code, message }] = extensions.fields;
assert.deepEqual([path, code], ['input.name', 'TOO_SHORT']);
console.log(`refused a name: ${message}`);

const STEP_UP = gql`
  mutation StepUp($password: String!) { reauthenticate(input: { proof: { password: $password } }) { accessToken } }
`;

/** Sends a mutation, and sends it again with a recent proof if the server asks for one. */
async function proven(mutation, variables) {
  try {
    return await client.request(mutation, variables);
  } catch (error) {
    const { code, factors } = error.response?.errors[0].extensions ?? {};
    // An application asks its user for one of the factors here.
    if (code !== 'STEP_UP_REQUIRED' || !factors.includes('PASSWORD')) throw error;
    const { reauthenticate } = await client.request(STEP_UP, { password });
    client.setHeader('authorization', `Bearer ${reauthenticate.accessToken}`);
    console.log('proved the password again');
    return client.request(mutation, variables);
  }
}

const { deleteOrganization } = await proven(
  gql`mutation Delete($id: ID!) { deleteOrganization(input: { id: $id }) { deletedOrganizationId } }`,
  { id: ids[1] },
);
assert.equal(deleteOrganization.deletedOrganizationId, ids[1]);
console.log('deleted an organization');

await client.request('mutation SignOut { logout { sessionId } }');
const ended = await refused(client.request('query Me { me { username } }'));
assert.equal(ended.extensions.code, 'UNAUTHENTICATED');
assert.equal(ended.extensions.reason, 'SESSION_ENDED');
console.log('signed out');
