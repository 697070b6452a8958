// Says for a while that something has been saved.

import { Notice } from "@portcullis/ui";
import { useState, type ReactNode } from "react";

/** Keeps what to say; it stands where a screen reader hears it. */
export function useSaved() {
  const [told, tell] = useState<ReactNode>(null);
  return { tell, saved: <div role="status">{told && <Notice kind="good"><p>{told}</p></Notice>}</div> };
}
