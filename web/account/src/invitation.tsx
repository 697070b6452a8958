// An invitation to create an account.

import { acceptUserInvitation, PortcullisError } from "@portcullis/client";
import { useSession } from "@portcullis/client/react";
import { Button, Failure, Form, site, Submit, TextField, useAct } from "@portcullis/ui";
import { useState } from "react";
import { Frame, Heading } from "./frame";
import { NewPassword } from "./register";
import { session, type Me } from "./session";
import { goOn, SignInSteps } from "./sign-in";
import { forgetToken, Onward, tokenOfLink } from "./token";
import { UsernameField } from "./username";
import { words } from "./words";

export function AcceptInvitation() {
  const { user } = useSession<Me>();
  const [token] = useState(tokenOfLink);
  const [over, setOver] = useState<"done" | "gone" | "used" | null>(token ? null : "gone");
  // Only somebody who is signed in from the beginning is somebody else.
  const [other, setOther] = useState(user);
  const { isBusy, failure, act } = useAct();
  if (over) {
    return (
      <Frame>
        <Heading>{{ done: words.accountReady, gone: words.linkGone, used: words.linkUsed }[over]}</Heading>
        <p>{{ done: words.accountReadyWhy, gone: words.invitationGone, used: words.invitationUsed }[over]}</p>
        <Onward main />
      </Frame>
    );
  }
  if (other) {
    return (
      <Frame>
        <Heading>{words.invited}</Heading>
        <p>{words.invitedElse(other.username)}</p>
        <Failure failure={failure} />
        <Button main wide isBusy={isBusy} onClick={() => act(async () => {
          await session.signOut();
          setOther(null);
        })}>{words.signOutAndGoOn}</Button>
        <Onward />
      </Frame>
    );
  }
  const done = async () => {
    forgetToken();
    if (site.isWhole) return goOn();
    // Nobody uses a session that began here.
    await session.signOut();
    setOver("done");
  };
  return (
    <Frame>
      <SignInSteps done={() => void done()}>
        {(next) => (
          <>
            <Heading>{words.invited}</Heading>
            <p>{words.invitedHow}</p>
            <Form submit={async ({ username, fullName, password }) => {
              try {
                next(await acceptUserInvitation(session, { token: token!, username: username!, fullName: fullName || null, password: password! }));
              } catch (failure) {
                if (!(failure instanceof PortcullisError) || failure.code !== "INVALID_TOKEN") throw failure;
                setOver(failure.reason === "USED" ? "used" : "gone");
              }
            }}>
              <UsernameField autoFocus />
              <TextField name="fullName" label={words.fullName} autoComplete="name" maxLength={100} required={false} />
              <NewPassword name="password" />
              <Submit wide>{words.create}</Submit>
            </Form>
          </>
        )}
      </SignInSteps>
    </Frame>
  );
}
