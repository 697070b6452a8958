import { useEffect, useState } from "react";

let asked: Promise<string | null> | null = null;

/** The schema with its directives, which introspection does not show; null where it is not served. */
function sdl() {
  asked ??= fetch("/schema.graphql").then(
    (response) => (response.ok ? response.text() : null),
    () => {
      // The server is away: to be asked again.
      asked = null;
      return null;
    },
  );
  return asked;
}

/** The same for a component: undefined while it is on its way. */
export function useSdl() {
  const [text, setText] = useState<string | null | undefined>(undefined);
  useEffect(() => void sdl().then(setText), []);
  return text;
}
