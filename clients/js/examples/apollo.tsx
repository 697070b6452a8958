// Apollo Client 4.

import { ApolloClient, gql, HttpLink, InMemoryCache, type TypedDocumentNode } from "@apollo/client";
import { ApolloProvider, useMutation, useQuery } from "@apollo/client/react";
import { Organizations, session, show, type Organization } from "./shell";

const client = new ApolloClient({
  cache: new InMemoryCache(),
  link: new HttpLink({ uri: session.endpoint, fetch: session.fetch }),
});
// Nothing of one user is shown to the next.
session.subscribe(({ user }, before) => {
  if (before.user && user?.id !== before.user.id) void client.clearStore();
});

const LIST: TypedDocumentNode<{ myOrganizations: { nodes: Organization[] } }> = gql`
  query List { myOrganizations(first: 50) { nodes { id name } } }
`;
const CREATE = gql`mutation Create($name: String!) { createOrganization(input: { name: $name }) { organization { id name } } }`;
const DELETE = gql`mutation Delete($id: ID!) { deleteOrganization(input: { id: $id }) { deletedOrganizationId } }`;

function App() {
  const { data } = useQuery(LIST);
  const [create] = useMutation(CREATE, { refetchQueries: [LIST], awaitRefetchQueries: true });
  const [remove] = useMutation(DELETE, { refetchQueries: [LIST], awaitRefetchQueries: true });
  return (
    <Organizations
      organizations={data?.myOrganizations.nodes ?? []}
      create={(name) => create({ variables: { name } })}
      remove={(id) => remove({ variables: { id } })}
    />
  );
}

show(<ApolloProvider client={client}><App /></ApolloProvider>);
