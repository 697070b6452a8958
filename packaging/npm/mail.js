// Reads the mails that the server writes into its folder: two alternatives, text and HTML, in UTF-8.

const FILE = /^(mail_[0-9a-f-]{36})-(.+)\.eml$/;

/** A mail, or null while it is being written. */
export function parseMail(name, raw) {
  const [, id, kind] = FILE.exec(name) ?? [];
  const { headers, body } = split(raw);
  const [, boundary] = /boundary="([^"]+)"/.exec(headers["content-type"] ?? "") ?? [];
  if (!id || !boundary || !body.includes(`--${boundary}--`)) return null;
  const parts = body.split(`--${boundary}`).slice(1, -1).map((part) => split(part.replace(/^\r\n/, "")));
  const content = (type) => {
    const part = parts.find(({ headers }) => headers["content-type"]?.startsWith(type));
    return part ? decode(part).replace(/\r\n/g, "\n").trimEnd() : "";
  };
  const text = content("text/plain");
  return {
    id,
    kind,
    from: headers.from,
    to: headers.to,
    subject: words(headers.subject ?? ""),
    text,
    html: content("text/html"),
    link: /^https?:\/\/\S+$/m.exec(text)?.[0] ?? null,
    token: /\bpco_[\w-]+/.exec(text)?.[0] ?? null,
    code: /^\d{4} \d{4}$/m.exec(text)?.[0] ?? null,
    raw,
  };
}

function split(text) {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return { headers: {}, body: "" };
  const lines = text.slice(0, end).replace(/\r\n[ \t]+/g, " ").split("\r\n");
  const headers = Object.fromEntries(lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  }));
  return { headers, body: text.slice(end + 4) };
}

function decode({ headers, body }) {
  switch (headers["content-transfer-encoding"]?.toLowerCase()) {
    case "base64":
      return Buffer.from(body, "base64").toString("utf8");
    case "quoted-printable":
      return quoted(body.replace(/=\r\n/g, ""));
    default:
      return body;
  }
}

const quoted = (text) =>
  text.replace(/(?:=[0-9A-F]{2})+/gi, (bytes) => Buffer.from(bytes.replaceAll("=", ""), "hex").toString("utf8"));

/** Words of a header that are not ASCII, as RFC 2047 writes them. */
const words = (header) =>
  header
    .replace(/\?=\s+=\?/g, "?==?")
    .replace(/(?:=\?utf-8\?[bq]\?[^?]*\?=)+/gi, (run) => {
      const bytes = [...run.matchAll(/=\?utf-8\?([bq])\?([^?]*)\?=/gi)].map(([, way, word]) =>
        way.toLowerCase() === "b"
          ? Buffer.from(word, "base64")
          : Buffer.from(word.replaceAll("_", " ").replace(/=([0-9A-F]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16))), "latin1"),
      );
      // A letter may be cut in two by the end of a word.
      return Buffer.concat(bytes).toString("utf8");
    });
