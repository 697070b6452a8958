// The other providers by which the user signs in.

import { PortcullisError } from "@portcullis/client";
import { Button, Card, Dialog, Empty, Failure, icons, Link, Time, useAct } from "@portcullis/ui";
import { useState } from "react";
import { Heading } from "./frame";
import { ProviderButtons } from "./providers";
import { change, useMe, useServer, type Identity } from "./session";
import { words } from "./words";

const UNLINK = "mutation($input:UnlinkIdentityInput!){unlinkIdentity(input:$input){deletedIdentityId}}";

export function Identities() {
  const { identities } = useMe();
  const { providers } = useServer();
  const [unlinking, unlink] = useState<Identity | null>(null);
  const linked = new Set(identities.map(({ provider }) => provider?.id));
  const open = providers.filter(({ id }) => !linked.has(id));
  return (
    <>
      <Heading>{words.sections.identities}</Heading>
      <p className="quiet">{words.identitiesWhat}</p>
      <Card>
        {identities.length === 0 ? <Empty><p>{providers.length > 0 ? words.noIdentities : words.noProviders}</p></Empty> : (
          <ul className="list">
            {identities.map((identity) => (
              <li key={identity.id}>
                <div className="what with-icon">
                  <icons.Chain />
                  <div>
                    <p><strong>{identity.provider?.name ?? words.formerProvider}</strong></p>
                    <p className="small quiet">{identity.email && `${identity.email} · `}{words.lastUsed} <Time at={identity.lastUsedAt} /></p>
                  </div>
                </div>
                <Button small danger onClick={() => unlink(identity)} aria-label={words.unlinkNamed(identity.provider?.name ?? words.formerProvider)}>{words.unlink}</Button>
              </li>
            ))}
          </ul>
        )}
      </Card>
      {open.length > 0 && (
        <Card title={words.linkMore} about={words.linkMoreWhy}>
          <div className="stack-tight"><ProviderButtons purpose="Link" only={({ id }) => !linked.has(id)} /></div>
        </Card>
      )}
      {unlinking && <Unlink identity={unlinking} close={() => unlink(null)} />}
    </>
  );
}

function Unlink({ identity, close }: { identity: Identity; close: () => void }) {
  const { isBusy, failure, act } = useAct();
  const isLast = failure instanceof PortcullisError && failure.reason === "LAST_WAY_IN";
  return (
    <Dialog title={words.unlink} about={words.unlinkWhy(identity.provider?.name ?? words.formerProvider)} close={close}>
      <Failure failure={failure}>
        {isLast ? <><p>{words.lastWayIn}</p><Link to="/account/password" onClick={close}>{words.setPassword}</Link></> : undefined}
      </Failure>
      <div className="row">
        {!isLast && (
          <Button main danger isBusy={isBusy} onClick={() => act(async () => {
            await change(UNLINK, { id: identity.id });
            close();
          })}>{words.unlink}</Button>
        )}
        <Button quiet onClick={close}>{words.cancel}</Button>
      </div>
    </Dialog>
  );
}
