// A field for a username that says while one types whether it can be had.

import { PortcullisError } from "@portcullis/client";
import { plain, TextField } from "@portcullis/ui";
import { useEffect, useState } from "react";
import { session } from "./session";
import { words } from "./words";

const AVAILABILITY = "query($username:String!){usernameAvailability(username:$username){available message}}";
/** Shorter ones are no usernames. */
const LENGTH_MIN = 3;
const PAUSE_MS = 400;

export function UsernameField({ current, ...others }: { current?: string; autoFocus?: boolean }) {
  const [username, setUsername] = useState(current ?? "");
  const [answer, setAnswer] = useState<{ available: boolean; message: string | null } | null>(null);
  useEffect(() => {
    setAnswer(null);
    if (username.length < LENGTH_MIN || username === current) return;
    let isStale = false;
    const timer = setTimeout(async () => {
      try {
        const { usernameAvailability } = await session.request(AVAILABILITY, { username });
        if (!isStale) setAnswer(usernameAvailability);
      } catch (failure) {
        // The form itself tells whatever matters.
        if (!(failure instanceof PortcullisError)) return;
      }
    }, PAUSE_MS);
    return () => {
      isStale = true;
      clearTimeout(timer);
    };
  }, [username, current]);
  return (
    <TextField name="username" label={words.username} hint={words.usernameRules} autoComplete="username" maxLength={64} {...plain} {...others}
      defaultValue={current} onInput={(event) => setUsername(event.currentTarget.value)}
      fine={answer?.available ? words.isAvailable : undefined} error={answer && !answer.available ? answer.message ?? undefined : undefined} />
  );
}
