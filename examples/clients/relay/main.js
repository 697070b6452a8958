// Relay without React: compiled against schema.graphql, with the store that components read.
const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const relay = require('relay-runtime');
const { Environment, Network, RecordSource, Store, ConnectionHandler, commitMutation, fetchQuery, graphql } = relay;

const url = process.env.PORTCULLIS_URL ?? 'http://127.0.0.1:8000/graphql';
const username = `user-${randomBytes(6).toString('hex')}`;
const password = randomBytes(16).toString('hex');
let token;

const environment = new Environment({
  store: new Store(new RecordSource()),
  network: Network.create(async ({ id, text }, variables) => {
    const headers = { 'content-type': 'application/json' };
    if (token) headers.authorization = `Bearer ${token}`;
    // After `npm run documents` the texts are in a file for the server, and the program has their ids.
    const body = JSON.stringify({ ...(id ? { documentId: id } : { query: text }), variables });
    return (await fetch(url, { method: 'POST', headers, body })).json();
  }),
});

/** Relay gives errors of fields beside the answer. */
function mutateOrFail(mutation, variables) {
  return new Promise((onCompleted, onError) => {
    const answered = (data, errors) => onCompleted({ data, errors });
    commitMutation(environment, { mutation, variables, onCompleted: answered, onError });
  });
}

async function mutate(mutation, variables = {}) {
  const { data, errors } = await mutateOrFail(mutation, variables);
  assert.equal(errors, null);
  return data;
}

async function main() {
  await mutate(
    graphql`mutation mainRegisterMutation($input: RegisterInput!) { register(input: $input) { __typename } }`,
    { input: { username, email: `${username}@example.com`, password } },
  );
  const { login } = await mutate(
    graphql`
      mutation mainLoginMutation($input: LoginInput!) {
        login(input: $input) { ... on AuthPayload { accessToken user { username } } }
      }
    `,
    { input: { identifier: username, password } },
  );
  assert.equal(login.user.username, username);
  token = login.accessToken;
  console.log('signed in');

  const CREATE = graphql`
    mutation mainCreateMutation($name: String!) { createOrganization(input: { name: $name }) { organization { id } } }
  `;
  const ids = [];
  for (const name of ['Ash', 'Birch', 'Cedar']) {
    ids.push((await mutate(CREATE, { name })).createOrganization.organization.id);
  }

  const ORGANIZATIONS = graphql`
    query mainOrganizationsQuery($after: String) @throwOnFieldError {
      myOrganizations(first: 2, after: $after) @connection(key: "main_myOrganizations") {
        edges { node { name } }
        pageInfo { hasNextPage endCursor }
      }
    }
  `;
  // What a component would show: the store's list, kept for as long as it is shown.
  const shown = relay.createOperationDescriptor(relay.getRequest(ORGANIZATIONS), {});
  environment.retain(shown);
  const list = () => {
    const { data, isMissingData } = environment.lookup(shown.fragment);
    assert(!isMissingData);
    return data.myOrganizations;
  };
  const names = () => list().edges.map(({ node }) => node.name);
  await fetchQuery(environment, ORGANIZATIONS, {}).toPromise();
  assert.deepEqual(names(), ['Ash', 'Birch']);
  await fetchQuery(environment, ORGANIZATIONS, { after: list().pageInfo.endCursor }).toPromise();
  assert.deepEqual(names(), ['Ash', 'Birch', 'Cedar']);
  assert.equal(list().pageInfo.hasNextPage, false);
  console.log('listed three organizations in two pages');

  await mutate(
    graphql`
      mutation mainRenameMutation($input: UpdateOrganizationInput!) {
        updateOrganization(input: $input) { organization { name } }
      }
    `,
    { input: { id: ids[0], name: 'Alder' } },
  );
  assert.deepEqual(names(), ['Alder', 'Birch', 'Cedar']);
  console.log('renamed an organization: the store has the new name');

  const OWNER = graphql`
    query mainOwnerQuery($id: ID!) { organization(id: $id) { name members(first: 1) { nodes { user { fullName } } } } }
  `;
  const owned = relay.createOperationDescriptor(relay.getRequest(OWNER), { id: ids[2] });
  environment.retain(owned);
  const stored = () => environment.lookup(owned.fragment).data.organization;
  await fetchQuery(environment, OWNER, { id: ids[2] }).toPromise();
  assert.equal(stored().members.nodes[0].user.fullName, null);
  await mutate(
    graphql`
      mutation mainChangeNameMutation($input: UpdateProfileInput!) {
        updateProfile(input: $input) { user { fullName } }
      }
    `,
    { input: { fullName: 'Ada Lovelace' } },
  );
  assert.equal(stored().members.nodes[0].user.fullName, 'Ada Lovelace');
  console.log("changed the name: the stored organization's owner has it");

  const { errors } = await mutateOrFail(CREATE, { name: '' });
  assert.equal(errors[0].extensions.code, 'BAD_USER_INPUT');
  const [{ path, code, message }] = errors[0].extensions.fields;
  assert.deepEqual([path, code], ['input.name', 'TOO_SHORT']);
  console.log(`refused a name: ${message}`);

  const STEP_UP = graphql`
    mutation mainStepUpMutation($password: String!) {
      reauthenticate(input: { proof: { password: $password } }) { accessToken }
    }
  `;

  /** Sends a mutation, and sends it again with a recent proof if the server asks for one. */
  async function proven(mutation, variables) {
    const { data, errors } = await mutateOrFail(mutation, variables);
    if (!errors) return data;
    const { code, factors } = errors[0].extensions;
    // An application asks its user for one of the factors here.
    assert.equal(code, 'STEP_UP_REQUIRED');
    assert(factors.includes('PASSWORD'));
    token = (await mutate(STEP_UP, { password })).reauthenticate.accessToken;
    console.log('proved the password again');
    return mutate(mutation, variables);
  }

  await proven(
    graphql`
      mutation mainDeleteMutation($id: ID!, $connections: [ID!]!) {
        deleteOrganization(input: { id: $id }) { deletedOrganizationId @deleteEdge(connections: $connections) }
      }
    `,
    { id: ids[1], connections: [ConnectionHandler.getConnectionID('root', 'main_myOrganizations')] },
  );
  assert.deepEqual(names(), ['Alder', 'Cedar']);
  console.log('deleted an organization: the store has dropped its edge');

  await proven(
    graphql`
      mutation mainForgetMutation($id: ID!) {
        deleteOrganization(input: { id: $id }) { deletedOrganizationId @deleteRecord }
      }
    `,
    { id: ids[2] },
  );
  assert.equal(stored(), null);
  console.log('deleted another one: the store has dropped the record');

  await mutate(graphql`mutation mainSignOutMutation { logout { sessionId } }`);
  // Without `@catch` this query would give `me: null` and no error.
  const ME = graphql`query mainMeQuery { me @catch { username } }`;
  const { me } = await fetchQuery(environment, ME, {}).toPromise();
  assert.equal(me.ok, false);
  assert.deepEqual(me.errors[0].extensions, { code: 'UNAUTHENTICATED', reason: 'SESSION_ENDED' });
  console.log('signed out');
}

// A promise that never settles would end the program with 0.
process.exitCode = 1;
main().then(() => {
  process.exitCode = 0;
});
