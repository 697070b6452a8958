// The way to another provider and back. The page is left in between: what comes back finishes what this tab began.

import { call, ENDPOINT, saidOf, type Answer } from "./api";
import * as session from "./session";
import { words } from "./words";

export type Purpose = "SignIn" | "Link" | "Reauthentication";
type Begun = { purpose: Purpose; flow: string; provider: session.Provider };

const BEGUN = "portcullis:flow";

/** Goes to a provider. What it gives says why that does not go. */
export async function leave(purpose: Purpose, provider: session.Provider): Promise<string | null> {
  session.tell(null);
  const start = `start${purpose}` as const;
  const returnTo = new URL(ENDPOINT, location.href).href;
  const answer = await call<Record<typeof start, { authorizationUrl: string; flow: string } | null>>(
    start, { input: { providerId: provider.id, returnTo } });
  session.learnFrom(answer, () => void leave(purpose, provider));
  const started = answer.data?.[start];
  if (started) {
    sessionStorage.setItem(BEGUN, JSON.stringify({ purpose, flow: started.flow, provider } satisfies Begun));
    location.assign(started.authorizationUrl);
  }
  const isElsewhere = answer.errors?.[0]?.extensions?.fields?.some(({ path }) => path === "input.returnTo");
  return isElsewhere ? words.byPublicUrl : saidOf(answer);
}

/** Finishes what was begun, if a provider has sent somebody back, and asks who is signed in. */
export async function comeBack() {
  const sent = new URLSearchParams(location.hash.slice(1));
  if (!sent.has("state")) return session.ask();
  const begun = JSON.parse(sessionStorage.getItem(BEGUN) ?? "null") as Begun | null;
  sessionStorage.removeItem(BEGUN);
  // Nothing of it stays where it can be read, or opened again.
  history.replaceState(null, "", location.pathname + location.search);
  const refusal = refused(begun, sent.get("error"));
  if (begun && !refusal) return conclude(begun, sent);
  await session.ask();
  session.tell({ text: refusal ?? "", isFailure: true });
}

/** Why there is nothing to finish. */
function refused(begun: Begun | null, error: string | null) {
  if (!begun) return words.begunElsewhere;
  const { name } = begun.provider;
  if (error === "access_denied") return words.declined(name);
  if (error === "server_error" || error === "temporarily_unavailable") return words.providerBroken(name);
  return error && words.providerRefuses(name, error);
}

type Finished = session.LoginResult;

async function conclude(begun: Begun, sent: URLSearchParams) {
  const { purpose, flow } = begun;
  const finish = `finish${purpose}` as const;
  const input = { flow, code: sent.get("code"), state: sent.get("state"), iss: sent.get("iss") };
  // Apple tells a name there, the first time.
  const user = purpose === "SignIn" ? { user: sent.get("user") } : {};
  const answer = await call<Record<typeof finish, Finished | null>>(finish, { input: { ...input, ...user } });
  const finished = answer.data?.[finish];
  if (purpose === "SignIn" && finished) await session.enter(finished);
  else await session.ask();
  session.learnFrom(answer, () => void conclude(begun, sent));
  session.tell(noticeOf(begun, answer, finished));
}

function noticeOf({ purpose, provider: { name } }: Begun, answer: Answer<unknown>, finished?: Finished | null) {
  if (answer.errors) {
    const text = saidOf(answer);
    return text === null ? null : { text, isFailure: true };
  }
  const text = {
    SignIn: finished?.__typename === "VerificationRequired" ? words.written(finished.email) : null,
    Link: words.linked(name),
    Reauthentication: words.confirmed(name),
  }[purpose];
  return text ? { text, isFailure: false } : null;
}
