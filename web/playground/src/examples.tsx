// The Examples panel: a ready document for every operation.

import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useMemo, useState } from "react";
import { examples } from "./documents.mjs";
import { audience } from "./rules.mjs";
import { useSdl } from "./sdl";
import { useSession } from "./session";
import { Ways, type Opened } from "./ways";

type Example = ReturnType<typeof examples>[number];

function Content() {
  const sdl = useSdl();
  const { user } = useSession();
  const { addTab } = useGraphiQLActions();
  const { queryEditor, variableEditor } = useGraphiQL(({ queryEditor, variableEditor }) => ({ queryEditor, variableEditor }));
  const [wanted, setWanted] = useState("");
  const [opened, setOpened] = useState<{ of: Example; as: Opened } | null>(null);
  const all = useMemo(() => (sdl ? examples(sdl) : []), [sdl]);
  const shown = all.filter(({ name, group }) => `${group} ${name}`.toLowerCase().includes(wanted.toLowerCase()));
  const groups = [...new Set(shown.map(({ group }) => group))];

  const open = (of: Example) => {
    const { operation, query, variables, rule } = of;
    // What reads somebody may read you. What shuts or deletes somebody names nobody until you do.
    const isReading = operation === "query" && "id" in variables;
    const own = isReading && user ? { ...variables, id: user.id } : variables;
    setOpened({ of, as: { operation, query, variables: own, isPublic: rule?.isPublic ?? false } });
    addTab();
    queryEditor?.setValue(query);
    variableEditor?.setValue(Object.keys(own).length > 0 ? JSON.stringify(own, null, 2) : "");
  };
  return (
    <section className="pc-panel" aria-label="Examples">
      <h2>Examples</h2>
      {sdl === null && <p>This server does not show its schema, so this panel has no examples.</p>}
      {sdl && <input type="search" className="pc-search" placeholder="Filter" aria-label="Filter examples"
        value={wanted} onChange={(event) => setWanted(event.target.value)} />}
      {groups.map((group) => (
        <section key={group}>
          <h3>{group}</h3>
          <ul className="pc-examples">
            {shown.filter((example) => example.group === group).map((example) => (
              <li key={example.name}>
                <button className="pc-example" onClick={() => open(example)} data-example={example.name}>
                  <span>{example.name}</span>
                  <span className="pc-who">
                    {example.rule && audience(example.rule)}{example.rule?.freshSeconds ? ", recent sign-in" : ""}
                  </span>
                </button>
                {opened?.of === example && <Ways example={opened.as} />}
              </li>
            ))}
          </ul>
        </section>
      ))}
    </section>
  );
}

const Icon = () => (
  <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.6" aria-hidden="true">
    <path d="M5 3h10l4 4v14H5zM15 3v4h4M9 12h6M9 16h6" />
  </svg>
);

export const EXAMPLES = { title: "Examples", icon: Icon, content: Content };
