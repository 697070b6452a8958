// Proofs of who somebody is: to complete a sign-in, and again before something that matters.

import { completeSignIn, passkeyObstacle, passkeyProof, PortcullisError, type Factor, type Proof, type SecondFactorRequired } from "@portcullis/client";
import { Button, CodeField, Failure, Form, icons, PasswordField, plain, Submit, TextField, useAct } from "@portcullis/ui";
import { useState } from "react";
import { Heading } from "./frame";
import { isCancelled, ProviderButtons } from "./providers";
import { session } from "./session";
import { words } from "./words";

/** The best one first. */
const ORDER: Factor[] = ["PASSKEY", "TOTP", "PASSWORD", "RECOVERY_CODE", "PROVIDER"];

/** Shows how to give one of these proofs, and lets somebody choose another one. */
export function Proofs({ factors, challenge, prove }: { factors: readonly Factor[]; challenge?: string; prove: (proof: Proof) => Promise<unknown> }) {
  const usable = ORDER.filter((factor) => factors.includes(factor) && (factor !== "PASSKEY" || !passkeyObstacle()));
  const [chosen, choose] = useState(usable[0]);
  if (!chosen) return <p>{words.noUsableFactor}</p>;
  return (
    <div className="stack">
      {usable.length > 1 && (
        <div className="tabs" role="group" aria-label={words.proof}>
          {usable.map((factor) => (
            <Button key={factor} small aria-pressed={factor === chosen} onClick={() => choose(factor)}>{words.factors[factor]}</Button>
          ))}
        </div>
      )}
      <ProofForm key={chosen} factor={chosen} challenge={challenge} prove={prove} />
    </div>
  );
}

function ProofForm({ factor, challenge, prove }: { factor: Factor; challenge: string | undefined; prove: (proof: Proof) => Promise<unknown> }) {
  const { isBusy, failure, act } = useAct();
  switch (factor) {
    case "PASSKEY":
      return (
        <div className="form">
          <Button main wide isBusy={isBusy} onClick={() => act(async () => prove(await passkeyProof(session, challenge)))}>
            <icons.Passkey />{words.usePasskey}
          </Button>
          <Failure failure={failure}>{isCancelled(failure) ? <p>{words.noPasskeyUsed}</p> : undefined}</Failure>
        </div>
      );
    case "TOTP":
      return (
        <Form submit={({ totp }) => prove({ totp: totp!.replace(/\s/g, "") })}>
          <CodeField name="totp" label={words.totp} hint={words.totpWhere} inputMode="numeric" autoFocus />
          <Submit wide>{words.confirm}</Submit>
        </Form>
      );
    case "RECOVERY_CODE":
      return (
        <Form submit={({ recoveryCode }) => prove({ recoveryCode: recoveryCode! })}>
          <TextField name="recoveryCode" label={words.recoveryCode} hint={words.recoveryCodeWhere} className="input mono" autoComplete="off" autoFocus {...plain} />
          <Submit wide>{words.confirm}</Submit>
        </Form>
      );
    case "PASSWORD":
      return (
        <Form submit={({ password }) => prove({ password: password! })}>
          <PasswordField label={words.password} autoComplete="current-password" autoFocus />
          <Submit wide>{words.confirm}</Submit>
        </Form>
      );
    case "PROVIDER":
      return <ProviderButtons purpose="Reauthentication" only={({ canReauthenticate }) => canReauthenticate} />;
  }
}

/** The second step of a sign-in. */
export function ProveToSignIn({ required, done, startAgain }: { required: SecondFactorRequired; done: () => void; startAgain: () => void }) {
  const [isOver, setOver] = useState(false);
  const prove = async (proof: Proof) => {
    try {
      await completeSignIn(session, required.challenge, proof);
    } catch (failure) {
      if (failure instanceof PortcullisError && failure.code === "INVALID_TOKEN") return setOver(true);
      throw failure;
    }
    done();
  };
  if (isOver) {
    return <><Heading>{words.tookTooLong}</Heading><Button main wide onClick={startAgain}>{words.startAgain}</Button></>;
  }
  return (
    <>
      <Heading>{words.secondStep}</Heading>
      <p>{words.secondStepWhy}</p>
      <Proofs factors={required.factors} challenge={required.challenge} prove={prove} />
      <Button quiet onClick={startAgain}>{words.startAgain}</Button>
    </>
  );
}
