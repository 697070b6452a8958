// urql 5. Its queries go by GET, which is its default.

import { useEffect, useState } from "react";
import { cacheExchange, Client, fetchExchange, gql, Provider, useMutation, useQuery } from "urql";
import { Organizations, session, show, type Organization } from "./shell";

const newClient = () => new Client({
  url: session.endpoint, fetch: session.fetch, preferGetMethod: true, exchanges: [cacheExchange, fetchExchange],
});

const LIST = gql<{ myOrganizations: { nodes: Organization[] } }>`
  query List { myOrganizations(first: 50) { nodes { id name } } }
`;
const CREATE = gql`mutation Create($name: String!) { createOrganization(input: { name: $name }) { organization { id name } } }`;
const DELETE = gql`mutation Delete($id: ID!) { deleteOrganization(input: { id: $id }) { deletedOrganizationId } }`;
// So that an empty list is asked for again, too.
const context = { additionalTypenames: ["Organization", "OrganizationConnection"] };

function App() {
  const [{ data }] = useQuery({ query: LIST, context });
  const [, create] = useMutation(CREATE);
  const [, remove] = useMutation(DELETE);
  // urql returns errors, and `session.run` finds them there.
  return (
    <Organizations
      organizations={data?.myOrganizations.nodes ?? []}
      create={(name) => create({ name }, context)}
      remove={(id) => remove({ id }, context)}
    />
  );
}

/** Nothing of one user is shown to the next: another user gets another client. */
function Root() {
  const [client, setClient] = useState(newClient);
  useEffect(() => session.subscribe(({ user }, before) => {
    if (before.user && user?.id !== before.user.id) setClient(newClient());
  }), []);
  return <Provider value={client}><App /></Provider>;
}

show(<Root />);
