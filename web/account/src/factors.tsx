// The second factor: an app, recovery codes, and whether the account asks for one.

import { Button, ButtonLink, Card, Dialog, Failure, Notice, Time, useAct } from "@portcullis/ui";
import { useState } from "react";
import { Heading } from "./frame";
import { FEW_CODES } from "./home";
import { change, session, useMe, useServer } from "./session";
import { RecoveryCodes, TotpSetup } from "./totp";
import { words } from "./words";

const REGENERATE = "mutation{regenerateRecoveryCodes{recoveryCodes}}";
const DISABLE_TOTP = "mutation{disableTotp{user{id}}}";
const ENABLE = "mutation{enableSecondFactor{recoveryCodes}}";
const DISABLE = "mutation{disableSecondFactor{user{id}}}";

export function Factors() {
  const { secondFactors, passkeys } = useMe();
  const { secondFactorRequirement } = useServer();
  const [isSettingUp, setSettingUp] = useState(false);
  const [codes, setCodes] = useState<readonly string[] | null>(null);
  const [asking, ask] = useState<"app" | "all" | "codes" | null>(null);
  const { isBusy, failure, act } = useAct();
  const { isOn, totp, recoveryCodesLeft } = secondFactors;
  if (codes) {
    return <><Heading>{words.recoveryCodes}</Heading><Card><RecoveryCodes codes={codes} done={() => setCodes(null)} /></Card></>;
  }
  if (isSettingUp) {
    const done = async (codes: readonly string[] | null) => {
      await session.load();
      setSettingUp(false);
      setCodes(codes);
    };
    return <><Heading>{words.setUpApp}</Heading><Card><TotpSetup done={done} cancel={() => setSettingUp(false)} /></Card></>;
  }
  const turnOn = () => act(async () => setCodes((await change(ENABLE)).enableSecondFactor.recoveryCodes));
  return (
    <>
      <Heading>{words.sections.factors}</Heading>
      <Card>
        <div className="stack">
          <div className="between">
            <h2>{words.secondFactor}</h2>
            <span className={isOn ? "badge badge-good" : "badge"}>{isOn ? words.isOn : words.isOff}</span>
          </div>
          <p className="quiet">{isOn ? words.factorOnWhy : words.factorOffWhy}</p>
          {!isOn && passkeys.length > 0 && <div><Button main isBusy={isBusy} onClick={turnOn}>{words.askForPasskey}</Button></div>}
          <Failure failure={failure} />
        </div>
      </Card>
      <Card title={words.app} about={words.appWhat}>
        <div className="stack">
          {totp && <p className="small quiet meta">{words.setUp} <Time at={totp.confirmedAt} />{totp.lastUsedAt && <> · {words.lastUsed} <Time at={totp.lastUsedAt} /></>}</p>}
          {totp?.isLocked && <Notice kind="warning"><p>{words.appLocked}</p></Notice>}
          <div className="row">
            <Button main={!totp && !isOn && passkeys.length === 0} onClick={() => setSettingUp(true)}>{totp ? words.replaceApp : words.setUpApp}</Button>
            {totp && <Button danger onClick={() => ask("app")}>{words.removeApp}</Button>}
          </div>
        </div>
      </Card>
      <Card title={words.passkeysAsFactor} about={words.passkeysAsFactorWhy}>
        <ButtonLink to="/account/passkeys">{words.sections.passkeys}</ButtonLink>
      </Card>
      {isOn && (
        <Card title={words.recoveryCodes} about={words.recoveryCodesWhat}>
          <div className="stack">
            {recoveryCodesLeft < FEW_CODES ? <Notice kind="warning"><p>{words.codesLeft(recoveryCodesLeft)}</p></Notice> : <p>{words.codesLeft(recoveryCodesLeft)}</p>}
            <div><Button onClick={() => ask("codes")}>{words.makeCodes}</Button></div>
          </div>
        </Card>
      )}
      {isOn && secondFactorRequirement !== "ALL" && (
        <Card title={words.turnOff} about={words.turnOffWhy}><Button danger onClick={() => ask("all")}>{words.turnOff}</Button></Card>
      )}
      {asking === "app" && <Ask title={words.removeApp} why={words.removeAppWhy} close={() => ask(null)} act={() => change(DISABLE_TOTP)} />}
      {asking === "all" && <Ask title={words.turnOff} why={words.turnOffEffect} close={() => ask(null)} act={() => change(DISABLE)} />}
      {asking === "codes" && (
        <Ask title={words.makeCodes} why={words.makeCodesEffect} danger={false} close={() => ask(null)} act={async () =>
          setCodes((await change(REGENERATE)).regenerateRecoveryCodes.recoveryCodes)} />
      )}
    </>
  );
}

/** Asks once more before an act, and closes when it is done. */
export function Ask({ title, why, act: run, close, danger = true }: { title: string; why: string; act: () => Promise<unknown>; close: () => void; danger?: boolean }) {
  const { isBusy, failure, act } = useAct();
  return (
    <Dialog title={title} about={why} close={close}>
      <Failure failure={failure} />
      <div className="row">
        <Button main danger={danger} isBusy={isBusy} onClick={() => act(async () => {
          await run();
          close();
        })}>{title}</Button>
        <Button quiet onClick={close}>{words.cancel}</Button>
      </div>
    </Dialog>
  );
}
