// The package against a real server, in a real browser: `node test/run.mjs BINARY`.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import * as issuer from "../../../web/playground/test/issuer.mjs";
import { contractTests } from "./contract.mjs";
import { cookieTests } from "./cookie.mjs";
import { factorTests } from "./factors.mjs";
import { mailTests } from "./mails.mjs";
import { packageTests } from "./package.mjs";
import { providerTests } from "./providers.mjs";
import { reactTests } from "./react.mjs";
import { serverTests } from "./server.mjs";
import { tokenTests } from "./tokens.mjs";
import { atEnd, bundle, conclude, endAll, freePort, launch, PASSWORD, servePages, startServer, test } from "./support.mjs";

const binary = resolve(process.argv[2]);

async function main() {
  const provider = await issuer.start(["acme"]);
  atEnd(() => provider.close());
  const programs = { page: "test/page.ts", hooks: "test/hooks.tsx", rendered: "test/rendered.tsx" };
  for (const name of ["apollo", "urql", "relay", "tanstack"]) programs[name] = `examples/${name}.tsx`;
  const bundled = Object.entries(programs).map(async ([name, entry]) => [name, await bundle(entry)]);
  const pages = await servePages(Object.fromEntries(await Promise.all(bundled)));
  const origins = [pages.sameSite, pages.otherSite];
  const providers = `[acme]\nkind = "oidc"\nname = "Acme"\nissuer = "${provider.origin}/acme"\nclient_id = "client"\ntrusted = true\nallow_private_addresses = true\n`;
  const server = await startServer(binary, origins, {
    PROVIDERS_FILE: "providers.toml", RETURN_URLS: origins.map((origin) => `${origin}/page`).join(),
  }, (folder) => writeFileSync(join(folder, "providers.toml"), providers));
  const tokenServer = await startServer(binary, origins, { REFRESH_GRACE_SECONDS: "2" });
  const strictServer = await startServer(binary, origins, { REQUIRE_SECOND_FACTOR: "all" });
  const verifyingServer = await startServer(binary, origins, { REQUIRE_EMAIL_VERIFICATION: "true" });
  const port = await freePort();
  const renderer = { port, origin: `http://localhost:${port}` };
  const renderedServer = await startServer(binary, [...origins, renderer.origin], { TRUSTED_PROXIES: "127.0.0.1", PORTCULLIS_ENV: "development" });
  writeFileSync(join(server.folder, "password"), PASSWORD);
  const admin = ["admin", "create", "--username=admin", "--email=admin@example.com", "--password-file=password"];
  execFileSync(binary, admin, { cwd: server.folder, env: server.env, stdio: "pipe" });
  const browser = await launch();
  const all = { browser, server, tokenServer, strictServer, verifyingServer, renderedServer, renderer, pages, provider };
  // The tests of tokens wait for most of their time.
  const beside = [tokenTests(all), packageTests()];
  for (const tests of [contractTests, cookieTests, factorTests, providerTests, mailTests, reactTests, serverTests]) await tests(all);
  await Promise.all(beside);
  conclude();
}

main().finally(endAll);
