// The name, the username, the language of mails and the picture.

import { Card, Form, Select, Submit, TextField } from "@portcullis/ui";
import { Heading } from "./frame";
import { useSaved } from "./saved";
import { change, useMe } from "./session";
import { UsernameField } from "./username";
import { words } from "./words";

const UPDATE = "mutation($input:UpdateProfileInput!){updateProfile(input:$input){user{id}}}";
const CHOOSE = "mutation($input:ChooseUsernameInput!){chooseUsername(input:$input){user{id}}}";

export function Profile() {
  const { username, fullName, avatarUrl, locale, mayChooseUsername } = useMe();
  const { tell, saved } = useSaved();
  return (
    <>
      <Heading>{words.sections.profile}</Heading>
      <Card>
        <Form submit={async ({ fullName, locale, avatarUrl }) => {
          tell(null);
          await change(UPDATE, { fullName: fullName || null, locale, avatarUrl: avatarUrl || null });
          tell(words.saved);
        }}>
          <TextField name="fullName" label={words.fullName} autoComplete="name" maxLength={100} defaultValue={fullName ?? ""} required={false} />
          <Select name="locale" label={words.locale} hint={words.localeWhy} defaultValue={locale ?? "EN"}>
            <option value="EN">English</option>
            <option value="DE">Deutsch</option>
          </Select>
          <TextField name="avatarUrl" type="url" label={words.picture} hint={words.pictureWhy} defaultValue={avatarUrl ?? ""} required={false} />
          <div className="row"><Submit>{words.save}</Submit></div>
          {saved}
        </Form>
      </Card>
      <Card title={words.username} about={mayChooseUsername ? words.chooseUsernameOnce : undefined}>
        {mayChooseUsername
          ? (
            <Form submit={({ username }) => change(CHOOSE, { username })}>
              <UsernameField current={username} />
              <div className="row"><Submit>{words.chooseUsername}</Submit></div>
            </Form>
          )
          : <p className="break">{username}</p>}
      </Card>
    </>
  );
}
