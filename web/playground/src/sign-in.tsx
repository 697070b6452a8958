// How a guest signs in, and what may be asked for before they are.

import { useEffect, useId, useState } from "react";
import { call, saidOf, type Answer } from "./api";
import { Enrollment } from "./enrolling";
import { Form, Input } from "./form";
import { Providers } from "./identities";
import * as passkey from "./passkey";
import { Heading, Obstacle, Proofs } from "./proofs";
import * as session from "./session";
import { words } from "./words";

/** Sends what may sign somebody in, and goes on from its answer. */
async function signIn<Name extends "login" | "register">(name: Name, variables: object) {
  const answer = await call<Record<Name, session.LoginResult | null>>(name, variables);
  await session.enter(answer.data?.[name]);
  return answer;
}

/** Adds a passkey after a sign-in with a password alone, if the account has none and the browser makes one. */
async function upgrade() {
  const { user, features } = session.current();
  if (!user || user.passkeys.length > 0 || passkey.obstacle(features)) return;
  const registered = (await passkey.upgrade())?.data?.finishPasskeyRegistration;
  if (!registered) return;
  await session.ask();
  session.say(words.passkeyMade(registered.passkey.name));
}

function SignIn() {
  const send = async (input: Record<string, string>) => {
    const answer = await signIn("login", { input });
    // Nobody waits for it, or for a browser that never answers.
    if (answer.data?.login?.__typename === "AuthPayload") void upgrade();
    return answer;
  };
  return (
    <Form title={words.signIn} button={words.signIn} send={send}>
      {(failureOf) => <>
        <Input label={words.identifier} name="identifier" autoComplete="username webauthn" required failure={failureOf("identifier")} />
        <Input label={words.password} name="password" type="password" autoComplete="current-password" required failure={failureOf("password")} />
      </>}
    </Form>
  );
}

function Register() {
  const [mailedTo, setMailedTo] = useState<string | null>(null);
  const send = async ({ fullName, ...rest }: Record<string, string>) => {
    const input = { ...rest, fullName: fullName || null };
    const answer = await signIn("register", { input });
    const result = answer.data?.register;
    setMailedTo(result?.__typename === "VerificationRequired" ? result.email : null);
    return answer;
  };
  if (mailedTo) return <p role="status">{words.mailed(mailedTo)}</p>;
  return (
    <Form title={words.register} button={words.create} send={send}>
      {(failureOf) => <>
        <Input label={words.username} name="username" autoComplete="username" required failure={failureOf("username")} />
        <Input label={words.email} name="email" autoComplete="email" required failure={failureOf("email")} />
        <Input label={words.password} name="password" type="password" autoComplete="new-password" required failure={failureOf("password")} />
        <Input label={words.fullName} name="fullName" autoComplete="name" failure={failureOf("fullName")} />
      </>}
    </Form>
  );
}

/** Signs in with a passkey: by its button, or from what the browser offers where a username is typed. */
function ByPasskey() {
  const [failure, setFailure] = useState<string | null>(null);
  const [isAsked, setAsked] = useState(false);
  const [refusals, setRefusals] = useState(0);
  const conclude = async (answer: Answer<passkey.SignedIn>) => {
    setFailure(saidOf(answer));
    await session.enter(answer.data?.finishPasskeySignIn);
  };
  // The browser serves one request at a time, so the dialogue takes the place of what it offers.
  useEffect(() => {
    if (isAsked) return void passkey.signIn().then(conclude).finally(() => setAsked(false));
    const end = new AbortController();
    void passkey.autofill(end.signal).then(async (answer) => {
      if (answer) await conclude(answer);
      if (answer?.errors) setRefusals(refusals + 1);
    });
    return () => end.abort();
  }, [isAsked, refusals]);
  return (
    <>
      <button className="pc-button" disabled={isAsked} onClick={() => setAsked(true)}>{words.signInByPasskey}</button>
      {failure && <p className="pc-failure" role="alert">{failure}</p>}
    </>
  );
}

/** What a sign-in waits for, as long as it does. */
function Unfinished({ unfinished }: { unfinished: session.Unfinished }) {
  const id = useId();
  useEffect(() => {
    const timer = setTimeout(() => session.abandon(words.tookTooLong), unfinished.expiresIn * 1000);
    return () => clearTimeout(timer);
  }, [unfinished]);
  return (
    <>
      {unfinished.__typename === "EnrollmentRequired"
        ? <Enrollment enrolling={unfinished} />
        : <section aria-labelledby={id}>
          <Heading id={id}>{words.oneMore}</Heading>
          <p>{words.oneMoreWhy}</p>
          <Proofs factors={unfinished.factors} challenge={unfinished.challenge}
            send={(proof) => session.complete(unfinished.challenge, proof)} />
        </section>}
      <button className="pc-button" onClick={() => session.abandon()}>{words.startAgain}</button>
    </>
  );
}

export function Guest() {
  const { features, over, providers, unfinished } = session.useSession();
  const [isNew, setNew] = useState(false);
  const hasPasskeys = !passkey.obstacle(features);
  if (unfinished) return <Unfinished unfinished={unfinished} />;
  return (
    <>
      {over && <p className="pc-failure" role="alert">{over}</p>}
      <p>{words.guest}</p>
      <div className="pc-tabs" role="group" aria-label={words.whatToDo}>
        <button className="pc-button" aria-pressed={!isNew} onClick={() => setNew(false)}>{words.signIn}</button>
        <button className="pc-button" aria-pressed={isNew} onClick={() => setNew(true)}>{words.register}</button>
      </div>
      {isNew ? <Register /> : <SignIn />}
      {(hasPasskeys && !isNew || providers.length > 0) && <p className="pc-quiet pc-or">{words.otherwise}</p>}
      {hasPasskeys ? !isNew && <ByPasskey /> : <Obstacle />}
      <Providers purpose="SignIn" verb={words.continueWith} providers={providers} />
    </>
  );
}
