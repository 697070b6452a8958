// What the examples share: who is signed in, a form to sign in, and one for a proof.

import { useState, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { createSession, errorIn, signIn, type Proof } from "@portcullis/client";
import { SessionProvider, useSession, useStepUp } from "@portcullis/client/react";

/** The session of this page. The server allows its origin (`ALLOWED_ORIGINS`). */
export const session = createSession({ endpoint: new URLSearchParams(location.search).get("endpoint")! });

export const messageOf = (error: unknown) => errorIn(error)?.message ?? String(error);

/** Shows what went wrong with an action, or nothing. */
export function useFailure() {
  const [failure, setFailure] = useState("");
  const attempt = async (action: () => Promise<unknown>) => {
    try {
      setFailure("");
      const refusal = errorIn(await action());
      if (refusal) setFailure(refusal.message);
    } catch (error) {
      setFailure(messageOf(error));
    }
  };
  return { attempt, shown: failure && <p role="alert">{failure}</p> };
}

function SignIn() {
  const { attempt, shown } = useFailure();
  const send = (form: FormData) => attempt(async () => {
    const input = { identifier: String(form.get("identifier")), password: String(form.get("password")) };
    const { __typename } = await signIn(session, input);
    if (__typename !== "AuthPayload") throw new Error(`This account needs another step: ${__typename}`);
  });
  return (
    <form action={send}>
      <input name="identifier" autoComplete="username" required />
      <input name="password" type="password" autoComplete="current-password" required />
      <button>Sign in</button>
      {shown}
    </form>
  );
}

/** Asks for the proof that an action waits for. */
function Proving() {
  const wanted = useStepUp();
  const { attempt, shown } = useFailure();
  if (!wanted) return null;
  const { factors, prove, giveUp } = wanted;
  const send = (form: FormData) => attempt(() => {
    const text = String(form.get("proof"));
    const proof: Proof = factors.includes("PASSWORD") ? { password: text } : { recoveryCode: text };
    return prove(proof);
  });
  return (
    <form action={send} aria-label="Proof">
      <input name="proof" type="password" required />
      <button>Prove</button>
      <button type="button" onClick={giveUp}>Cancel</button>
      {shown}
    </form>
  );
}

function Page({ children }: { children: ReactNode }) {
  const { status, user } = useSession();
  if (status === "unknown") return null;
  if (!user) return <SignIn />;
  return (
    <>
      <p>Signed in as <b>{user.username}</b></p>
      <button onClick={() => void session.signOut()}>Sign out</button>
      <Proving />
      {children}
    </>
  );
}

export function show(children: ReactNode) {
  createRoot(document.querySelector("#root")!).render(
    <SessionProvider session={session}><Page>{children}</Page></SessionProvider>);
}

export type Organization = { id: string; name: string };

/** The organizations of the user, with a form to add one and buttons to delete them. */
export function Organizations({ organizations, create, remove }: {
  organizations: readonly Organization[];
  create: (name: string) => Promise<unknown>;
  remove: (id: string) => Promise<unknown>;
}) {
  const { attempt, shown } = useFailure();
  return (
    <section>
      <ul>
        {organizations.map(({ id, name }) => (
          <li key={id}>
            {name} <button onClick={() => void attempt(() => session.run(() => remove(id)))}>Delete {name}</button>
          </li>
        ))}
      </ul>
      <form action={(form) => attempt(() => create(String(form.get("name"))))}>
        <input name="name" />
        <button>Create</button>
      </form>
      {shown}
    </section>
  );
}
