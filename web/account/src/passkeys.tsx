// Passkeys: adding, naming and deleting them.

import { passkeyObstacle, registerPasskey, signalPasskeys } from "@portcullis/client";
import { Button, Card, Dialog, Empty, Failure, Form, icons, Notice, Submit, TextField, Time, useAct } from "@portcullis/ui";
import { useState } from "react";
import { Ask } from "./factors";
import { Heading } from "./frame";
import { isCancelled } from "./providers";
import { change, session, useMe, useServer, type Passkey } from "./session";
import { RecoveryCodes } from "./totp";
import { words } from "./words";

const RENAME = "mutation($input:RenamePasskeyInput!){renamePasskey(input:$input){passkey{id}}}";
const DELETE = "mutation($input:DeletePasskeyInput!){deletePasskey(input:$input){deletedPasskeyId}}";

const isThere = (failure: unknown) => failure instanceof DOMException && failure.name === "InvalidStateError";

export function Passkeys() {
  const { passkeys } = useMe();
  const { features } = useServer();
  const { isBusy, failure, act } = useAct();
  const [codes, setCodes] = useState<readonly string[] | null>(null);
  const [renaming, rename] = useState<Passkey | null>(null);
  const [deleting, remove] = useState<Passkey | null>(null);
  const obstacle = features.includes("PASSKEYS") ? passkeyObstacle() : "SERVER";
  if (codes) return <><Heading>{words.recoveryCodes}</Heading><Card><RecoveryCodes codes={codes} done={() => setCodes(null)} /></Card></>;
  const add = () => act(async () => {
    const { recoveryCodes } = await session.run(() => registerPasskey(session));
    await session.load();
    setCodes(recoveryCodes);
  });
  const said = isCancelled(failure) ? words.noPasskeyMade : isThere(failure) ? words.passkeyThere : null;
  return (
    <>
      <Heading>{words.sections.passkeys}</Heading>
      <p className="quiet">{words.passkeyWhat}</p>
      <Card>
        <div className="stack">
          {passkeys.length === 0 ? <Empty><p>{words.noPasskeys}</p></Empty> : (
            <ul className="list">
              {passkeys.map((passkey) => (
                <li key={passkey.id}>
                  <div className="what with-icon">
                    <icons.Passkey />
                    <div>
                      <p><strong>{passkey.name}</strong> <span className="badge">{passkey.backedUp ? words.synced : words.oneDevice}</span></p>
                      <p className="small quiet meta">{words.added} <Time at={passkey.createdAt} />{passkey.lastUsedAt && <> · {words.lastUsed} <Time at={passkey.lastUsedAt} /></>}</p>
                    </div>
                  </div>
                  <div className="acts">
                    <Button small onClick={() => rename(passkey)} aria-label={words.renameNamed(passkey.name)}>{words.rename}</Button>
                    <Button small danger onClick={() => remove(passkey)} aria-label={words.deleteNamed(passkey.name)}>{words.delete}</Button>
                  </div>
                </li>
              ))}
            </ul>
          )}
          {obstacle ? <Notice><p>{words.obstacles[obstacle]}</p></Notice> : <div><Button main isBusy={isBusy} onClick={add}><icons.Passkey />{words.addPasskey}</Button></div>}
          <Failure failure={failure}>{said ? <p>{said}</p> : undefined}</Failure>
        </div>
      </Card>
      {renaming && (
        <Dialog title={words.rename} close={() => rename(null)}>
          <Form submit={async ({ name }) => {
            await change(RENAME, { id: renaming.id, name });
            rename(null);
          }}>
            <TextField name="name" label={words.passkeyName} defaultValue={renaming.name} maxLength={64} autoFocus />
            <div className="row"><Submit>{words.save}</Submit><Button quiet onClick={() => rename(null)}>{words.cancel}</Button></div>
          </Form>
        </Dialog>
      )}
      {deleting && (
        <Ask title={words.delete} why={words.deletePasskeyWhy(deleting.name)} close={() => remove(null)} act={async () => {
          await change(DELETE, { id: deleting.id });
          // The browser stops offering it.
          void signalPasskeys(session).catch(() => {});
        }} />
      )}
    </>
  );
}
