// A front end on an origin of its own: it signs in with a cookie at the server that `?server=` names, and tells who the
// caller is.

import { createServer } from "node:http";

const PAGE = `<!doctype html>
<title>Front end</title>
<form><input name="username"><button>Register</button></form>
<p role="status"></p>
<script>
  const server = new URLSearchParams(location.search).get("server");
  const call = async (query, variables) => {
    const response = await fetch(server + "/graphql", {
      method: "POST",
      credentials: "include",
      headers: { "content-type": "application/json", "portcullis-token-mode": "cookie" },
      body: JSON.stringify({ query, variables }),
    });
    return (await response.json()).data;
  };
  const tell = async () => {
    const { viewer } = await call("{ viewer { user { username emailVerified } } }");
    document.querySelector("p").textContent = viewer.user ? JSON.stringify(viewer.user) : "nobody";
  };
  document.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const username = event.target.username.value;
    const input = { username, email: username + "@example.com", password: "correct horse battery" };
    await call("mutation($input: RegisterInput!) { register(input: $input) { ... on AuthPayload { expiresIn } } }", { input });
    await tell();
  });
  tell();
</script>`;

createServer((_, response) => response.setHeader("content-type", "text/html").end(PAGE)).listen(Number(process.argv[2]), "localhost");
