// A forgotten password: asking for a link, and choosing another one by it.

import { PortcullisError, requestPasswordReset, resetPassword } from "@portcullis/client";
import { Button, ButtonLink, Form, Notice, plain, site, Submit, TextField, wait } from "@portcullis/ui";
import { useState } from "react";
import { Frame, Heading } from "./frame";
import { NewPassword } from "./register";
import { session, useServer } from "./session";
import { forgetToken, Onward, tokenOfLink } from "./token";
import { words } from "./words";

export function Recover() {
  const [token, setToken] = useState(tokenOfLink);
  return <Frame>{token ? <Reset token={token} again={() => setToken(null)} /> : <Request />}</Frame>;
}

function Request() {
  const { features } = useServer();
  const [sent, setSent] = useState<{ seconds: number; to: string } | null>(null);
  if (!features.includes("MAIL")) {
    return <><Heading>{words.recover}</Heading><p>{words.noRecovery}</p></>;
  }
  if (sent) {
    return (
      <>
        <Heading>{words.lookAtMail}</Heading>
        <p>{words.resetMailed(sent.to, wait(sent.seconds))}</p>
        <p className="quiet small">{words.noMail}</p>
        {site.isWhole && <ButtonLink wide to="/account/sign-in">{words.backToSignIn}</ButtonLink>}
      </>
    );
  }
  return (
    <>
      <Heading>{words.recover}</Heading>
      <p>{words.recoverHow}</p>
      <Form submit={async ({ identifier }) => {
        const { linkExpiresIn } = await requestPasswordReset(session, identifier!);
        setSent({ seconds: linkExpiresIn, to: identifier! });
      }}>
        <TextField name="identifier" label={words.identifier} autoComplete="username" autoFocus {...plain} />
        <Submit wide>{words.sendLink}</Submit>
      </Form>
      {site.isWhole && <ButtonLink quiet to="/account/sign-in">{words.backToSignIn}</ButtonLink>}
    </>
  );
}

function Reset({ token, again }: { token: string; again: () => void }) {
  const [outcome, setOutcome] = useState<{ username: string } | "gone" | "used" | null>(null);
  if (outcome === "gone" || outcome === "used") {
    return (
      <>
        <Heading>{outcome === "used" ? words.linkUsed : words.linkGone}</Heading>
        <p>{outcome === "used" ? words.resetUsed : words.resetGone}</p>
        <Button main wide onClick={again}>{words.askForLink}</Button>
        <Onward />
      </>
    );
  }
  if (outcome) {
    return (
      <>
        <Heading>{words.passwordChanged}</Heading>
        <Notice kind="good"><p>{words.resetDone(outcome.username)}</p></Notice>
        <Onward main />
      </>
    );
  }
  return (
    <>
      <Heading>{words.chooseNew}</Heading>
      <p>{words.resetEffect}</p>
      <Form submit={async ({ newPassword }) => {
        try {
          const reset = await resetPassword(session, { token, newPassword: newPassword! });
          forgetToken();
          await session.load();
          setOutcome(reset);
        } catch (failure) {
          if (!(failure instanceof PortcullisError) || failure.code !== "INVALID_TOKEN") throw failure;
          forgetToken();
          setOutcome(failure.reason === "USED" ? "used" : "gone");
        }
      }}>
        <NewPassword autoFocus />
        <Submit wide>{words.save}</Submit>
      </Form>
    </>
  );
}
