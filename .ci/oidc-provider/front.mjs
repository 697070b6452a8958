// A front end on its own origin: a page that signs people in by the server's API and keeps nothing but the flow.

import { createServer } from "node:http";

/** What runs in the page. `/cookie` uses cookie mode; `/body` has the tokens, and forgets them with the page. */
function page(endpoint, returnTo) {
  const mode = location.pathname.slice(1);
  const result = "... on AuthPayload { accessToken user { username } } ... on VerificationRequired { __typename }";
  const payloads = { SignIn: result, Link: "identity { id }", Reauthentication: "accessToken user { username }" };
  let token = null;

  const call = async (query, input) => {
    const headers = { "content-type": "application/json" };
    if (mode === "cookie") headers["portcullis-token-mode"] = "cookie";
    if (token) headers.authorization = `Bearer ${token}`;
    const body = JSON.stringify({ query, variables: { input } });
    const answer = await fetch(endpoint, { method: "POST", headers, body, credentials: mode === "cookie" ? "include" : "omit" });
    return answer.json();
  };
  const mutate = async (name, payload, input) =>
    call(`mutation($input: ${name[0].toUpperCase()}${name.slice(1)}Input!) { ${name}(input: $input) { ${payload} } }`, input);

  /** Leaves for the provider, to come back for `purpose`. */
  window.leave = async (purpose, provider) => {
    const name = `start${purpose}`;
    const answer = await mutate(name, "authorizationUrl flow", { providerId: provider, returnTo });
    const started = answer.data?.[name];
    if (!started) return JSON.stringify(answer);
    sessionStorage.setItem("flow", JSON.stringify({ purpose, flow: started.flow, token }));
    location.assign(started.authorizationUrl);
  };
  window.mutate = async (name, payload, input) => {
    const answer = await mutate(name, payload, input);
    token = answer.data?.[name]?.accessToken ?? token;
    return answer;
  };
  window.query = (query) => call(query);

  const told = document.getElementById("told");
  const back = new URLSearchParams(location.hash.slice(1));
  const begun = JSON.parse(sessionStorage.getItem("flow") ?? "null");
  sessionStorage.removeItem("flow");
  history.replaceState(null, "", location.pathname);
  const finish = async () => {
    if (back.has("error")) return { error: back.get("error") };
    if (!begun || !back.has("code")) return { nothing: true };
    token = begun.token;
    const name = `finish${begun.purpose}`;
    const input = { flow: begun.flow, code: back.get("code"), state: back.get("state"), iss: back.get("iss") };
    const answer = await mutate(name, payloads[begun.purpose], input);
    token = answer.data?.[name]?.accessToken ?? token;
    return answer;
  };
  finish().then((answer) => { told.textContent = JSON.stringify(answer); }, (error) => { told.textContent = `${error}`; });
}

/** Serves the page at `origin`, for the server with this endpoint. */
export async function start(port, origin, endpoint) {
  const server = createServer((request, response) => {
    if (request.url !== "/cookie" && request.url !== "/body") return response.writeHead(404).end();
    const script = `(${page})(${JSON.stringify(endpoint)}, ${JSON.stringify(origin + request.url)})`;
    response.writeHead(200, { "content-type": "text/html" });
    response.end(`<!doctype html><title>front end</title><pre id="told"></pre><script>${script}</script>`);
  });
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  return { close: () => server.close() };
}
