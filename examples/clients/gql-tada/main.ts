// gql.tada: TypeScript infers the types of a document from its text, here for graphql-request.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { initGraphQLTada, type ResultOf, type TadaDocumentNode } from 'gql.tada';
import { ClientError, GraphQLClient } from 'graphql-request';
import type { introspection } from './graphql-env.d.ts';

const graphql = initGraphQLTada<{ introspection: introspection; scalars: { DateTime: string } }>();
type ErrorCode = ReturnType<typeof graphql.scalar<'ErrorCode'>>;
type Factor = ReturnType<typeof graphql.scalar<'Factor'>>;
type FieldErrorCode = ReturnType<typeof graphql.scalar<'FieldErrorCode'>>;

/** `extensions` of an error, which the schema describes in words only. */
interface Extensions {
  code: ErrorCode;
  reason?: string;
  fields?: { path: string; code: FieldErrorCode; message: string }[];
  factors?: Factor[];
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
    login(input: $input) { __typename ... on AuthPayload { accessToken user { username } } }
  }
`);
const { login } = await client.request(LOGIN, { input: { identifier: username, password } });
// The result is a union, which may get a second member. The token is null in cookie mode.
assert(login?.__typename === 'AuthPayload' && login.accessToken);
assert.equal(login.user.username, username);
client.setHeader('authorization', `Bearer ${login.accessToken}`);
console.log('signed in');

const ORGANIZATION = graphql(`fragment Organization on Organization @_unmask { id name createdAt myRole }`);
const CREATE = graphql(
  `
    mutation Create($name: String!) {
      createOrganization(input: { name: $name }) { organization { ...Organization } }
    }
  `,
  [ORGANIZATION],
);
const organizations: ResultOf<typeof ORGANIZATION>[] = [];
for (const name of ['Ash', 'Birch', 'Cedar']) {
  const { createOrganization } = await client.request(CREATE, { name });
  // gql.tada does not know `@semanticNonNull`: null would be an error, which the client throws.
  assert(createOrganization);
  organizations.push(createOrganization.organization);
}
assert.equal(organizations[0].myRole, 'OWNER');

const PAGE = graphql(
  `
    query Organizations($after: String) {
      myOrganizations(first: 2, after: $after) {
        nodes { ...Organization }
        pageInfo { hasNextPage endCursor }
      }
    }
  `,
  [ORGANIZATION],
);
const pages: string[][] = [];
let after: string | null = null;
do {
  const { myOrganizations }: ResultOf<typeof PAGE> = await client.request(PAGE, { after });
  assert(myOrganizations);
  pages.push(myOrganizations.nodes.map(({ name }) => name));
  after = myOrganizations.pageInfo.hasNextPage ? myOrganizations.pageInfo.endCursor : null;
} while (after !== null);
assert.deepEqual(pages, [['Ash', 'Birch'], ['Cedar']]);
console.log('listed three organizations in two pages');

const RENAME = graphql(`
  mutation Rename($input: UpdateOrganizationInput!) { updateOrganization(input: $input) { organization { name } } }
`);
const { updateOrganization } = await client.request(RENAME, { input: { id: organizations[0].id, name: 'Alder' } });
assert.equal(updateOrganization?.organization.name, 'Alder');
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
  mutation: TadaDocumentNode<Data, Variables>,
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
    client.setHeader('authorization', `Bearer ${reauthenticate?.accessToken}`);
    console.log('proved the password again');
    return send();
  }
}

const DELETE = graphql(`
  mutation Delete($id: ID!) { deleteOrganization(input: { id: $id }) { deletedOrganizationId } }
`);
const { deleteOrganization } = await proven(DELETE, { id: organizations[1].id });
assert.equal(deleteOrganization?.deletedOrganizationId, organizations[1].id);
console.log('deleted an organization');

await client.request(graphql(`mutation SignOut { logout { sessionId } }`));
const ended = await refused(client.request(graphql(`query Me { me { username } }`)));
assert.equal(ended.code, 'UNAUTHENTICATED');
assert.equal(ended.reason, 'SESSION_ENDED');
console.log('signed out');
