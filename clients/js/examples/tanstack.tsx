// TanStack Query, with graphql-request.

import { QueryClient, QueryClientProvider, useMutation, useQuery } from "@tanstack/react-query";
import { gql, GraphQLClient } from "graphql-request";
import { Organizations, session, show, type Organization } from "./shell";

const graphql = new GraphQLClient(session.endpoint, { fetch: session.fetch });
const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
// Nothing of one user is shown to the next.
session.subscribe(({ user }, before) => {
  if (before.user && user?.id !== before.user.id) queries.clear();
});

const LIST = gql`query List { myOrganizations(first: 50) { nodes { id name } } }`;
const CREATE = gql`mutation Create($name: String!) { createOrganization(input: { name: $name }) { organization { id name } } }`;
const DELETE = gql`mutation Delete($id: ID!) { deleteOrganization(input: { id: $id }) { deletedOrganizationId } }`;

function App() {
  const queryKey = ["organizations"];
  const { data } = useQuery({
    queryKey, queryFn: () => graphql.request<{ myOrganizations: { nodes: Organization[] } }>(LIST),
  });
  const onSuccess = () => queries.invalidateQueries({ queryKey });
  const create = useMutation({ mutationFn: (name: string) => graphql.request(CREATE, { name }), onSuccess });
  const remove = useMutation({ mutationFn: (id: string) => graphql.request(DELETE, { id }), onSuccess });
  return (
    <Organizations
      organizations={data?.myOrganizations.nodes ?? []}
      create={(name) => create.mutateAsync(name)}
      remove={(id) => remove.mutateAsync(id)}
    />
  );
}

show(<QueryClientProvider client={queries}><App /></QueryClientProvider>);
