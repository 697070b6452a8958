// An OpenID provider for tests, where people are whom they say they are.

import { createHash, createPublicKey, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { createServer } from "node:http";

const base64url = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const escaped = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

/** Serves issuers, each below its own path of one origin. */
export async function start(names) {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = { ...createPublicKey(privateKey).export({ format: "jwk" }), kid: "1", use: "sig", alg: "ES256" };
  /** What was promised for a code, until it is asked for. */
  const promised = new Map();
  const problems = [];
  let origin = "";

  const idToken = (claims) => {
    const signed = `${base64url({ alg: "ES256", kid: "1" })}.${base64url(claims)}`;
    return `${signed}.${sign("sha256", signed, { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
  };
  const metadata = (issuer) => ({
    issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/keys`,
    response_types_supported: ["code"], subject_types_supported: ["public"], id_token_signing_alg_values_supported: ["ES256"],
    code_challenge_methods_supported: ["S256"], authorization_response_iss_parameter_supported: true,
  });
  /** The page on which somebody says who they are. */
  const page = (issuer, asked) => {
    const fields = [...asked].map(([name, value]) => `<input type="hidden" name="${name}" value="${escaped(value)}">`).join("");
    const why = asked.get("prompt") === "login" ? "Say it again" : "Say who you are";
    return `<!doctype html><title>Provider</title><h1>${why}</h1><form action="${issuer}/answer">${fields}` +
      '<input name="login"><button name="act" value="go">Go on</button><button name="act" value="no">Cancel</button></form>';
  };
  /** Where somebody goes who has said it. */
  const answer = (issuer, said) => {
    const url = new URL(said.get("redirect_uri"));
    url.searchParams.set("state", said.get("state"));
    url.searchParams.set("iss", issuer);
    if (said.get("act") === "no") url.searchParams.set("error", "access_denied");
    else {
      const code = randomUUID();
      promised.set(code, { issuer, said });
      url.searchParams.set("code", code);
    }
    return url.href;
  };
  const token = (issuer, form) => {
    const promise = promised.get(form.get("code"));
    promised.delete(form.get("code"));
    const challenge = createHash("sha256").update(form.get("code_verifier") ?? "").digest("base64url");
    if (promise?.issuer !== issuer || challenge !== promise.said.get("code_challenge")) return null;
    const { said } = promise;
    const now = Math.floor(Date.now() / 1000);
    const login = said.get("login");
    const claims = {
      iss: issuer, aud: said.get("client_id"), sub: `id-of-${login}`, nonce: said.get("nonce"), iat: now, exp: now + 300,
      auth_time: now, email: `${login}@example.com`, email_verified: true, preferred_username: login, name: `${login} there`,
    };
    return { access_token: randomUUID(), token_type: "Bearer", expires_in: 300, id_token: idToken(claims) };
  };

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, origin);
    const [, name, ...rest] = url.pathname.split("/");
    const issuer = `${origin}/${name}`;
    let body = "";
    for await (const part of request) body += part;
    const json = (value, status = 200) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    switch (names.includes(name) && rest.join("/")) {
      case ".well-known/openid-configuration": return json(metadata(issuer));
      case "keys": return json({ keys: [key] });
      case "authorize": return response.writeHead(200, { "content-type": "text/html" }).end(page(issuer, url.searchParams));
      case "answer": return response.writeHead(303, { location: answer(issuer, url.searchParams) }).end();
      case "token": {
        const given = token(issuer, new URLSearchParams(body));
        if (!given) problems.push(`a code that is none: ${body}`);
        return given ? json(given) : json({ error: "invalid_grant" }, 400);
      }
      default: return response.writeHead(404).end();
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  origin = `http://127.0.0.1:${server.address().port}`;
  return { origin, problems, close: () => server.close() };
}
