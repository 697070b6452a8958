// The second factor of the user's account.

import { useRef, type ReactNode } from "react";
import { call } from "./api";
import { Copy } from "./copy";
import { outcome, showEnrolled, useAppSetUp } from "./enrolling";
import { useOperation } from "./operation";
import { Heading } from "./proofs";
import * as session from "./session";
import { dateOf, words } from "./words";

/** After so few the server mails that new ones are due, too. */
const FEW = 3;

export function SecondFactor({ user }: { user: session.User }) {
  const { secondFactors: { isOn, totp, recoveryCodesLeft }, passkeys } = user;
  const { failure, isBusy, run } = useOperation();
  const app = useAppSetUp();
  const title = useRef<HTMLHeadingElement>(null);
  /** Takes something away, and with it the button that did it. */
  const remove = (operation: "disableTotp" | "disableSecondFactor", said: string) => void run(() => call(operation), async () => {
    await session.ask();
    session.say(said);
    title.current?.focus();
  });
  const turnOn = () => void run(
    () => call<{ enableSecondFactor: { recoveryCodes: string[] | null } }>("enableSecondFactor"),
    ({ enableSecondFactor: { recoveryCodes } }) => showEnrolled(recoveryCodes, ...outcome(recoveryCodes)));
  const renew = () => void run(
    () => call<{ regenerateRecoveryCodes: { recoveryCodes: string[] } }>("regenerateRecoveryCodes"),
    async (data) => {
      await session.ask();
      session.showRecoveryCodes(data.regenerateRecoveryCodes.recoveryCodes);
    });
  return (
    <section aria-labelledby="pc-factor">
      <h3 id="pc-factor" ref={title} tabIndex={-1}>{words.secondFactor}</h3>
      <p>{isOn ? words.isOn : words.isOff}</p>
      <Held name={words.app} says={totp ? words.appSince(dateOf(totp.confirmedAt)) : words.noApp} warning={totp?.isLocked && words.appLocked}>
        {!app.form && <button className="pc-button" aria-label={totp ? words.replaceAppOf : words.setUpApp} disabled={app.isBusy}
          onClick={app.begin}>{totp ? words.replaceApp : words.setUp}</button>}
        {totp && <button className="pc-button" aria-label={words.removeAppOf} disabled={isBusy}
          onClick={() => remove("disableTotp", words.appRemoved)}>{words.removeApp}</button>}
      </Held>
      {app.form}
      {app.failure && <p className="pc-failure" role="alert">{app.failure}</p>}
      {isOn && (
        <Held name={words.codes} says={words.codesLeft(recoveryCodesLeft)} warning={recoveryCodesLeft <= FEW && words.codesLow}>
          <button className="pc-button" aria-label={words.newCodesOf} disabled={isBusy} onClick={renew}>{words.newCodes}</button>
        </Held>
      )}
      {isOn && <button className="pc-button" disabled={isBusy} onClick={() => remove("disableSecondFactor", words.turnedOff)}>{words.turnOff}</button>}
      {!isOn && passkeys.length > 0 && <button className="pc-button" disabled={isBusy} onClick={turnOn}>{words.askForPasskey}</button>}
      {failure && <p className="pc-failure" role="alert">{failure}</p>}
    </section>
  );
}

function Held({ name, says, warning, children }: { name: string; says: string; warning?: string | false; children: ReactNode }) {
  return (
    <div className="pc-held">
      <div>
        <strong>{name}</strong>
        <span className="pc-quiet">{says}</span>
        {warning && <span className="pc-failure">{warning}</span>}
      </div>
      <div className="pc-column">{children}</div>
    </div>
  );
}

/** New recovery codes, until their owner says that they are kept. */
export function RecoveryCodes({ user, codes }: { user: session.User; codes: string[] }) {
  const text = codes.join("\n");
  const save = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`${location.host}\n${words.codesFile(user.username)}\n\n${text}\n`], { type: "text/plain" }));
    link.download = "recovery-codes.txt";
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <section className="pc-notice" aria-labelledby="pc-codes">
      <Heading id="pc-codes">{words.codesTitle}</Heading>
      <p>{words.codesOnce}</p>
      <ol className="pc-codes">{codes.map((code) => <li key={code}><code>{code}</code></li>)}</ol>
      <div className="pc-row">
        <Copy key={text} text={text} />
        <button className="pc-button" onClick={save}>{words.download}</button>
        <button className="pc-button pc-main" onClick={() => session.showRecoveryCodes(null)}>{words.codesKept}</button>
      </div>
    </section>
  );
}
