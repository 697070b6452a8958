// The Account panel: who is signed in, and where this tab acts.

import { useId, useState } from "react";
import { call, saidOf } from "./api";
import { Copy } from "./copy";
import { Form, Input } from "./form";
import { Identities, Providers } from "./identities";
import * as session from "./session";

/** Sends what may sign somebody in, and shows who that is. */
async function signIn<T>(query: string, variables: object) {
  const answer = await call<T>(query, variables);
  if (!answer.errors) await session.ask();
  return answer;
}

function SignIn() {
  const query = "mutation($input: LoginInput!) { login(input: $input) { __typename } }";
  return (
    <Form title="Sign in" button="Sign in" send={(input) => signIn(query, { input })}>
      {(failureOf) => <>
        <Input label="Username or e-mail" name="identifier" autoComplete="username" required failure={failureOf("identifier")} />
        <Input label="Password" name="password" type="password" autoComplete="current-password" required failure={failureOf("password")} />
      </>}
    </Form>
  );
}

function Register() {
  const [mailedTo, setMailedTo] = useState<string | null>(null);
  const query = "mutation($input: RegisterInput!) { register(input: $input) { ... on VerificationRequired { email } } }";
  const send = async ({ fullName, ...rest }: Record<string, string>) => {
    const input = { ...rest, fullName: fullName || null };
    const answer = await signIn<{ register: { email?: string } | null }>(query, { input });
    setMailedTo(answer.data?.register?.email ?? null);
    return answer;
  };
  if (mailedTo) return <p role="status">A mail is on its way to {mailedTo}. Its link makes the account.</p>;
  return (
    <Form title="Create an account" button="Create account" send={send}>
      {(failureOf) => <>
        <Input label="Username" name="username" autoComplete="username" required failure={failureOf("username")} />
        <Input label="E-mail" name="email" autoComplete="email" required failure={failureOf("email")} />
        <Input label="Password" name="password" type="password" autoComplete="new-password" required failure={failureOf("password")} />
        <Input label="Full name (optional)" name="fullName" autoComplete="name" failure={failureOf("fullName")} />
      </>}
    </Form>
  );
}

function Guest() {
  const { isOver, providers } = session.useSession();
  const [isNew, setNew] = useState(false);
  return (
    <>
      {isOver && <p className="pc-failure" role="alert">Your session is over. Sign in again to go on.</p>}
      <p>You are a guest. Sign in, and the editor acts for you.</p>
      <div className="pc-tabs" role="group" aria-label="What to do">
        <button className="pc-button" aria-pressed={!isNew} onClick={() => setNew(false)}>Sign in</button>
        <button className="pc-button" aria-pressed={isNew} onClick={() => setNew(true)}>Create an account</button>
      </div>
      {isNew ? <Register /> : <SignIn />}
      {providers.length > 0 && <p className="pc-quiet pc-or">or without a password</p>}
      <Providers purpose="SignIn" verb="Continue with" providers={providers} />
    </>
  );
}

function Where() {
  const { organizations, organization } = session.useSession();
  const id = useId();
  return (
    <div className="pc-field">
      <label htmlFor={id}>Organization in which this tab acts</label>
      <select id={id} value={organization ?? ""} onChange={(event) => session.actIn(event.target.value || null)}>
        <option value="">None</option>
        {organizations.map(({ id, name }) => <option key={id} value={id}>{name}</option>)}
      </select>
    </div>
  );
}

/** Shows an access token for other services. It is nowhere else, and gone with the panel. */
function Token() {
  const [pair, setPair] = useState<{ accessToken: string; expiresIn: number } | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const show = async () => {
    const answer = await session.exchange();
    session.learnFrom(answer);
    setPair(answer.data?.refreshToken ?? null);
    setFailure(answer.errors?.[0]?.message ?? null);
  };
  return (
    <section aria-label="Access token">
      <h3>Access token</h3>
      <p>Your other services take it. This page needs none.</p>
      {pair && <>
        <code className="pc-claims pc-token">{pair.accessToken}</code>
        <p>Valid for {pair.expiresIn} seconds from when it was shown.</p>
        <details>
          <summary>What it says</summary>
          <pre className="pc-claims">{claims(pair.accessToken)}</pre>
        </details>
      </>}
      <div className="pc-row">
        <button className="pc-button" onClick={() => void show()}>{pair ? "Show another" : "Show an access token"}</button>
        {pair && <Copy key={pair.accessToken} text={pair.accessToken} />}
      </div>
      {failure && <p className="pc-failure" role="alert">{failure}</p>}
    </section>
  );
}

/** The claims of a token, unverified. */
function claims(token: string) {
  const bytes = Uint8Array.from(atob(token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  return JSON.stringify(JSON.parse(new TextDecoder().decode(bytes)), null, 2);
}

/** Asks for another proof of who somebody is, where the last sign-in is too long ago. */
function StepUp({ user }: { user: session.User }) {
  const known = user.identities.map(({ provider }) => provider).filter((provider) => provider !== null);
  const distinct = [...new Map(known.map((provider) => [provider.id, provider])).values()];
  // The others do not say when somebody proved there who they are.
  const proving = distinct.filter(({ canReauthenticate }) => canReauthenticate);
  const isOnlyAnew = !user.hasPassword && proving.length === 0;
  return (
    <section className="pc-notice" aria-label="Prove who you are">
      <p role="alert">You signed in too long ago for this. {isOnlyAnew ? "Sign out, and in again." : "Prove once more who you are."}</p>
      {user.hasPassword && (
        <Form title="Your password again" button="Go on" send={({ password }) => session.prove(password ?? "")}>
          {(failureOf) => (
            <Input label="Your password again" name="password" type="password" autoComplete="current-password" required failure={failureOf("password")} />
          )}
        </Form>
      )}
      <Providers purpose="Reauthentication" verb="Prove it with" providers={proving} />
    </section>
  );
}

function SignedIn({ user }: { user: session.User }) {
  const { organization, sends, afterProof } = session.useSession();
  const [failure, setFailure] = useState<string | null>(null);
  const end = async (signOut: typeof session.signOut) => {
    const answer = await signOut();
    session.learnFrom(answer, () => void end(signOut));
    setFailure(saidOf(answer));
  };
  return (
    <>
      <div className="pc-card" role="group" aria-label="Signed in as">
        <strong>{user.fullName ?? user.username}</strong>
        <span className={`pc-badge pc-${user.role.toLowerCase()}`}>{user.role}</span>
        <div>{user.username} · {user.email}</div>
      </div>
      {afterProof && <StepUp user={user} />}
      <label className="pc-check"><input type="checkbox" checked={sends} onChange={(event) => session.setSends(event.target.checked)} /> The editor acts for you</label>
      <Where />
      <Identities user={user} />
      <Token key={`${user.id} ${organization}`} />
      <div className="pc-row">
        <button className="pc-button pc-main" onClick={() => void end(session.signOut)}>Sign out</button>
        <button className="pc-button" onClick={() => void end(session.signOutEverywhere)}>Sign out everywhere</button>
      </div>
      {failure && <p className="pc-failure" role="alert">{failure}</p>}
    </>
  );
}

function Content() {
  const { user, failure, notice } = session.useSession();
  return (
    <section className="pc-panel" aria-label="Account">
      <h2>Account</h2>
      {notice && (notice.isFailure
        ? <p className="pc-failure" role="alert">{notice.text}</p>
        : <p className="pc-notice" role="status">{notice.text}</p>)}
      {failure && <div className="pc-row">
        <p className="pc-failure" role="alert">{failure}</p>
        <button className="pc-button" onClick={() => void session.ask()}>Try again</button>
      </div>}
      {user ? <SignedIn user={user} /> : <Guest />}
    </section>
  );
}

function Icon() {
  const { user } = session.useSession();
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.6" aria-hidden="true">
      <circle cx="12" cy="8" r="4" fill={user ? "currentColor" : "none"} />
      <path d="M4 21c0-4.5 3.5-7 8-7s8 2.5 8 7" />
    </svg>
  );
}

export const ACCOUNT = { title: "Account", icon: Icon, content: Content };
