// Relay. Its compiler and its plugin for Babel make modules of the documents.

import { Suspense, useState } from "react";
import { graphql, RelayEnvironmentProvider, useLazyLoadQuery } from "react-relay";
import { commitMutation, Environment, Network, RecordSource, Store, type GraphQLTaggedNode } from "relay-runtime";
import { useSession } from "@portcullis/client/react";
import type { relayListQuery } from "./__generated__/relayListQuery.graphql";
import { Organizations, session, show } from "./shell";

const newEnvironment = () => new Environment({
  store: new Store(new RecordSource()),
  network: Network.create(async ({ text }, variables) => {
    const response = await session.fetch(session.endpoint, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ query: text, variables }),
    });
    return response.json();
  }),
});

/** Relay gives the errors of fields beside the data: here a refusal is thrown. */
const mutate = (environment: Environment, mutation: GraphQLTaggedNode, variables: Record<string, unknown>) =>
  new Promise((resolve, reject) => {
    commitMutation(environment, {
      mutation, variables, onError: reject,
      onCompleted: (data, errors) => (errors ? reject({ errors }) : resolve(data)),
    });
  });

function App({ environment }: { environment: Environment }) {
  const [fetchKey, setFetchKey] = useState(0);
  const { myOrganizations } = useLazyLoadQuery<relayListQuery>(
    graphql`query relayListQuery { myOrganizations(first: 50) { nodes { id name } } }`,
    {}, { fetchKey, fetchPolicy: "store-and-network" },
  );
  const change = async (mutation: GraphQLTaggedNode, variables: Record<string, unknown>) => {
    await mutate(environment, mutation, variables);
    setFetchKey((key) => key + 1);
  };
  return (
    <Organizations
      organizations={myOrganizations?.nodes ?? []}
      create={(name) => change(
        graphql`mutation relayCreateMutation($name: String!) { createOrganization(input: { name: $name }) { organization { id name } } }`,
        { name })}
      remove={(id) => change(
        graphql`mutation relayDeleteMutation($id: ID!) { deleteOrganization(input: { id: $id }) { deletedOrganizationId } }`,
        { id })}
    />
  );
}

/** Nothing of one user is shown to the next: another user gets another environment. */
function Root() {
  const { user } = useSession();
  return <ForUser key={user?.id} />;
}

function ForUser() {
  const [environment] = useState(newEnvironment);
  return (
    <RelayEnvironmentProvider environment={environment}>
      <Suspense fallback={<p>…</p>}><App environment={environment} /></Suspense>
    </RelayEnvironmentProvider>
  );
}

show(<Root />);
