// Apollo Client in a page of another origin than the server's. The session is a cookie that no script can read, and the server
// names the page's origin in ALLOWED_ORIGINS. `?server=URL` says where the server is.
import { ApolloClient, CombinedGraphQLErrors, gql, HttpLink, InMemoryCache } from '@apollo/client';

const client = new ApolloClient({
  cache: new InMemoryCache(),
  link: new HttpLink({
    uri: new URLSearchParams(location.search).get('server'),
    // The browser sends the cookie, also to another origin.
    credentials: 'include',
    headers: { 'Portcullis-Token-Mode': 'cookie' },
  }),
});

const say = (text) => document.body.append(Object.assign(document.createElement('p'), { textContent: text }));
const mutate = async (mutation, variables) => (await client.mutate({ mutation, variables })).data;
const username = `user-${crypto.randomUUID().slice(0, 12)}`;
const password = crypto.randomUUID();

const LIST = gql`query List { myOrganizations(first: 10) { nodes { id name } } }`;
const list = async (fetchPolicy) => {
  const { data } = await client.query({ query: LIST, fetchPolicy });
  return data.myOrganizations.nodes.map(({ name }) => name).join(', ');
};

async function run() {
  await mutate(gql`mutation Register($input: RegisterInput!) { register(input: $input) { __typename } }`, {
    input: { username, email: `${username}@example.com`, password },
  });
  const { login } = await mutate(
    gql`
      mutation Login($input: LoginInput!) { login(input: $input) { ... on AuthPayload { accessToken user { username } } } }
    `,
    { input: { identifier: username, password } },
  );
  say(`signed in, and the page sees ${login.accessToken ?? 'no token'} and ${document.cookie || 'no cookie'}`);

  const { createOrganization } = await mutate(
    gql`mutation Create($name: String!) { createOrganization(input: { name: $name }) { organization { id name } } }`,
    { name: 'Ash' },
  );
  say(`listed ${await list('network-only')}`);
  await mutate(
    gql`
      mutation Rename($input: UpdateOrganizationInput!) { updateOrganization(input: $input) { organization { id name } } }
    `,
    { input: { id: createOrganization.organization.id, name: 'Alder' } },
  );
  say(`renamed, and the cache has ${await list('cache-only')}`);

  await mutate(gql`mutation SignOut { logout { sessionId } }`);
  await client.clearStore();
  const ended = await list('network-only').catch((error) => error);
  say(CombinedGraphQLErrors.is(ended) ? `signed out: ${ended.errors[0].extensions.code}` : `not signed out: ${ended}`);
}

run().catch((error) => say(`failed: ${error.message}`));
