// The account must have a second factor before its session begins.

import { passkeyObstacle, registerPasskey, type EnrollmentRequired } from "@portcullis/client";
import { Button, CodeField, Form, icons, Submit } from "@portcullis/ui";
import { useState } from "react";
import { Heading } from "./frame";
import { isCancelled } from "./providers";
import { session, useServer } from "./session";
import { RecoveryCodes, TotpSetup } from "./totp";
import { words } from "./words";

export function Enrolling({ required, done, startAgain }: { required: EnrollmentRequired; done: () => void; startAgain: () => void }) {
  const [way, setWay] = useState<"app" | "passkey" | null>(null);
  const [codes, setCodes] = useState<readonly string[] | null>(null);
  const { features } = useServer();
  const { enrollment, codeMailed } = required;
  const enrolled = (codes: readonly string[] | null) => (codes ? setCodes(codes) : done());
  if (codes) return <><Heading>{words.recoveryCodes}</Heading><RecoveryCodes codes={codes} done={done} /></>;
  const hasPasskeys = features.includes("PASSKEYS") && !passkeyObstacle();
  if (way === "app") {
    return (
      <>
        <Heading>{words.setUpApp}</Heading>
        <TotpSetup enrollment={enrollment} codeMailed={codeMailed} done={enrolled} cancel={() => setWay(null)} />
      </>
    );
  }
  if (way === "passkey") {
    return (
      <>
        <Heading>{words.setUpPasskey}</Heading>
        <Form explain={(failure) => (isCancelled(failure) ? <p>{words.noPasskeyMade}</p> : undefined)} submit={async ({ mailedCode }) => {
          const { recoveryCodes } = await registerPasskey(session, { enrollment, ...(mailedCode && { mailedCode: mailedCode.replace(/\s/g, "") }) });
          enrolled(recoveryCodes);
        }}>
          <p>{words.passkeyWhat}</p>
          {codeMailed && <CodeField name="mailedCode" label={words.mailedCode} hint={words.mailedCodeWhere} />}
          <div className="row"><Submit><icons.Passkey />{words.makePasskey}</Submit><Button quiet onClick={() => setWay(null)}>{words.cancel}</Button></div>
        </Form>
      </>
    );
  }
  return (
    <>
      <Heading>{words.enroll}</Heading>
      <p>{words.enrollWhy}</p>
      {hasPasskeys && <Button main wide onClick={() => setWay("passkey")}><icons.Passkey />{words.setUpPasskey}</Button>}
      <Button main={!hasPasskeys} wide onClick={() => setWay("app")}><icons.Phone />{words.setUpApp}</Button>
      <Button quiet onClick={startAgain}>{words.startAgain}</Button>
    </>
  );
}
