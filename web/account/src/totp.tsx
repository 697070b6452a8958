// Setting up an authenticator app and showing recovery codes, in a session and before one.

import { confirmTotpEnrollment, startTotpEnrollment, type StartTotpEnrollmentPayload } from "@portcullis/client";
import { Button, CodeField, Copy, Failure, Form, Notice, Qr, save, site, Skeleton, Submit, useAct } from "@portcullis/ui";
import { useEffect, useState } from "react";
import { session } from "./session";
import { words } from "./words";

/** Before a session, what the server asks for beside the code of the app. */
export interface Enrollment {
  enrollment?: string;
  codeMailed?: boolean;
}

export function TotpSetup({ enrollment, codeMailed, done, cancel }: Enrollment & { done: (recoveryCodes: readonly string[] | null) => void; cancel: () => void }) {
  const [started, setStarted] = useState<StartTotpEnrollmentPayload | null>(null);
  const { failure, act } = useAct();
  const start = () => act(async () => setStarted(await session.run(() => startTotpEnrollment(session, enrollment))));
  useEffect(() => void start(), []);
  if (failure) return <><Failure failure={failure} /><Button onClick={start}>{words.tryAgain}</Button></>;
  if (!started) return <Skeleton lines={4} />;
  return (
    <Form submit={async ({ code, mailedCode }) => {
      const input = { code: code!.replace(/\s/g, ""), ...(enrollment && { enrollment }), ...(mailedCode && { mailedCode: mailedCode.replace(/\s/g, "") }) };
      const { recoveryCodes } = await session.run(() => confirmTotpEnrollment(session, input));
      done(recoveryCodes);
    }}>
      <p>{words.scan}</p>
      <Qr text={started.otpauthUrl} label={words.qr} />
      <div className="stack-tight">
        <p className="small quiet">{words.orEnter}</p>
        <div className="row"><code className="secret">{started.secret}</code><Copy text={started.secret} /></div>
      </div>
      {codeMailed && <CodeField name="mailedCode" label={words.mailedCode} hint={words.mailedCodeWhere} />}
      <CodeField name="code" label={words.totp} inputMode="numeric" />
      <div className="row"><Submit>{words.confirm}</Submit><Button quiet onClick={cancel}>{words.cancel}</Button></div>
    </Form>
  );
}

/** Recovery codes, which the server shows once. */
export function RecoveryCodes({ codes, done }: { codes: readonly string[]; done: () => void }) {
  const [isWarned, setWarned] = useState(false);
  const [isKept, setKept] = useState(false);
  const text = `${site.name}: ${words.recoveryCodes}\n\n${codes.join("\n")}\n`;
  const download = () => {
    save(new Blob([text], { type: "text/plain" }), "recovery-codes.txt");
    setKept(true);
  };
  return (
    <div className="stack">
      <p>{words.recoveryCodesWhy}</p>
      <ul className="codes">{codes.map((code) => <li key={code}>{code}</li>)}</ul>
      <div className="row no-print" onClick={() => setKept(true)}>
        <Copy text={codes.join("\n")} />
        <Button small onClick={download}>{words.download}</Button>
        <Button small onClick={() => print()}>{words.print}</Button>
      </div>
      {isWarned && !isKept && <Notice kind="warning"><p>{words.codesNotKept}</p></Notice>}
      <Button main onClick={() => (isKept || isWarned ? done() : setWarned(true))}>{words.codesKept}</Button>
    </div>
  );
}
