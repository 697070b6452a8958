// Components for the test of the hooks, in StrictMode.

import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { createSession, errorIn, signIn } from "@portcullis/client";
import { SessionProvider, useCan, useSession, useStepUp } from "@portcullis/client/react";

const session = createSession({ endpoint: new URLSearchParams(location.search).get("endpoint")!, userFields: "id username role" });
const seen: (boolean | undefined)[] = [];

function Who() {
  const { status, user, failure } = useSession();
  return <p id="who">{failure?.name ?? user?.username ?? status}</p>;
}

function Can({ field }: { field: string }) {
  const access = useCan([field])[field];
  if (field === "Query.users") seen.push(access?.allowed);
  return <li data-field={field}>{access ? String(access.allowed) : "unknown"}</li>;
}

function Guarded() {
  const [said, say] = useState("");
  const wanted = useStepUp();
  const act = async () => {
    try {
      await session.run(() => session.request("mutation { regenerateRecoveryCodes { recoveryCodes } }"));
      say("done");
    } catch (error) {
      say(errorIn(error)?.code ?? String(error));
    }
  };
  return (
    <section>
      <button onClick={() => void act()}>Act</button>
      <p id="said">{said}</p>
      {wanted && (
        <form action={(form) => wanted.prove({ recoveryCode: String(form.get("code")) }).catch((error) => say(error.code))}>
          <input name="code" />
          <button>Prove</button>
          <button type="button" onClick={wanted.giveUp}>Give up</button>
        </form>
      )}
    </section>
  );
}

function App() {
  const [isShown, show] = useState(true);
  return (
    <>
      <Who />
      <ul>
        <Can field="Query.users" />
        <Can field="Mutation.inviteUser" />
        <Can field="Query.me" />
        <Can field="Mutation.regenerateRecoveryCodes" />
      </ul>
      <button onClick={() => show(!isShown)}>Toggle</button>
      {isShown && <Guarded />}
    </>
  );
}

Object.assign(globalThis, { session, seen, enter: (identifier: string, password: string) => signIn(session, { identifier, password }) });
createRoot(document.querySelector("#root")!).render(<StrictMode><SessionProvider session={session}><App /></SessionProvider></StrictMode>);
