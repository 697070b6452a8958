// The account pages in a real browser, against the real server: `node account/test/account.mjs BINARY [SCREENSHOTS]`.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { runnerImport } from "vite";
import * as issuer from "../../playground/test/issuer.mjs";
import { flows } from "./flows.mjs";
import { off, returning, strict } from "./settings.mjs";
import { conclude, launch, PASSWORD, shootAll, somebody, start, stop } from "./support.mjs";

/** What a browser loads before the first paint, in bytes as they are sent. A time would say more of the machine. */
const LOADED_MAX = 150_000;
const LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><circle cx="12" cy="12" r="11" fill="#3a5a9b"/><path d="M6 15l6-8 6 8z" fill="#fff"/></svg>';

const wordsOf = async (name) => (await runnerImport(fileURLToPath(new URL(`../src/words/${name}.ts`, import.meta.url)), { configFile: false, logLevel: "silent" })).module;
const step = (look) => async (name, check) => {
  const began = performance.now();
  await check();
  console.log(`ok: ${look}: ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
};

async function main() {
  const { EN } = await wordsOf("en");
  const { DE } = await wordsOf("de");
  const port = 20000 + (process.pid % 900) * 10;
  const provider = await issuer.start(["acme", "club"]);
  const table = (id, name, trusted) => `[${id}]\nkind = "oidc"\nname = "${name}"\nissuer = "${provider.origin}/${id}"\nclient_id = "account"\ntrusted = ${trusted}\nallow_private_addresses = true\n`;
  const files = { "providers.toml": table("acme", "Acme", true) + table("club", "The Club", false), "logo.svg": LOGO };
  const server = await start(port, { files }, "--rate-limits=off", "--providers-file=providers.toml", "--site-name=Nordlicht", "--site-logo=logo.svg",
    "--support-contact=hilfe@example.com", "--return-urls=http://127.0.0.1/signed-in");
  const browser = await launch();
  await step("en")("little is loaded first, and the keyboard alone signs in", () => first({ browser, server, W: EN }));
  await Promise.all([
    flows({ browser, server, provider, look: "en", W: EN, step: step("en") }),
    flows({ browser, server, provider, look: "de", W: DE, step: step("de") }),
  ]);
  await returning({ browser, server, W: EN, step: step("en") });
  await Promise.all([
    strict({ browser, port: port + 1, look: "en", W: EN, step: step("en") }),
    strict({ browser, port: port + 2, look: "de", W: DE, step: step("de") }),
    off({ browser, port: port + 3, W: EN, step: step("en") }),
  ]);
  assert.deepEqual(provider.problems, [], "what the provider complains of");
  conclude();
  await browser.close();
  provider.close();
}

async function first({ browser, server, W }) {
  const kay = await somebody(browser, "en");
  const { page, sees } = kay;
  await page.goto(server.url);
  await sees(W.signIn);
  const { paint, loaded } = await page.evaluate(() => ({
    paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
    loaded: [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
      .filter(({ initiatorType }) => initiatorType !== "fetch").reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0),
  }));
  console.log(`first contentful paint: ${Math.round(paint)} ms, after ${loaded} bytes`);
  assert.ok(loaded < LOADED_MAX, `a browser loads ${loaded} bytes first`);
  await page.goto(`${server.url}/register`);
  await sees(W.register);
  for (const text of ["kay", "kay@example.com", "", PASSWORD]) {
    await page.keyboard.type(text);
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await sees(W.sections.home);
  await page.locator(".menu > button").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await sees(W.signIn);
  await page.keyboard.type("kay");
  await page.keyboard.press("Tab");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await sees(W.sections.home);
  await kay.leave();
}

let isFailed = true;
try {
  await main();
  isFailed = false;
} catch (error) {
  await shootAll();
  throw error;
} finally {
  stop(isFailed);
}
process.exit(0);
