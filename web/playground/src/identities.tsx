// Who somebody is to other providers.

import { useRef, useState } from "react";
import { call } from "./api";
import { leave, type Purpose } from "./flow";
import { useOperation } from "./operation";
import * as session from "./session";
import { dateOf, words } from "./words";

/** A button for each provider, which leads there. */
export function Providers({ purpose, verb, providers }: {
  purpose: Purpose; verb: (provider: string) => string; providers: session.Provider[];
}) {
  const [failure, setFailure] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const go = async (provider: session.Provider) => {
    setBusy(true);
    setFailure(await leave(purpose, provider));
    setBusy(false);
  };
  if (providers.length === 0) return null;
  return (
    <>
      <div className={purpose === "Link" ? "pc-row" : "pc-column"}>
        {providers.map((provider) => (
          <button key={provider.id} className="pc-button" disabled={isBusy} onClick={() => void go(provider)}>
            {verb(provider.name)}
          </button>
        ))}
      </div>
      {failure && <p className="pc-failure" role="alert">{failure}</p>}
    </>
  );
}

/** The identities that open the user's account beside a password. */
export function Identities({ user: { identities } }: { user: session.User }) {
  const { providers } = session.useSession();
  const { failure, isBusy, run } = useOperation();
  const title = useRef<HTMLHeadingElement>(null);
  const unlink = (identity: session.Identity) => {
    void run(() => call("unlinkIdentity", { id: identity.id }), async () => {
      await session.ask();
      session.say(words.unlinked(nameOf(identity)));
      // The button is gone with the identity.
      title.current?.focus();
    });
  };
  if (providers.length === 0 && identities.length === 0) return null;
  return (
    <section aria-labelledby="pc-identities">
      <h3 id="pc-identities" ref={title} tabIndex={-1}>{words.identities}</h3>
      <ul className="pc-identities">
        {identities.map((identity) => (
          <li key={identity.id}>
            <div>
              <strong>{nameOf(identity)}</strong>
              {identity.email && <span className="pc-quiet">{identity.email}</span>}
              <span className="pc-quiet">{words.lastUsed(dateOf(identity.lastUsedAt))}</span>
            </div>
            <button className="pc-button" aria-label={words.unlinkOf(`${nameOf(identity)} ${identity.email ?? ""}`.trim())}
              disabled={isBusy} onClick={() => unlink(identity)}>{words.unlink}</button>
          </li>
        ))}
      </ul>
      <Providers purpose="Link" verb={words.link} providers={providers} />
      {failure && <p className="pc-failure" role="alert">{failure}</p>}
    </section>
  );
}

const nameOf = ({ provider }: session.Identity) => provider?.name ?? words.formerProvider;
