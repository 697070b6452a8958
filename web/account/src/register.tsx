// Creating an account, where everybody may.

import { register } from "@portcullis/client";
import { useSession } from "@portcullis/client/react";
import { ButtonLink, Form, Link, PasswordField, Submit, TextField } from "@portcullis/ui";
import { useState } from "react";
import { Frame, Heading } from "./frame";
import { ProviderButtons } from "./providers";
import { session, useServer } from "./session";
import { goOn, SignInSteps } from "./sign-in";
import { UsernameField } from "./username";
import { words } from "./words";

export function Register() {
  const { registration, providers } = useServer();
  const { status } = useSession();
  const [wasUser] = useState(status === "user");
  if (wasUser) {
    return <Frame><Heading>{words.signedInAlready}</Heading><p>{words.haveAccount}</p><ButtonLink main wide to="/account">{words.toAccount}</ButtonLink></Frame>;
  }
  if (registration !== "OPEN") {
    return (
      <Frame>
        <Heading>{words.register}</Heading>
        <p>{registration === "INVITE" ? words.byInvitation : words.closed}</p>
        <ButtonLink main wide to="/account/sign-in">{words.signIn}</ButtonLink>
      </Frame>
    );
  }
  return (
    <Frame>
      <SignInSteps done={() => goOn()}>
        {(next) => (
          <>
            <Heading>{words.register}</Heading>
            <Form submit={async ({ username, email, fullName, password }) =>
              next(await register(session, { username: username!, email: email!, fullName: fullName || null, password: password! }))}>
              <UsernameField autoFocus />
              <TextField name="email" type="email" label={words.email} autoComplete="email" />
              <TextField name="fullName" label={words.fullName} autoComplete="name" maxLength={100} required={false} />
              <NewPassword name="password" />
              <Submit wide>{words.create}</Submit>
            </Form>
            {providers.length > 0 && <><p className="or">{words.or}</p><div className="stack-tight"><ProviderButtons /></div></>}
            <p>{words.haveOne} <Link to="/account/sign-in">{words.signIn}</Link></p>
          </>
        )}
      </SignInSteps>
    </Frame>
  );
}

/** A field for a password that somebody chooses, with the rules of the server. */
export function NewPassword({ name = "newPassword", label = words.newPassword, ...others }: { name?: string; label?: string; autoFocus?: boolean }) {
  const { lengthMin, lengthMax } = useServer().password;
  return <PasswordField name={name} label={name === "password" ? words.password : label} hint={words.passwordRules(lengthMin)} minLength={lengthMin} maxLength={lengthMax} autoComplete="new-password" {...others} />;
}
