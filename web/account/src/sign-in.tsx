// Signing in: by a password, a passkey or a provider; and what the server may want before the session begins.

import { autofillPasskey, passkeyObstacle, PortcullisError, signIn, signInWithPasskey, type SignInResult } from "@portcullis/client";
import { useSession } from "@portcullis/client/react";
import { Button, Failure, Form, icons, Link, navigate, Notice, PasswordField, plain, site, Submit, TextField, useAct } from "@portcullis/ui";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { Enrolling } from "./enrolling";
import { Frame, Heading } from "./frame";
import { ProveToSignIn } from "./proofs";
import { isCancelled, ProviderButtons } from "./providers";
import { session, useMe, useServer } from "./session";
import { MailedLink } from "./mailed";
import { words } from "./words";

/** Leads on after a sign-in: where the address asks for, if the server allows it, or to the account. */
export function goOn(returnTo: string | null = site.returnTo) {
  if (returnTo) location.assign(returnTo);
  else navigate("/account", { replace: true });
}

/** Where somebody goes on to, as they may know it. */
const placeOf = (url: string) => {
  const { host, protocol } = new URL(url);
  return host || protocol.slice(0, -1);
};

/**
 * Goes on with what a sign-in answered until the session has begun. `children` is the form that begins it, and gets what
 * to call with the answer.
 */
export function SignInSteps({ done, first = null, children }: {
  done: () => void; first?: SignInResult | null; children: (next: (result: SignInResult) => void) => ReactNode;
}) {
  const [result, setResult] = useState(first);
  const next = (result: SignInResult) => {
    if (result.__typename === "AuthPayload") done();
    else setResult(result);
  };
  const startAgain = () => setResult(null);
  switch (result?.__typename) {
    case "SecondFactorRequired":
      return <ProveToSignIn required={result} done={done} startAgain={startAgain} />;
    case "EnrollmentRequired":
      return <Enrolling required={result} done={done} startAgain={startAgain} />;
    case "VerificationRequired":
      return <MailedLink email={result.email} startAgain={startAgain} />;
    default:
      return children(next);
  }
}

/** The sign-in page, or what stands in the place of a page for users only. */
export function SignIn({ done }: { done: () => void }) {
  return <Frame><SignInSteps done={done}>{(next) => <SignInForm next={next} done={done} />}</SignInSteps></Frame>;
}

function SignInForm({ next, done }: { next: (result: SignInResult) => void; done: () => void }) {
  const { status, reason } = useSession();
  const { features } = useServer();
  const latest = useRef({ next, done });
  latest.current = { next, done };
  // In this tab or in another one.
  useEffect(() => {
    if (status === "user") latest.current.done();
  }, [status]);
  return (
    <>
      <Heading>{words.signIn}</Heading>
      {reason && reason !== "MISSING_TOKEN" && (
        <Notice>{reason === "SECOND_FACTOR_REQUIRED" ? words.factorNowRequired : words.sessionEnded}</Notice>
      )}
      <PasswordSignIn next={next} />
      {features.includes("OPEN_REGISTRATION") && site.isWhole && (
        <p>{words.noAccount} <Link to="/account/register">{words.createOne}</Link></p>
      )}
    </>
  );
}

/** The form for a password, with the other ways below it. */
export function PasswordSignIn({ next, identifier }: { next: (result: SignInResult) => void; identifier?: string }) {
  const { features } = useServer();
  const [failure, setFailure] = useState<unknown>(null);
  const latest = useRef(next);
  latest.current = next;
  const hasPasskeys = features.includes("PASSKEYS") && !passkeyObstacle();
  useEffect(() => {
    if (!hasPasskeys) return;
    const end = new AbortController();
    autofillPasskey(session, end.signal).then(
      (result) => result && latest.current(result),
      (thrown) => !end.signal.aborted && !isCancelled(thrown) && setFailure(thrown),
    );
    return () => end.abort();
  }, [hasPasskeys]);
  return (
    <>
      <Form submit={async ({ identifier, password }) => {
        setFailure(null);
        next(await signIn(session, { identifier: identifier!, password: password! }));
      }}>
        <TextField name="identifier" label={words.identifier} autoComplete="username webauthn" defaultValue={identifier} autoFocus {...plain} />
        <PasswordField label={words.password} autoComplete="current-password" />
        {features.includes("MAIL") && site.isWhole && <Link className="small rate" to="/account/recover">{words.forgotten}</Link>}
        <Submit wide>{words.signIn}</Submit>
      </Form>
      <OtherWays next={next} failure={failure} hasPasskeys={hasPasskeys} />
    </>
  );
}

function OtherWays({ next, failure, hasPasskeys }: { next: (result: SignInResult) => void; failure: unknown; hasPasskeys: boolean }) {
  const { providers } = useServer();
  const { isBusy, failure: own, act } = useAct();
  const problem = own ?? failure;
  if (!hasPasskeys && providers.length === 0) return null;
  return (
    <>
      <p className="or">{words.or}</p>
      <div className="stack-tight">
        {hasPasskeys && (
          <Button wide isBusy={isBusy} onClick={() => act(async () => next(await signInWithPasskey(session)))}>
            <icons.Passkey />{words.withPasskey}
          </Button>
        )}
        <ProviderButtons />
        <Failure failure={problem}>{isCancelled(problem) ? <p>{words.noPasskeyUsed}</p> : undefined}</Failure>
      </div>
    </>
  );
}

/** The page of the address itself. A user chooses whether to go on as who they are. */
export function SignInPage() {
  const { status } = useSession();
  const [wasUser, setWasUser] = useState(status === "user");
  const isGoing = useRef(false);
  const done = () => {
    if (isGoing.current) return;
    isGoing.current = true;
    goOn();
  };
  if (wasUser && status === "user") return <SignedInAlready other={() => setWasUser(false)} />;
  return <SignIn done={done} />;
}

function SignedInAlready({ other }: { other: () => void }) {
  const { username, email } = useMe();
  const { isBusy, failure, act } = useAct();
  return (
    <Frame>
      <Heading>{words.signedInAlready}</Heading>
      <p>{words.youAre(username, email)}</p>
      <Failure failure={failure} />
      <Button main wide onClick={() => goOn()}>{site.returnTo ? words.goOnTo(placeOf(site.returnTo)) : words.toAccount}</Button>
      <Button wide isBusy={isBusy} onClick={() => act(async () => {
        await session.signOut();
        other();
      })}>{words.useAnother}</Button>
    </Frame>
  );
}

/** Whether a refusal says that an account with this address is there already. */
export const isAccountExisting = (failure: unknown) => failure instanceof PortcullisError && failure.reason === "ACCOUNT_EXISTS";
