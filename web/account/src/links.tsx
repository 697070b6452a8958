// Links that verify an address, or give an account its old one back.

import { PortcullisError, requestEmailVerification, undoEmailChange, verifyEmail } from "@portcullis/client";
import { useSession } from "@portcullis/client/react";
import { Button, ButtonLink, Form, Notice, PasswordField, site, Submit, TextField } from "@portcullis/ui";
import { useState } from "react";
import { Frame, Heading } from "./frame";
import { NewPassword } from "./register";
import { session, useServer, type Me } from "./session";
import { forgetToken, Onward, tokenOfLink } from "./token";
import { UsernameField } from "./username";
import { words } from "./words";

type Outcome = "DONE" | "DONE_BEFORE" | "gone";

const isGone = (failure: unknown) => failure instanceof PortcullisError && failure.code === "INVALID_TOKEN";

export function VerifyEmail() {
  const [token] = useState(tokenOfLink);
  const [outcome, setOutcome] = useState<Outcome>(token ? "DONE" : "gone");
  const [isOver, setOver] = useState(!token);
  const done = (outcome: Outcome) => {
    forgetToken();
    setOutcome(outcome);
    setOver(true);
  };
  if (!isOver) return <Frame><Verify token={token!} done={done} /></Frame>;
  if (outcome === "gone") return <Frame><AnotherLink /></Frame>;
  return (
    <Frame>
      <Heading>{words.verified}</Heading>
      <Notice kind="good"><p>{outcome === "DONE" ? words.verifiedNow : words.verifiedBefore}</p></Notice>
      <Onward main />
    </Frame>
  );
}

/** How somebody shows that the account is theirs: they are signed in to it, know its password, or choose another one. */
function Verify({ token, done }: { token: string; done: (outcome: Outcome) => void }) {
  const { user } = useSession<Me>();
  const [claim, setClaim] = useState<"session" | "password" | "newPassword">(user ? "session" : "password");
  const [isTaken, setTaken] = useState(false);
  const submit = async (entered: Record<string, string>) => {
    const { password, newPassword, username } = entered;
    try {
      const { outcome } = await verifyEmail(session, { token, password: password || null, newPassword: newPassword || null, username: username || null });
      await session.load();
      done(outcome);
    } catch (failure) {
      if (isGone(failure)) return done("gone");
      // The session was of another account.
      if (claim === "session" && failure instanceof PortcullisError) return setClaim("password");
      if (failure instanceof PortcullisError && failure.field("username")) setTaken(true);
      throw failure;
    }
  };
  return (
    <>
      <Heading>{words.verify}</Heading>
      <p>{{ session: words.verifySession(user?.username ?? ""), password: words.verifyPassword, newPassword: words.verifyAnew }[claim]}</p>
      <Form key={claim} submit={submit}>
        {isTaken && <UsernameField />}
        {claim === "password" && <PasswordField label={words.password} autoComplete="current-password" autoFocus />}
        {claim === "newPassword" && <NewPassword autoFocus />}
        <Submit wide>{words.confirm}</Submit>
      </Form>
      {claim === "password" && <Button quiet wide onClick={() => setClaim("newPassword")}>{words.notMyPassword}</Button>}
      {claim === "newPassword" && <Button quiet wide onClick={() => setClaim("password")}>{words.knowPassword}</Button>}
      {claim === "session" && <Button quiet wide onClick={() => setClaim("password")}>{words.otherAccount}</Button>}
    </>
  );
}

function AnotherLink() {
  const { features } = useServer();
  const [isSent, setSent] = useState(false);
  return (
    <>
      <Heading>{words.linkGone}</Heading>
      <p>{words.verifyGone}</p>
      {isSent && <div role="status"><Notice kind="good"><p>{words.verificationMailed}</p></Notice></div>}
      {!isSent && features.includes("MAIL") && (
        <Form submit={async ({ email }) => {
          await requestEmailVerification(session, email!);
          setSent(true);
        }}>
          <TextField name="email" type="email" label={words.email} autoComplete="email" />
          <Submit wide>{words.sendLink}</Submit>
        </Form>
      )}
      <Onward />
    </>
  );
}

export function UndoEmailChange() {
  const [token] = useState(tokenOfLink);
  const [outcome, setOutcome] = useState<Outcome | null>(token ? null : "gone");
  if (outcome === "gone") {
    return <Frame><Heading>{words.linkGone}</Heading><p>{words.undoGone}</p><Onward /></Frame>;
  }
  if (outcome) {
    return (
      <Frame>
        <Heading>{words.undone}</Heading>
        <Notice kind="good"><p>{words.undoneNow}</p></Notice>
        <ButtonLink main wide to={site.isWhole ? "/account/recover" : "/account/reset-password"}>{words.chooseNew}</ButtonLink>
      </Frame>
    );
  }
  return (
    <Frame>
      <Heading>{words.undo}</Heading>
      <p>{words.undoEffect}</p>
      <Form submit={async () => {
        try {
          const { outcome } = await undoEmailChange(session, token!);
          await session.load();
          forgetToken();
          setOutcome(outcome);
        } catch (failure) {
          if (!isGone(failure)) throw failure;
          setOutcome("gone");
        }
      }}>
        <Submit wide>{words.undoNow}</Submit>
      </Form>
    </Frame>
  );
}
