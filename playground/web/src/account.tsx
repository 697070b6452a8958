// The Account panel: who the page acts for.

import { useEffect, useId, useRef, useState, type FormEvent, type ReactNode } from "react";
import { call, type Answer, type Failure } from "./api";
import * as session from "./session";

type Pair = Parameters<typeof session.adopt>[0];
type Outcome = Answer<Record<string, ({ __typename?: string; email?: string } & Partial<Pair>) | null>>;

/** Ticks once a second. */
function useNow() {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

function Input({ label, name, failure, ...rest }: {
  label: string; name: string; failure?: string; type?: string; autoComplete: string; required?: boolean;
}) {
  const id = useId();
  return (
    <div className="pc-field">
      <label htmlFor={id}>{label}</label>
      <input id={id} name={name} aria-invalid={Boolean(failure)} aria-describedby={failure && `${id}-why`}
        autoCapitalize="none" spellCheck={false} {...rest} />
      {failure && <p className="pc-failure" id={`${id}-why`}>{failure}</p>}
    </div>
  );
}

/** A form that sends one operation, and shows what was wrong where it was. */
function Form({ title, button, send, children }: {
  title: string;
  button: string;
  send: (values: Record<string, string>) => Promise<Outcome | null>;
  children: (failureOf: (field: string) => string | undefined) => ReactNode;
}) {
  const [failure, setFailure] = useState<Failure | null>(null);
  const [isBusy, setBusy] = useState(false);
  const [waitUntil, setWaitUntil] = useState(0);
  const form = useRef<HTMLFormElement>(null);
  const wait = Math.max(0, Math.ceil((waitUntil - useNow()) / 1000));

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    const values = Object.fromEntries(new FormData(form.current!)) as Record<string, string>;
    const answer = await send(values);
    const failed = answer?.errors?.[0] ?? null;
    setFailure(failed);
    setBusy(false);
    if (failed?.extensions?.retryAfter) {
      setWaitUntil(performance.now() + failed.extensions.retryAfter * 1000);
    }
    const wrong = failed?.extensions?.fields?.[0]?.path.split(".").pop() ?? failed?.extensions?.field;
    if (wrong) form.current?.querySelector<HTMLInputElement>(`[name=${wrong}]`)?.focus();
  };
  const { fields, field } = failure?.extensions ?? {};
  const failureOf = (name: string) =>
    fields?.find(({ path }) => path.split(".").pop() === name)?.message
    ?? (field === name ? failure?.message : undefined);
  const isAtField = Boolean(fields?.length || field);
  return (
    <form ref={form} onSubmit={submit} aria-label={title}>
      {children(failureOf)}
      {failure && !isAtField && <p className="pc-failure" role="alert">{failure.message}</p>}
      <button className="pc-button pc-main" disabled={isBusy || wait > 0}>
        {wait > 0 ? `Again in ${wait} s` : button}
      </button>
    </form>
  );
}

/** Acts for whom an operation has signed in. */
async function adoptOf(answer: Outcome, field: string) {
  const pair = answer.data?.[field];
  if (pair?.accessToken) await session.adopt(pair as Pair);
  return answer;
}

function SignIn() {
  const query = `mutation($input: LoginInput!) { login(input: $input) { __typename ... on AuthPayload { ${session.PAIR} } } }`;
  return (
    <Form title="Sign in" button="Sign in"
      send={async (input) => adoptOf(await call(query, { input }), "login")}>
      {(failureOf) => <>
        <Input label="Username or e-mail" name="identifier" autoComplete="username" required failure={failureOf("identifier")} />
        <Input label="Password" name="password" type="password" autoComplete="current-password" required failure={failureOf("password")} />
      </>}
    </Form>
  );
}

function Register() {
  const [mailedTo, setMailedTo] = useState<string | null>(null);
  const query = `mutation($input: RegisterInput!) { register(input: $input) { __typename
    ... on AuthPayload { ${session.PAIR} } ... on VerificationRequired { email } } }`;
  const send = async ({ fullName, ...rest }: Record<string, string>) => {
    const input = { ...rest, fullName: fullName || null };
    const answer: Outcome = await call(query, { input });
    const required = answer.data?.register;
    if (required?.__typename === "VerificationRequired") setMailedTo(required.email ?? null);
    return adoptOf(answer, "register");
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
  const [isNew, setNew] = useState(false);
  return (
    <>
      <p>You are a guest. Sign in, and the editor acts for you; you never handle a token.</p>
      <div className="pc-tabs" role="group" aria-label="What to do">
        <button className="pc-button" aria-pressed={!isNew} onClick={() => setNew(false)}>Sign in</button>
        <button className="pc-button" aria-pressed={isNew} onClick={() => setNew(true)}>Create an account</button>
      </div>
      {isNew ? <Register /> : <SignIn />}
    </>
  );
}

function Token() {
  const { token, expiresAt, renews, sends } = session.useSession();
  const [copied, setCopied] = useState("Copy");
  const left = Math.max(0, Math.round((expiresAt - useNow()) / 1000));
  const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(token!);
      setCopied("Copied");
    } catch {
      // On plain http beyond this machine, or forbidden.
      setCopied("Not allowed here");
    }
    setTimeout(() => setCopied("Copy"), 1500);
  };
  return (
    <section aria-label="Access token">
      <h3>Access token</h3>
      <p>{left > 0 ? <>Valid for <span className="pc-clock" data-left={left}>{clock}</span></> : <span className="pc-failure">Expired</span>}</p>
      <label className="pc-check"><input type="checkbox" checked={renews} onChange={(event) => session.setRenews(event.target.checked)} /> Renew by itself</label>
      <label className="pc-check"><input type="checkbox" checked={sends} onChange={(event) => session.setSends(event.target.checked)} /> Send it with requests</label>
      <div className="pc-row">
        <button className="pc-button" onClick={() => void session.renew()}>Renew now</button>
        <button className="pc-button" onClick={copy}>{copied}</button>
      </div>
      <details>
        <summary>What it says</summary>
        <pre className="pc-claims">{JSON.stringify(session.decode(token!), null, 2)}</pre>
      </details>
    </section>
  );
}

/** Asks for the password again, where the last sign-in is too long ago. */
function StepUp({ then }: { then: () => void }) {
  return (
    <Form title="Your password again" button="Go on"
      send={async ({ password }) => {
        const answer = await session.reauthenticate(password ?? "");
        if (!answer.errors) then();
        return answer as Outcome;
      }}>
      {(failureOf) => (
        <Input label="Your password again" name="password" type="password" autoComplete="current-password" required failure={failureOf("password")} />
      )}
    </Form>
  );
}

function SignedIn() {
  const { user } = session.useSession();
  const [needsProof, setNeedsProof] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const end = async (signOut: () => Promise<Failure | null>) => {
    const refused = await signOut();
    const needsProof = refused?.extensions?.code === "STEP_UP_REQUIRED";
    setNeedsProof(needsProof);
    setFailure(needsProof ? null : refused?.message ?? null);
  };
  const everywhere = () => void end(session.signOutEverywhere);
  return (
    <>
      <div className="pc-card" role="group" aria-label="Signed in as">
        <strong>{user?.fullName ?? user?.username ?? "…"}</strong>
        {user && <span className={`pc-badge pc-${user.role.toLowerCase()}`}>{user.role}</span>}
        <div>{user?.username} · {user?.email}</div>
      </div>
      <Token />
      <div className="pc-row">
        <button className="pc-button pc-main" onClick={() => void end(session.signOut)}>Sign out</button>
        <button className="pc-button" onClick={everywhere}>Sign out everywhere</button>
      </div>
      {needsProof && <StepUp then={everywhere} />}
      {failure && <p className="pc-failure" role="alert">{failure}</p>}
    </>
  );
}

function Content() {
  const { token, isStarting } = session.useSession();
  return (
    <section className="pc-panel" aria-label="Account">
      <h2>Account</h2>
      {isStarting ? <p role="status">…</p> : token ? <SignedIn /> : <Guest />}
    </section>
  );
}

function Icon() {
  const { token } = session.useSession();
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.6" aria-hidden="true">
      <circle cx="12" cy="8" r="4" fill={token ? "currentColor" : "none"} />
      <path d="M4 21c0-4.5 3.5-7 8-7s8 2.5 8 7" />
    </svg>
  );
}

export const ACCOUNT = { title: "Account", icon: Icon, content: Content };
