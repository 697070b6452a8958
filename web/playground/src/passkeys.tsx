// The passkeys of the user's account.

import { useRef, useState } from "react";
import { call } from "./api";
import { Form, Input } from "./form";
import { useOperation } from "./operation";
import * as passkey from "./passkey";
import { Obstacle } from "./proofs";
import * as session from "./session";
import { dateOf, words } from "./words";

export function Passkeys({ user }: { user: session.User }) {
  const { passkeys } = user;
  const { features } = session.useSession();
  const { failure, isBusy, run } = useOperation();
  const [renamed, setRenamed] = useState<string | null>(null);
  const title = useRef<HTMLHeadingElement>(null);
  const obstacle = passkey.obstacle(features);
  const add = () => void run(() => passkey.register(), async ({ finishPasskeyRegistration: registered }) => {
    await session.ask();
    if (registered) session.say(words.passkeyAdded(registered.passkey.name));
  });
  const remove = ({ id, name }: session.Passkey) => {
    void run(() => call("deletePasskey", { id }), async () => {
      await session.ask();
      session.say(words.passkeyDeleted(name));
      // The button is gone with the passkey.
      title.current?.focus();
      await passkey.signalAccepted({ ...user, passkeys: passkeys.filter((other) => other.id !== id) });
    });
  };
  if (obstacle === "notOffered" && passkeys.length === 0) return null;
  return (
    <section aria-labelledby="pc-passkeys">
      <h3 id="pc-passkeys" ref={title} tabIndex={-1}>{words.passkeys}</h3>
      {passkeys.length === 0 && <p>{words.noPasskeys}</p>}
      <ul className="pc-identities">
        {passkeys.map((passkey) => renamed === passkey.id
          ? <li key={passkey.id}><Rename passkey={passkey} close={() => setRenamed(null)} /></li>
          : <li key={passkey.id}>
            <div>
              <strong>{passkey.name}</strong>
              <span className="pc-quiet">{words.added(dateOf(passkey.createdAt))}</span>
              <span className="pc-quiet">{passkey.lastUsedAt ? words.lastUsed(dateOf(passkey.lastUsedAt)) : words.neverUsed}</span>
              <span className="pc-quiet">{backup(passkey)}</span>
              {!passkey.userVerified && <span className="pc-quiet">{words.factorOnly}</span>}
            </div>
            <div className="pc-column">
              <button className="pc-button" aria-label={words.renameOf(passkey.name)} onClick={() => setRenamed(passkey.id)}>{words.rename}</button>
              <button className="pc-button" aria-label={words.deleteOf(passkey.name)} disabled={isBusy} onClick={() => remove(passkey)}>{words.delete}</button>
            </div>
          </li>)}
      </ul>
      <Obstacle />
      {!obstacle && <button className="pc-button" disabled={isBusy} onClick={add}>{words.addPasskey}</button>}
      {failure && <p className="pc-failure" role="alert">{failure}</p>}
    </section>
  );
}

function backup({ backupEligible, backedUp }: session.Passkey) {
  if (!backupEligible) return words.onOneDevice;
  return backedUp ? words.backedUp : words.mayBeBackedUp;
}

function Rename({ passkey: { id, name }, close }: { passkey: session.Passkey; close: () => void }) {
  const send = async ({ name }: Record<string, string>) => {
    const answer = await call("renamePasskey", { input: { id, name } });
    session.learnFrom(answer);
    if (!answer.errors) {
      await session.ask();
      close();
    }
    return answer;
  };
  return (
    <div>
      <Form title={words.renameOf(name)} button={words.save} send={send}>
        {(failureOf) => <Input label={words.newName} name="name" defaultValue={name} autoComplete="off" maxLength={100} autoFocus required failure={failureOf("name")} />}
      </Form>
      <button className="pc-button" onClick={close}>{words.cancel}</button>
    </div>
  );
}
