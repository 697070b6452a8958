// Changing the password, or choosing the first one.

import { changePassword, setPassword } from "@portcullis/client";
import { Card, Form, Link, PasswordField, Submit } from "@portcullis/ui";
import { useState } from "react";
import { Heading } from "./frame";
import { NewPassword } from "./register";
import { useSaved } from "./saved";
import { session, useMe, useServer } from "./session";
import { words } from "./words";

export function Password() {
  const { hasPassword, username } = useMe();
  const { features } = useServer();
  const { tell, saved } = useSaved();
  // Another form for the next change: nothing of this one stays in it.
  const [count, setCount] = useState(0);
  return (
    <>
      <Heading>{words.sections.password}</Heading>
      <Card>
        {!hasPassword && <p className="quiet">{words.noPassword}</p>}
        <Form key={count} submit={async ({ currentPassword, newPassword }) => {
          tell(null);
          await session.run(() => (hasPassword
            ? changePassword(session, { currentPassword: currentPassword!, newPassword: newPassword! })
            : setPassword(session, { newPassword: newPassword! })));
          await session.load();
          setCount(count + 1);
          tell(words.passwordSaved);
        }}>
          <input type="text" name="username" autoComplete="username" value={username} readOnly hidden />
          {hasPassword && <PasswordField name="currentPassword" label={words.currentPassword} autoComplete="current-password" />}
          <NewPassword />
          <div className="row">
            <Submit>{hasPassword ? words.changePassword : words.setPassword}</Submit>
            {hasPassword && features.includes("MAIL") && <Link to="/account/recover">{words.forgotten}</Link>}
          </div>
          {saved}
        </Form>
      </Card>
    </>
  );
}
