// Goes on in the browser from what examples/server.mjs has rendered.

import { hydrateRoot } from "react-dom/client";
import { createSession, type SessionOptions } from "@portcullis/client";
import { SessionProvider, useSession } from "@portcullis/client/react";

const session = createSession((globalThis as unknown as { page: SessionOptions<{ id: string; username: string }> }).page);
const problems: string[] = [];

function Page() {
  const { user } = useSession<{ id: string; username: string }>();
  return <p id="who">{user ? `Signed in as ${user.username}` : "Nobody is signed in"}</p>;
}

hydrateRoot(
  document.querySelector("#root")!, <SessionProvider session={session}><Page /></SessionProvider>,
  { onRecoverableError: (error) => problems.push(String(error)) },
);
Object.assign(globalThis, { session, problems });
