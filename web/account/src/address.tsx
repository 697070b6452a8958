// The email address: verifying it and changing it.

import { requestEmailVerification } from "@portcullis/client";
import { Button, Card, exactly, Failure, Form, Notice, Submit, TextField, useAct } from "@portcullis/ui";
import { useState } from "react";
import { Heading } from "./frame";
import { change, session, useMe, useServer } from "./session";
import { words } from "./words";

const CHANGE = "mutation($input:ChangeEmailInput!){changeEmail(input:$input){linkExpiresIn}}";

export function Address() {
  const { email, emailVerified, pendingEmailChange } = useMe();
  const { features } = useServer();
  return (
    <>
      <Heading>{words.sections.address}</Heading>
      <Card>
        <div className="between">
          <p className="break">{email}</p>
          <span className={emailVerified ? "badge badge-good" : "badge badge-warning"}>{emailVerified ? words.isVerified : words.isNotVerified}</span>
        </div>
      </Card>
      {!emailVerified && <VerificationNotice />}
      {pendingEmailChange && (
        <Notice>
          <p>{words.addressPendingUntil(pendingEmailChange.newEmail, exactly(pendingEmailChange.expiresAt))}</p>
          <p className="small quiet">{words.addressPendingHow}</p>
        </Notice>
      )}
      {features.includes("MAIL")
        ? (
          <Card title={words.changeAddress} about={words.changeAddressHow}>
            <Form key={pendingEmailChange?.expiresAt} submit={({ newEmail }) => change(CHANGE, { newEmail })}>
              <TextField name="newEmail" type="email" label={words.newAddress} autoComplete="email" />
              <div className="row"><Submit>{words.sendLink}</Submit></div>
            </Form>
          </Card>
        )
        : <Notice><p>{words.noMailServer}</p></Notice>}
    </>
  );
}

/** The address is not verified yet: sends another link. */
export function VerificationNotice() {
  const { email } = useMe();
  const { features } = useServer();
  const [isSent, setSent] = useState(false);
  const { isBusy, failure, act } = useAct();
  return (
    <Notice kind="warning">
      <p>{words.unverified(email)}</p>
      <div role="status">{isSent && <p><strong>{words.verificationMailed}</strong></p>}</div>
      {!isSent && features.includes("MAIL") && (
        <Button small isBusy={isBusy} onClick={() => act(async () => {
          await requestEmailVerification(session, email);
          setSent(true);
        })}>{words.sendLink}</Button>
      )}
      <Failure failure={failure} />
    </Notice>
  );
}
