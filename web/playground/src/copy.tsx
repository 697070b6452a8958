import { useState } from "react";
import { words } from "./words";

/** A button that copies a text. Give it the text as its key, so that another is not called copied. */
export function Copy({ text }: { text: string }) {
  const [said, setSaid] = useState(words.copy);
  const copy = async () => {
    // Not on plain http beyond this machine, nor where it is forbidden.
    const copying = navigator.clipboard?.writeText(text) ?? Promise.reject();
    await copying.then(() => setSaid(words.copied), () => setSaid(words.notCopied));
  };
  return <button className="pc-button" onClick={() => void copy()}>{said}</button>;
}
