// How somebody proves who they are: to complete a sign-in, or once more for something that asks for it.

import { useEffect, useId, useRef, useState } from "react";
import { saidOf, type Answer, type Factor } from "./api";
import { Form, Input } from "./form";
import { Providers } from "./identities";
import * as passkey from "./passkey";
import * as session from "./session";
import { words } from "./words";

type Shown = keyof typeof words.ways;
/** As they are offered. */
const SHOWN: Shown[] = ["PASSKEY", "TOTP", "PASSWORD", "RECOVERY_CODE"];

type Send = (proof: session.Proof) => Promise<Answer<unknown>>;

/** Takes one of these factors, whichever somebody chooses. */
export function Proofs({ factors, challenge, send }: { factors: Factor[]; challenge?: string; send: Send }) {
  const { features } = session.useSession();
  const [chosen, choose] = useState<Shown | null>(null);
  const isUsable = (factor: Shown) => factors.includes(factor) && (factor !== "PASSKEY" || !passkey.obstacle(features));
  const usable = SHOWN.filter(isUsable);
  const factor = usable.find((factor) => factor === chosen) ?? usable[0];
  return (
    <>
      {factors.includes("PASSKEY") && <Obstacle />}
      {usable.length > 1 && (
        <div className="pc-tabs" role="group" aria-label={words.way}>
          {usable.map((each) => (
            <button key={each} className="pc-button" aria-pressed={each === factor} onClick={() => choose(each)}>{words.ways[each]}</button>
          ))}
        </div>
      )}
      {factor === "PASSKEY" && <ByPasskey challenge={challenge} send={send} />}
      {factor === "TOTP" && <ByText key="totp" label={words.appCode} send={(totp) => send({ totp })}
        name="totp" autoComplete="one-time-code" inputMode="numeric" />}
      {factor === "PASSWORD" && <ByText key="password" label={words.passwordAgain} send={(password) => send({ password })}
        name="password" autoComplete="current-password" type="password" />}
      {factor === "RECOVERY_CODE" && <ByText key="recoveryCode" label={words.recoveryCode} hint={words.recoveryCodeOnce}
        send={(recoveryCode) => send({ recoveryCode })} name="recoveryCode" autoComplete="off" />}
    </>
  );
}

function ByText({ label, hint, name, send, ...rest }: {
  label: string; hint?: string; name: string; send: (text: string) => Promise<Answer<unknown>>;
  autoComplete: string; inputMode?: "numeric"; type?: string;
}) {
  return (
    <Form title={label} button={words.goOn} send={(values) => send(values[name] ?? "")}>
      {(failureOf) => <>
        <Input label={label} name={name} required failure={failureOf(name)} {...rest} />
        {hint && <p className="pc-quiet">{hint}</p>}
      </>}
    </Form>
  );
}

function ByPasskey({ challenge, send }: { challenge?: string; send: Send }) {
  const [failure, setFailure] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const use = async () => {
    setBusy(true);
    const { data, errors } = await passkey.prove(challenge);
    const answer = data ? await send({ passkey: data }) : { errors };
    setFailure(saidOf(answer));
    setBusy(false);
  };
  return (
    <>
      <p>{words.passkeyHow}</p>
      <button className="pc-button pc-main" disabled={isBusy} onClick={() => void use()}>{words.usePasskey}</button>
      {failure && <p className="pc-failure" role="alert">{failure}</p>}
    </>
  );
}

/** Says why this page can use no passkeys, where the server offers them. */
export function Obstacle() {
  const { features } = session.useSession();
  const obstacle = passkey.obstacle(features);
  if (obstacle === "browser") return <p className="pc-quiet">{words.noBrowser}</p>;
  if (obstacle !== "address") return null;
  const there = passkey.atName();
  return <p className="pc-quiet">{words.atAddress} {there && <a href={there}>{words.atName}</a>}</p>;
}

/** A heading that what follows is announced with, and that the keyboard goes on from. */
export function Heading({ id, children }: { id: string; children: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return <h3 id={id} ref={heading} tabIndex={-1}>{children}</h3>;
}

/** Asks for another proof of who somebody is, where the last is too long ago or says too little. */
export function StepUp({ user, factors }: { user: session.User; factors: Factor[] }) {
  const id = useId();
  const known = user.identities.map(({ provider }) => provider).filter((provider) => provider !== null);
  const distinct = [...new Map(known.map((provider) => [provider.id, provider])).values()];
  // The others do not say when somebody proved there who they are.
  const proving = factors.includes("PROVIDER") ? distinct.filter(({ canReauthenticate }) => canReauthenticate) : [];
  return (
    <section className="pc-notice" aria-labelledby={id}>
      <Heading id={id}>{words.proveTitle}</Heading>
      <p role="alert">{factors.length > 0 ? words.prove : words.proveAnew}</p>
      <Proofs factors={factors} send={session.prove} />
      <Providers purpose="Reauthentication" verb={words.proveWith} providers={proving} />
      <button className="pc-button" onClick={session.giveUp}>{words.cancel}</button>
    </section>
  );
}
