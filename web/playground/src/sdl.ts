import { useEffect, useState } from "react";
import { identity, useCaller } from "./session";

let asked: { caller: string; text: Promise<string | null> } | null = null;

/**
 * The schema with its directives, which introspection does not show, as far as the caller may see it; null
 * where it is not served.
 */
function sdl(caller: string) {
  if (asked?.caller !== caller) asked = { caller, text: load() };
  return asked.text;
}

async function load() {
  try {
    const response = await fetch("../schema.graphql", { headers: identity() });
    return response.ok ? await response.text() : null;
  } catch {
    // The server is away: to be asked again.
    asked = null;
    return null;
  }
}

/** The same for a component: undefined while it is on its way. */
export function useSdl() {
  const caller = useCaller();
  const [text, setText] = useState<string | null | undefined>(undefined);
  useEffect(() => {
    let isCurrent = true;
    void sdl(caller).then((text) => isCurrent && setText(text));
    return () => void (isCurrent = false);
  }, [caller]);
  return text;
}
