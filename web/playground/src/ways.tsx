// How other clients send an example: the requests that mean the same as its text in a POST.

import { stripIgnoredCharacters } from "graphql";
import { useEffect, useState } from "react";
import { ENDPOINT } from "./api";
import { Copy } from "./copy";

export type Opened = { operation: string; query: string; variables: object; isPublic: boolean };

export function Ways({ example }: { example: Opened }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details className="pc-ways" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Other ways to send it</summary>
      {isOpen && <>
        {example.operation === "query" && <Way title="By GET" text={byGet(example)} />}
        {example.operation === "subscription" && <Way title="As server-sent events" text={asEvents(example)} />}
        <ById example={example} />
      </>}
    </details>
  );
}

function Way({ title, text }: { title: string; text: string }) {
  return (
    <div className="pc-way" role="group" aria-label={title}>
      <div><span>{title}</span><Copy key={text} text={text} /></div>
      <code>{text}</code>
    </div>
  );
}

/** The bodies for a document that the server has in its DOCUMENTS_FILE, by the hash of its text. */
function ById({ example: { query, variables } }: { example: Opened }) {
  const [hash, setHash] = useState<string | null>(null);
  useEffect(() => {
    let isCurrent = true;
    void sha256(query)?.then((hash) => isCurrent && setHash(hash));
    return () => void (isCurrent = false);
  }, [query]);
  // Browsers compute no hash for a page that came by plain http.
  if (!hash) return null;
  const given = Object.keys(variables).length > 0 ? { variables } : {};
  const extensions = { persistedQuery: { version: 1, sha256Hash: hash } };
  return (
    <>
      <Way title="By its id, once registered" text={JSON.stringify({ documentId: `sha256:${hash}`, ...given })} />
      <Way title="By its id, as Apollo Client does" text={JSON.stringify({ extensions, ...given })} />
    </>
  );
}

const sha256 = (text: string) => crypto.subtle?.digest("SHA-256", new TextEncoder().encode(text))
  .then((hash) => Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join(""));

const endpoint = () => new URL(ENDPOINT, location.href).href;
const bearer = ({ isPublic }: Opened) => (isPublic ? "" : ' -H "Authorization: Bearer $TOKEN"');
/** A word of a shell. */
const quoted = (text: string) => `'${text.replace(/'/g, "'\\''")}'`;

function byGet(example: Opened) {
  const asked = new URLSearchParams({ query: stripIgnoredCharacters(example.query) });
  if (Object.keys(example.variables).length > 0) asked.set("variables", JSON.stringify(example.variables));
  return `curl${bearer(example)} ${quoted(`${endpoint()}?${asked}`)}`;
}

function asEvents(example: Opened) {
  const { query, variables } = example;
  const body = JSON.stringify({ query: stripIgnoredCharacters(query), variables });
  const headers = "-H 'Content-Type: application/json' -H 'Accept: text/event-stream'";
  return `curl -N${bearer(example)} ${headers} ${endpoint()} -d ${quoted(body)}`;
}
