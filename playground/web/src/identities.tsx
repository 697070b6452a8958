// Who somebody is to other providers.

import { useRef, useState } from "react";
import { call, saidOf } from "./api";
import { leave, type Purpose } from "./flow";
import * as session from "./session";

/** A button for each provider, which leads there. */
export function Providers({ purpose, verb, providers }: { purpose: Purpose; verb: string; providers: session.Provider[] }) {
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
            {verb} {provider.name}
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
  const [failure, setFailure] = useState<string | null>(null);
  const title = useRef<HTMLHeadingElement>(null);
  const unlink = async (identity: session.Identity) => {
    session.tell(null);
    const query = "mutation($id: ID!) { unlinkIdentity(input: { id: $id }) { deletedIdentityId } }";
    const answer = await call(query, { id: identity.id });
    session.learnFrom(answer, () => void unlink(identity));
    setFailure(saidOf(answer));
    if (answer.errors) return;
    await session.ask();
    session.tell({ text: `${nameOf(identity)} is unlinked, and no longer opens your account.`, isFailure: false });
    // The button is gone with the identity.
    title.current?.focus();
  };
  if (providers.length === 0 && identities.length === 0) return null;
  return (
    <section aria-labelledby="pc-identities">
      <h3 id="pc-identities" ref={title} tabIndex={-1}>Other ways to sign in</h3>
      <ul className="pc-identities">
        {identities.map((identity) => (
          <li key={identity.id}>
            <div>
              <strong>{nameOf(identity)}</strong>
              {identity.email && <span className="pc-quiet">{identity.email}</span>}
              <span className="pc-quiet">Last used on {dateOf(identity.lastUsedAt)}</span>
            </div>
            <button className="pc-button" aria-label={`Unlink ${nameOf(identity)} ${identity.email ?? ""}`.trim()}
              onClick={() => void unlink(identity)}>Unlink</button>
          </li>
        ))}
      </ul>
      <Providers purpose="Link" verb="Link" providers={providers} />
      {failure && <p className="pc-failure" role="alert">{failure}</p>}
    </section>
  );
}

const nameOf = ({ provider }: session.Identity) => provider?.name ?? "A provider that is not used any more";
const dateOf = (time: string) => new Date(time).toLocaleDateString("en", { dateStyle: "medium" });
