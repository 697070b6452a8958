// Setting up an authenticator app: in the account of a user, and of somebody whose sign-in asks for a second factor.

import { useId, useState } from "react";
import { call, type Answer } from "./api";
import { Copy } from "./copy";
import { Form, Input } from "./form";
import { useOperation } from "./operation";
import * as passkey from "./passkey";
import { Heading, Obstacle } from "./proofs";
import { Qr } from "@portcullis/ui/qr";
import * as session from "./session";
import { words } from "./words";

type Secret = { secret: string; otpauthUrl: string };

async function start(enrollment?: string) {
  const answer = await call<{ startTotpEnrollment: Secret }>("startTotpEnrollment", { input: { enrollment } });
  session.abandonIfOver(answer);
  return answer;
}

type Confirmed = { confirmTotpEnrollment: { recoveryCodes: string[] | null } | null };
const confirm = (input: passkey.Enrolling & { code?: string }) => call<Confirmed>("confirmTotpEnrollment", { input });

/** Shows what has come of a second factor that was set up. */
export async function showEnrolled(recoveryCodes: string[] | null, ...said: string[]) {
  await session.ask();
  session.showRecoveryCodes(recoveryCodes);
  session.say(said.join(" "));
}

/** Sets an app up. It begins by `begin`, and goes on in the form. */
export function useAppSetUp(enrolling?: session.EnrollmentRequired) {
  const { failure, isBusy, run } = useOperation();
  const [secret, setSecret] = useState<Secret | null>(null);
  const begin = () => void run(() => start(enrolling?.enrollment), (data) => setSecret(data.startTotpEnrollment));
  const send = async (values: Record<string, string>) => {
    const answer = await confirm({ ...values, enrollment: enrolling?.enrollment });
    session.abandonIfOver(answer);
    if (answer.errors?.[0]?.extensions?.reason === "NOT_ENROLLING") return { errors: [{ message: words.setUpOver }] };
    const confirmed = answer.data?.confirmTotpEnrollment;
    if (confirmed) {
      setSecret(null);
      await showEnrolled(confirmed.recoveryCodes, words.appConfirmed, ...outcome(confirmed.recoveryCodes, enrolling));
    }
    return answer;
  };
  const form = secret && <Confirmation secret={secret} isCodeMailed={enrolling?.codeMailed} send={send} cancel={() => setSecret(null)} />;
  return { begin, isBusy, failure, form };
}

/** What is different from now on: there are recovery codes when the second factor was off before. */
export const outcome = (recoveryCodes: string[] | null, enrolling?: session.EnrollmentRequired) => [
  ...(recoveryCodes ? [words.turnedOn] : []),
  ...(recoveryCodes && !enrolling ? [words.othersEnded] : []),
];

/** Gives a secret to an app, and asks for the first code that it makes of it. */
function Confirmation({ secret: { secret, otpauthUrl }, isCodeMailed, send, cancel }: {
  secret: Secret; isCodeMailed?: boolean; send: (values: Record<string, string>) => Promise<Answer<unknown>>; cancel: () => void;
}) {
  const id = useId();
  return (
    <section className="pc-notice" aria-labelledby={id}>
      <Heading id={id}>{words.app}</Heading>
      <p>{words.scan}</p>
      <Qr text={otpauthUrl} label={words.qr} />
      <a href={otpauthUrl}>{words.openApp}</a>
      <p>{words.byHand}</p>
      <div className="pc-row">
        <code className="pc-secret">{secret.match(/.{1,4}/g)?.join(" ")}</code>
        <Copy key={secret} text={secret} />
      </div>
      <Form title={words.app} button={words.confirm} send={send}>
        {(failureOf) => <>
          {isCodeMailed && <MailedCode failure={failureOf("mailedCode")} />}
          <Input label={words.codeNow} name="code" autoComplete="one-time-code" inputMode="numeric" required failure={failureOf("code")} />
        </>}
      </Form>
      <button className="pc-button" onClick={cancel}>{words.cancel}</button>
    </section>
  );
}

const MailedCode = ({ failure }: { failure?: string }) => (
  <Input label={words.mailedCode} name="mailedCode" autoComplete="off" inputMode="numeric" required failure={failure} />
);

/** Sets up the second factor that the server requires at this sign-in. */
export function Enrollment({ enrolling }: { enrolling: session.EnrollmentRequired }) {
  const { features } = session.useSession();
  const [isPasskey, setPasskey] = useState(false);
  const id = useId();
  return (
    <section aria-labelledby={id}>
      <Heading id={id}>{words.enrolTitle}</Heading>
      <p>{words.enrol}</p>
      <Obstacle />
      {!passkey.obstacle(features) && (
        <div className="pc-tabs" role="group" aria-label={words.enrolWay}>
          <button className="pc-button" aria-pressed={!isPasskey} onClick={() => setPasskey(false)}>{words.app}</button>
          <button className="pc-button" aria-pressed={isPasskey} onClick={() => setPasskey(true)}>{words.ways.PASSKEY}</button>
        </div>
      )}
      {isPasskey ? <PasskeyCreation enrolling={enrolling} /> : <AppSetUp enrolling={enrolling} />}
    </section>
  );
}

function AppSetUp({ enrolling }: { enrolling: session.EnrollmentRequired }) {
  const { begin, isBusy, failure, form } = useAppSetUp(enrolling);
  return (
    <>
      {form ?? <button className="pc-button" disabled={isBusy} onClick={begin}>{words.setUpApp}</button>}
      {failure && <p className="pc-failure" role="alert">{failure}</p>}
    </>
  );
}

function PasskeyCreation({ enrolling }: { enrolling: session.EnrollmentRequired }) {
  const { enrollment, codeMailed } = enrolling;
  const send = async ({ mailedCode }: Record<string, string>) => {
    const answer = await passkey.register({ enrollment, mailedCode });
    session.abandonIfOver(answer);
    const registered = answer.data?.finishPasskeyRegistration;
    if (registered) {
      const { passkey: { name }, recoveryCodes } = registered;
      await showEnrolled(recoveryCodes, words.passkeyAdded(name), ...outcome(recoveryCodes, enrolling));
    }
    return answer;
  };
  return (
    <Form title={words.createPasskey} button={words.createPasskey} send={send}>
      {(failureOf) => codeMailed && <MailedCode failure={failureOf("mailedCode")} />}
    </Form>
  );
}
