// The package against a real server, in a real browser: `node test/run.mjs BINARY`.

import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import * as issuer from "../../../playground/web/test/issuer.mjs";
import { cookieTests } from "./cookie.mjs";
import { tokenTests } from "./tokens.mjs";
import { atEnd, bundle, conclude, endAll, launch, servePages, startServer, test } from "./support.mjs";

const binary = resolve(process.argv[2]);

async function main() {
  const provider = await issuer.start(["acme"]);
  atEnd(() => provider.close());
  const pages = await servePages({ page: await bundle("test/page.ts") });
  const origins = [pages.sameSite, pages.otherSite];
  const providers = `[acme]\nkind = "oidc"\nname = "Acme"\nissuer = "${provider.origin}/acme"\nclient_id = "client"\ntrusted = true\nallow_private_addresses = true\n`;
  const server = await startServer(binary, origins, {
    PROVIDERS_FILE: "providers.toml", RETURN_URLS: origins.map((origin) => `${origin}/page`).join(),
  }, (folder) => writeFileSync(join(folder, "providers.toml"), providers));
  const tokenServer = await startServer(binary, origins, { REFRESH_GRACE_SECONDS: "1" });
  const browser = await launch();
  const all = { binary, browser, server, tokenServer, pages, provider };
  await cookieTests(all);
  await tokenTests(all);
  conclude();
}

main().finally(endAll);
