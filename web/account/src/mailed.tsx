// A mail is on its way.

import { requestEmailVerification } from "@portcullis/client";
import { Button, Failure, Notice, useAct } from "@portcullis/ui";
import { useState } from "react";
import { Heading } from "./frame";
import { session } from "./session";
import { words } from "./words";

/** Says where to look, and sends another mail. */
export function MailedLink({ email, startAgain }: { email: string; startAgain: () => void }) {
  const [isSentAgain, setSentAgain] = useState(false);
  const { isBusy, failure, act } = useAct();
  return (
    <>
      <Heading>{words.lookAtMail}</Heading>
      <p>{words.mailedTo(email)}</p>
      <p className="quiet small">{words.noMail}</p>
      <Failure failure={failure} />
      {isSentAgain
        ? <div role="status"><Notice kind="good"><p>{words.sentAgain}</p></Notice></div>
        : <Button wide isBusy={isBusy} onClick={() => act(async () => {
            await requestEmailVerification(session, email);
            setSentAgain(true);
          })}>{words.sendAgain}</Button>}
      <Button quiet onClick={startAgain}>{words.startAgain}</Button>
    </>
  );
}
