// The link that finishes a registration with a provider: its reader signs in there once more.

import { finishProvider, PortcullisError, ProviderError, startProvider, type SignInResult } from "@portcullis/client";
import { Button, Failure, href, icons, site, Skeleton, useAct } from "@portcullis/ui";
import { useEffect, useState } from "react";
import { Frame, Heading } from "./frame";
import { session, useServer } from "./session";
import { goOn, SignInSteps } from "./sign-in";
import { Onward, tokenOfLink } from "./token";
import { words } from "./words";

export function FinishRegistration() {
  const { providers } = useServer();
  // Whoever comes back has no token in the address: the flow has kept it.
  const [token, setToken] = useState(tokenOfLink);
  const [returned, setReturned] = useState<SignInResult | "done" | null>(null);
  const [isLooking, setLooking] = useState(true);
  const { isBusy, failure, act, setFailure } = useAct();
  const done = async () => {
    if (site.isWhole) return goOn();
    // Nobody uses a session that began here.
    await session.signOut();
    setReturned("done");
  };
  useEffect(() => {
    void act(async () => {
      try {
        const back = await finishProvider(session);
        if (back?.result?.__typename === "AuthPayload") await done();
        else if (back?.result) setReturned(back.result);
      } catch (failure) {
        if (failure instanceof ProviderError) setToken((failure.state as { token?: string } | null)?.token ?? null);
        throw failure;
      } finally {
        setLooking(false);
      }
    });
  }, []);
  if (isLooking) return <Frame isLoading><Skeleton /></Frame>;
  if (returned === "done") return <Frame><Heading>{words.accountReady}</Heading><p>{words.accountReadyWhy}</p><Onward main /></Frame>;
  if (returned) return <Frame><SignInSteps first={returned} done={() => void done()}>{() => <Onward main />}</SignInSteps></Frame>;
  const isGone = failure instanceof PortcullisError && failure.code === "INVALID_TOKEN";
  return (
    <Frame>
      <Heading>{token ? words.finish : words.linkGone}</Heading>
      <p>{token ? words.finishHow : words.finishGone}</p>
      <Failure failure={failure}>{providerSentence(failure) ?? (isGone ? <p>{words.finishElsewhere}</p> : undefined)}</Failure>
      {token && providers.map(({ id, name }) => (
        <Button key={id} wide isBusy={isBusy} onClick={() => act(async () => {
          setFailure(null);
          const returnTo = location.origin + href("/account/finish-registration");
          await startProvider(session, { providerId: id, returnTo, verificationToken: token, state: { token } });
        })}><icons.Chain />{words.continueWith(name)}</Button>
      ))}
      {!token && <Onward />}
    </Frame>
  );
}

/** What a provider's own error means. */
export function providerSentence(failure: unknown) {
  if (!(failure instanceof ProviderError)) return undefined;
  const said = { access_denied: words.providerDeclined, flow_missing: words.providerElsewhere }[failure.error];
  return <p>{said ?? words.providerFailed}</p>;
}
