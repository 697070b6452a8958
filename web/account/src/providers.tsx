// Buttons that lead to other providers.

import { startProvider, type ProviderPurpose } from "@portcullis/client";
import { Button, Failure, href, icons, site, useAct } from "@portcullis/ui";
import { useState } from "react";
import { session, useServer } from "./session";
import { words } from "./words";

/** What a page wants to know when its user comes back from a provider. */
export interface Left {
  /** The path that the user left. */
  path: string;
  returnTo: string | null;
}

export const left = (): Left => ({ path: location.pathname.slice(site.path.length), returnTo: site.returnTo });

/** Whether a browser's dialog was closed, or found nothing. */
export const isCancelled = (thrown: unknown) => thrown instanceof DOMException && thrown.name === "NotAllowedError";

/** Goes to a provider, which sends the user back to the page that finishes it. */
export const leave = (providerId: string, purpose: ProviderPurpose = "SignIn") =>
  startProvider(session, { purpose, providerId, returnTo: location.origin + href("/account/return"), state: left() });

export function ProviderButtons({ purpose = "SignIn", only }: { purpose?: ProviderPurpose; only?: (provider: { id: string; canReauthenticate: boolean }) => boolean }) {
  const { providers } = useServer();
  const { isBusy, failure, act } = useAct();
  const [chosen, setChosen] = useState("");
  return (
    <>
      {providers.filter((provider) => only?.(provider) ?? true).map(({ id, name }) => (
        <Button key={id} wide isBusy={isBusy && chosen === id} onClick={() => {
          setChosen(id);
          void act(() => session.run(() => leave(id, purpose)));
        }}><icons.Chain />{words.continueWith(name)}</Button>
      ))}
      <Failure failure={failure} />
    </>
  );
}
