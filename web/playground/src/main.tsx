import "graphiql/setup-workers/vite";
import "@portcullis/ui/tokens.css";
// Not graphiql/style.css, which repeats the editor's and holds fonts as data.
import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "graphiql/graphiql.css";
import "./style.css";

import { GraphiQL, HISTORY_PLUGIN } from "graphiql";
import { useMemo } from "react";
import { createRoot } from "react-dom/client";
import { ACCOUNT } from "./account";
import { EXAMPLES } from "./examples";
import { newFetcher } from "./fetcher";
import { comeBack } from "./flow";
import { POLICY } from "./policy";
import { useCaller } from "./session";
import { storage } from "./storage";

// A new array would close the open panel.
const plugins = [ACCOUNT, EXAMPLES, POLICY, HISTORY_PLUGIN];

// The first has no variables: GraphiQL shows none in a first tab.
const defaultTabs = [
  {
    query: "# Who am I? Sign in with the Account panel,\n# then press Ctrl+Enter here.\nquery WhoAmI {\n  me {\n    id\n    username\n    email\n    role\n  }\n}\n",
  },
  {
    query: "# Lists all users. This needs the permission USERS_READ, which admins have.\nquery AllUsers($first: Int!) {\n  users(first: $first) {\n    totalCount\n    edges {\n      node {\n        username\n        role\n      }\n    }\n  }\n}\n",
    variables: '{\n  "first": 10\n}',
  },
];

const firstPlugin = innerWidth >= 900 ? ACCOUNT : undefined;

function Page() {
  const caller = useCaller();
  // GraphiQL reads the schema again for a new fetcher: the server may list to each caller their own.
  const fetcher = useMemo(newFetcher, [caller]);
  return (
    <GraphiQL fetcher={fetcher} plugins={plugins} visiblePlugin={firstPlugin}
      storage={storage} defaultTabs={defaultTabs} shouldPersistHeaders={false}
      defaultEditorToolsVisibility="variables" schemaDescription inputValueDeprecation>
      <GraphiQL.Logo>Portcullis</GraphiQL.Logo>
    </GraphiQL>
  );
}

// So that the schema is read once, for who is signed in.
void comeBack().then(() => createRoot(document.getElementById("root")!).render(<Page />));
