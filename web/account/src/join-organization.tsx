// An invitation to an organization, for the account with the address that it was mailed to.

import { PortcullisError } from "@portcullis/client";
import { useSession } from "@portcullis/client/react";
import { Button, ButtonLink, Failure, Form, Link, Notice, site, Submit, useAct } from "@portcullis/ui";
import { useState } from "react";
import { Frame, Heading } from "./frame";
import { session, useServer, type Me } from "./session";
import { PasswordSignIn, SignInSteps } from "./sign-in";
import { forgetToken, Onward, tokenOfLink } from "./token";
import { words } from "./words";

const ACCEPT = "mutation($input:AcceptInvitationInput!){acceptInvitation(input:$input){organization{id name}}}";

export function JoinOrganization() {
  const { user } = useSession<Me>();
  const { features } = useServer();
  const [token] = useState(tokenOfLink);
  const [over, setOver] = useState<{ id: string; name: string } | "gone" | "used" | null>(token ? null : "gone");
  const [isElse, setElse] = useState(false);
  const [isSigningIn, setSigningIn] = useState(!user);
  const [beganHere, setBeganHere] = useState(false);
  const { isBusy, failure, act } = useAct();
  const change = () => act(async () => {
    await session.signOut();
    setElse(false);
    setSigningIn(true);
  });
  if (over === "gone" || over === "used") {
    return (
      <Frame>
        <Heading>{over === "used" ? words.linkUsed : words.linkGone}</Heading>
        <p>{over === "used" ? words.joinUsed : words.invitationGone}</p>
        <Onward main />
      </Frame>
    );
  }
  if (over) {
    return (
      <Frame>
        <Heading>{words.joined(over.name)}</Heading>
        <Notice kind="good"><p>{words.joinedNow}</p></Notice>
        {site.isWhole ? <ButtonLink main wide to={`/account/organizations/${over.id}`}>{words.showOrganization}</ButtonLink> : <Onward />}
      </Frame>
    );
  }
  if (!user || isSigningIn) {
    return (
      <Frame>
        <SignInSteps done={() => {
          setBeganHere(true);
          setSigningIn(false);
        }}>
          {(next) => (
            <>
              <Heading>{words.join}</Heading>
              <p>{words.joinHow}</p>
              <PasswordSignIn next={next} />
              {features.includes("OPEN_REGISTRATION") && site.isWhole && <p>{words.joinRegister} <Link to="/account/register">{words.createOne}</Link></p>}
            </>
          )}
        </SignInSteps>
      </Frame>
    );
  }
  return (
    <Frame>
      <Heading>{words.join}</Heading>
      {isElse
        ? <Notice kind="warning"><p>{words.joinElse(user.email)}</p></Notice>
        : <p>{words.joinAs(user.username, user.email)}</p>}
      {!isElse && (
        <Form submit={async () => {
          try {
            const { acceptInvitation } = await session.request(ACCEPT, { input: { token } });
            forgetToken();
            // Without account pages nobody uses a session that began here.
            if (beganHere && !site.isWhole) await session.signOut();
            setOver(acceptInvitation.organization);
          } catch (failure) {
            if (!(failure instanceof PortcullisError) || failure.code !== "INVALID_TOKEN") throw failure;
            if (failure.reason === "USED") setOver("used");
            else setElse(true);
          }
        }}>
          <Submit wide>{words.joinNow}</Submit>
        </Form>
      )}
      <Failure failure={failure} />
      <Button wide main={isElse} isBusy={isBusy} onClick={change}>{words.useAnother}</Button>
      {isElse && <Onward />}
    </Frame>
  );
}
