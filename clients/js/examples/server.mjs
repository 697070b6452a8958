// A server that renders pages for its visitors, as Next does: `node server.mjs`, with React and no bundler.
//
// The visitor's cookie of Portcullis comes with each request, because both servers are on one host. Queries go on with it;
// so does what a form of this server's own pages asks for.

import { createServer } from "node:http";
import { createElement as h } from "react";
import { renderToString } from "react-dom/server";
import { createSession } from "@portcullis/client";
import { SessionProvider, useSession } from "@portcullis/client/react";
import { createServerSession, NetworkError, PortcullisError } from "@portcullis/client/server";

const endpoint = process.env.PORTCULLIS_URL;
const origin = process.env.ORIGIN;
/** The program of the page, which shows the same and goes on from there. */
const program = process.env.PROGRAM ?? "";

function Page() {
  const { user } = useSession();
  return h("p", { id: "who" }, user ? `Signed in as ${user.username}` : "Nobody is signed in");
}

const json = (value) => JSON.stringify(value).replaceAll("<", "\\u003c");

async function render(visitor) {
  const initial = await visitor.state();
  const session = createSession({ endpoint, initial });
  const page = renderToString(h(SessionProvider, { session }, h(Page)));
  return `<!doctype html><meta charset="utf-8"><title>Rendered</title><div id="root">${page}</div>
    <form method="post"><input name="name"><button>Rename</button></form>
    <script>window.page = ${json({ endpoint, initial })}</script><script type="module" src="${program}"></script>`;
}

const RENAME = "mutation($name: String) { updateProfile(input: { fullName: $name }) { user { fullName } } }";

async function answer(request, response) {
  const visitor = createServerSession(request, { endpoint, origins: [origin] });
  let status = 200;
  let text;
  try {
    if (request.method === "POST") {
      let form = "";
      for await (const part of request) form += part;
      await visitor.request(RENAME, { name: new URLSearchParams(form).get("name") });
    }
    text = await render(visitor);
  } catch (error) {
    if (!(error instanceof PortcullisError || error instanceof NetworkError)) throw error;
    status = error.code === "FORBIDDEN" ? 403 : 502;
    text = error.message;
  }
  // The page of one visitor is for nobody else.
  const headers = { "content-type": "text/html", "cache-control": "private, no-store", "set-cookie": [...visitor.setCookies] };
  response.writeHead(status, headers).end(text);
}

const server = createServer((request, response) => void answer(request, response).catch((error) => {
  console.error(error);
  response.writeHead(500).end("Something is broken.");
}));
server.listen(Number(process.env.PORT), "127.0.0.1", () => console.log("listening"));
