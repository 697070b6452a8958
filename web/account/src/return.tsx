// Where providers send people back to: it goes on with what they left for.

import { finishProvider, ProviderError, type SignInResult } from "@portcullis/client";
import { useSession } from "@portcullis/client/react";
import { ButtonLink, Failure, navigate, Skeleton, useAct } from "@portcullis/ui";
import { useEffect, useRef, useState } from "react";
import { providerSentence } from "./finish-registration";
import { Frame, Heading } from "./frame";
import type { Left } from "./providers";
import { session } from "./session";
import { goOn, isAccountExisting, SignInSteps } from "./sign-in";
import { words } from "./words";

export function ComeBack() {
  const { status } = useSession();
  const [unfinished, setUnfinished] = useState<SignInResult | null>(null);
  const [place, setPlace] = useState<Left | null>(null);
  const { failure, act } = useAct();
  const isAsked = useRef(false);
  const on = (left: Left | null) => {
    const isPage = left?.path.startsWith("/account/") && !/^\/account\/(sign-in|register|return)/.test(left.path);
    if (left?.returnTo || !isPage) goOn(left?.returnTo ?? null);
    else navigate(left!.path, { replace: true });
  };
  useEffect(() => {
    if (isAsked.current) return;
    isAsked.current = true;
    void act(async () => {
      try {
        const back = await finishProvider(session);
        const left = (back?.state ?? null) as Left | null;
        setPlace(left);
        if (back?.purpose === "Link") await session.load();
        if (!back?.result || back.result.__typename === "AuthPayload") on(left);
        else setUnfinished(back.result);
      } catch (failure) {
        if (failure instanceof ProviderError) setPlace(failure.state as Left | null);
        throw failure;
      }
    });
  }, []);
  if (failure) {
    const to = status === "user" ? place?.path ?? "/account" : "/account/sign-in";
    return (
      <Frame>
        <Heading>{words.providerNot}</Heading>
        <Failure failure={failure}>{providerSentence(failure) ?? (isAccountExisting(failure) ? <p>{words.accountExists}</p> : undefined)}</Failure>
        <ButtonLink main wide to={to}>{status === "user" ? words.goBack : words.toSignIn}</ButtonLink>
      </Frame>
    );
  }
  if (unfinished) {
    return <Frame><SignInSteps first={unfinished} done={() => on(place)}>{() => <ButtonLink main wide to="/account/sign-in">{words.toSignIn}</ButtonLink>}</SignInSteps></Frame>;
  }
  return <Frame isLoading><Skeleton lines={4} /></Frame>;
}
