// GraphQL Code Generator with the client preset: it reads the documents below and writes their types into gql/.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { ClientError, GraphQLClient } from 'graphql-request';
import { graphql, useFragment } from './gql';
import type { ErrorCode, OrganizationsQuery } from './gql/graphql';

/** `extensions` of an error, which the schema describes in words only. */
interface Extensions {
  code: ErrorCode;
  reason?: string;
  fields?: { path: string; code: string; message: string }[];
  factors?: string[];
}

const client = new GraphQLClient(process.env.PORTCULLIS_URL ?? 'http://127.0.0.1:8000/graphql');
const username = `user-${randomBytes(6).toString('hex')}`;
const password = randomBytes(16).toString('hex');

async function refused(answer: Promise<unknown>): Promise<Extensions> {
  const error: unknown = await answer.then(
    () => assert.fail('the server refuses this'),
    (error) => error,
  );
  return extensionsOf(error);
}

function extensionsOf(error: unknown): Extensions {
  assert(error instanceof ClientError);
  return error.response.errors?.[0]?.extensions as unknown as Extensions;
}

const REGISTER = graphql(`mutation Register($input: RegisterInput!) { register(input: $input) { __typename } }`);
await client.request(REGISTER, { input: { username, email: `${username}@example.com`, password } });

const LOGIN = graphql(`
  mutation Login($input: LoginInput!) {
    login(input: $input) { ... on AuthPayload { accessToken user { username } } }
  }
`);
const { login } = await client.request(LOGIN, { input: { identifier: username, password } });
// It is null in cookie mode.
assert(login.accessToken);
assert.equal(login.user.username, username);
client.setHeader('authorization', `Bearer ${login.accessToken}`);
console.log('signed in');

const ORGANIZATION = graphql(`fragment Organization on Organization { id name createdAt myRole }`);
const CREATE = graphql(`
  mutation Create($name: String!) { createOrganization(input: { name: $name }) { organization { ...Organization } } }
`);
const ids: string[] = [];
for (const name of ['Ash', 'Birch', 'Cedar']) {
  const { createOrganization } = await client.request(CREATE, { name });
  const organization = useFragment(ORGANIZATION, createOrganization.organization);
  assert.equal(organization.myRole, 'OWNER');
  assert.match(organization.createdAt, /Z$/);
  ids.push(organization.id);
}

const PAGE = graphql(`
  query Organizations($after: String) {
    myOrganizations(first: 2, after: $after) {
      nodes { ...Organization }
      pageInfo { hasNextPage endCursor }
    }
  }
`);
const pages: string[][] = [];
let after: string | null = null;
do {
  const { myOrganizations }: OrganizationsQuery = await client.request(PAGE, { after });
  pages.push(useFragment(ORGANIZATION, myOrganizations.nodes).map(({ name }) => name));
  after = myOrganizations.pageInfo.hasNextPage ? myOrganizations.pageInfo.endCursor : null;
} while (after !== null);
assert.deepEqual(pages, [['Ash', 'Birch'], ['Cedar']]);
console.log('listed three organizations in two pages');

const RENAME = graphql(`
  mutation Rename($input: UpdateOrganizationInput!) { updateOrganization(input: $input) { organization { name } } }
`);
const { updateOrganization } = await client.request(RENAME, { input: { id: ids[0], name: 'Alder' } });
assert.equal(updateOrganization.organization.name, 'Alder');
console.log('renamed an organization');

const { code, fields } = await refused(client.request(CREATE, { name: '' }));
assert(code === 'BAD_USER_INPUT' && fields);
assert.deepEqual([fields[0].path, fields[0].code], ['input.name', 'TOO_SHORT']);
console.log(`refused a name: ${fields[0].message}`);

const STEP_UP = graphql(`
  mutation StepUp($password: String!) { reauthenticate(input: { proof: { password: $password } }) { accessToken } }
`);

/** Sends a mutation, and sends it again with a recent proof if the server asks for one. */
async function proven<Data, Variables extends object>(
  mutation: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const send = () => client.request<Data>(mutation, variables);
  try {
    return await send();
  } catch (error) {
    const { code, factors } = extensionsOf(error);
    // An application asks its user for one of the factors here.
    if (code !== 'STEP_UP_REQUIRED' || !factors?.includes('PASSWORD')) throw error;
    const { reauthenticate } = await client.request(STEP_UP, { password });
    client.setHeader('authorization', `Bearer ${reauthenticate.accessToken}`);
    console.log('proved the password again');
    return send();
  }
}

const DELETE = graphql(`
  mutation Delete($id: ID!) { deleteOrganization(input: { id: $id }) { deletedOrganizationId } }
`);
const { deleteOrganization } = await proven(DELETE, { id: ids[1] });
assert.equal(deleteOrganization.deletedOrganizationId, ids[1]);
console.log('deleted an organization');

await client.request(graphql(`mutation SignOut { logout { sessionId } }`));
const ended = await refused(client.request(graphql(`query Me { me { username } }`)));
assert.equal(ended.code, 'UNAUTHENTICATED');
// The same without an error, for a page that asks who is signed in. Only enums that documents use are generated, as
// ErrorCode is for this one.
const VIEWER = graphql(`query Viewer { viewer { user { username } reason can(field: "Query.me") { code } } }`);
const { viewer } = await client.request(VIEWER);
assert.deepEqual(viewer, { user: null, reason: 'SESSION_ENDED', can: { code: 'UNAUTHENTICATED' } });
console.log('signed out');
