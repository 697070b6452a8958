// A real OpenID provider, with the pages that it comes with for development: it signs in whoever types a name.

import { Provider } from "oidc-provider";

/** Starts one at `http://127.0.0.1:port` for the server at `publicUrl`, which knows it under these names. */
export async function start(port, publicUrl, names, { id, secret }) {
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: id,
      client_secret: secret,
      redirect_uris: names.map((name) => `${publicUrl}/callback/${name}`),
      grant_types: ["authorization_code"],
      response_types: ["code"],
    }],
    claims: {
      openid: ["sub"],
      email: ["email", "email_verified"],
      profile: ["name", "preferred_username"],
    },
    cookies: { keys: ["of no value beyond this run"] },
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
    pkce: { required: () => true },
    findAccount: (_context, login) => ({
      accountId: login,
      claims: () => ({
        sub: login,
        email: `${login}@example.com`,
        email_verified: true,
        name: `${login} of the provider`,
        preferred_username: login,
      }),
    }),
  });
  const problems = [];
  for (const event of ["server_error", "authorization.error", "grant.error", "userinfo.error"]) {
    provider.on(event, (_context, error) => problems.push(`${event}: ${error.error_detail ?? error.message}`));
  }
  const server = provider.listen(port, "127.0.0.1");
  await new Promise((done) => server.on("listening", done));
  return { issuer, problems, close: () => server.close() };
}
