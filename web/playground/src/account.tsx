// The Account panel: who is signed in, and where this tab acts.

import { useId, useState } from "react";
import { saidOf } from "./api";
import { Copy } from "./copy";
import { RecoveryCodes, SecondFactor } from "./factors";
import { Identities } from "./identities";
import { Passkeys } from "./passkeys";
import { StepUp } from "./proofs";
import * as session from "./session";
import { Guest } from "./sign-in";
import { language, words } from "./words";

function Where() {
  const { organizations, organization } = session.useSession();
  const id = useId();
  return (
    <div className="pc-field">
      <label htmlFor={id}>{words.where}</label>
      <select id={id} value={organization ?? ""} onChange={(event) => session.actIn(event.target.value || null)}>
        <option value="">{words.nowhere}</option>
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
    <section aria-label={words.token}>
      <h3>{words.token}</h3>
      <p>{words.tokenWhy}</p>
      {pair && <>
        <code className="pc-claims pc-token">{pair.accessToken}</code>
        <p>{words.tokenValid(pair.expiresIn)}</p>
        <details>
          <summary>{words.tokenSays}</summary>
          <pre className="pc-claims">{claims(pair.accessToken)}</pre>
        </details>
      </>}
      <div className="pc-row">
        <button className="pc-button" onClick={() => void show()}>{pair ? words.showAnotherToken : words.showToken}</button>
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

function SignedIn({ user }: { user: session.User }) {
  const { organization, sends, stepUp, recoveryCodes } = session.useSession();
  const [failure, setFailure] = useState<string | null>(null);
  const end = async (signOut: typeof session.signOut) => {
    const answer = await signOut();
    session.learnFrom(answer, () => void end(signOut));
    setFailure(saidOf(answer));
  };
  return (
    <>
      <div className="pc-card" role="group" aria-label={words.signedInAs}>
        <strong>{user.fullName ?? user.username}</strong>
        <span className={`pc-badge pc-${user.role.toLowerCase()}`}>{user.role}</span>
        <div>{user.username} · {user.email}</div>
      </div>
      {recoveryCodes && <RecoveryCodes user={user} codes={recoveryCodes} />}
      {stepUp && <StepUp user={user} factors={stepUp.factors} />}
      <label className="pc-check"><input type="checkbox" checked={sends} onChange={(event) => session.setSends(event.target.checked)} /> {words.acts}</label>
      <Where />
      <SecondFactor user={user} />
      <Passkeys user={user} />
      <Identities user={user} />
      <Token key={`${user.id} ${organization}`} />
      <div className="pc-row">
        <button className="pc-button pc-main" onClick={() => void end(session.signOut)}>{words.signOut}</button>
        <button className="pc-button" onClick={() => void end(session.signOutEverywhere)}>{words.signOutEverywhere}</button>
      </div>
      {failure && <p className="pc-failure" role="alert">{failure}</p>}
    </>
  );
}

function Content() {
  const { user, failure, notice } = session.useSession();
  return (
    <section className="pc-panel" aria-label={words.account} lang={language}>
      <h2>{words.account}</h2>
      {notice && (notice.isFailure
        ? <p className="pc-failure" role="alert">{notice.text}</p>
        : <p className="pc-notice" role="status">{notice.text}</p>)}
      {failure && <div className="pc-row">
        <p className="pc-failure" role="alert">{failure}</p>
        <button className="pc-button" onClick={() => void session.ask()}>{words.tryAgain}</button>
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
