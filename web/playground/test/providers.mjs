// Signing in with other providers, by the playground in a real browser: `node playground/test/providers.mjs BINARY [SCREENSHOTS]`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium } from "playwright-core";
import * as issuer from "./issuer.mjs";

const binary = resolve(process.argv[2]);
const pictures = process.argv[3] && resolve(process.argv[3]);
const folder = mkdtempSync(join(tmpdir(), "playground-providers-"));
const port = 30000 + (process.pid % 10000);
const origin = `http://127.0.0.1:${port}`;
const PASSWORD = "correct horse battery";
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
/** Waits for what is not there yet. */
const until = async (look, what) => {
  for (let tries = 0; tries < 200; tries++) {
    const found = await look();
    if (found) return found;
    await wait(100);
  }
  throw new Error(`there is no ${what}`);
};

const provider = await issuer.start(["acme", "club"]);
// The word of the first on an address counts.
const table = (id, name, trusted) => `[${id}]
kind = "oidc"
name = "${name}"
issuer = "${provider.origin}/${id}"
client_id = "playground"
trusted = ${trusted}
allow_private_addresses = true
`;
writeFileSync(join(folder, "providers.toml"), table("acme", "Acme", true) + table("club", "The Club", false));
const flags = [`--listen=127.0.0.1:${port}`, `--public-url=${origin}`, "--rate-limits=off", "--providers-file=providers.toml"];
const server = spawn(binary, flags, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
const log = [];
server.stderr.on("data", (text) => log.push(`${text}`));

const violations = [], errors = [];

async function main() {
  await until(async () => (await fetch(`${origin}/readyz`).catch(() => null))?.ok, "server");
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  /** The tab of somebody who was never here. */
  const somebody = async (options = {}) => {
    const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, ...options });
    await context.exposeFunction("violated", (what) => violations.push(what));
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => window.violated(`${event.violatedDirective} ${event.blockedURI}`));
    });
    const page = await context.newPage();
    page.setDefaultTimeout(15000);
    page.on("pageerror", (error) => errors.push(error.message));
    return page;
  };
  const open = async (options) => {
    const page = await somebody(options);
    await page.goto(`${origin}/graphql`);
    await page.waitForSelector(".graphiql-container .view-lines");
    return page;
  };
  let number = 0;
  const picture = async (page, name) => {
    if (!pictures) return;
    mkdirSync(pictures, { recursive: true });
    const file = `providers-${String(++number).padStart(2, "0")}-${name.replace(/[^a-z0-9]+/gi, "-")}.png`;
    await page.screenshot({ path: join(pictures, file) });
  };
  const step = async (name, check) => {
    await check();
    console.log(`ok: ${name}`);
  };
  const there = (page) => page.waitForURL((url) => url.origin === provider.origin);
  /** Says on the provider's page who is there. */
  const say = async (page, login) => {
    await there(page);
    await page.locator("[name=login]").fill(login);
    await page.getByRole("button", { name: "Go on" }).click();
  };
  const cancel = async (page) => {
    await there(page);
    await page.getByRole("button", { name: "Cancel" }).click();
  };
  /** Nothing of a way to a provider is left where it can be read. */
  const isClean = async (page) => {
    assert.equal(new URL(page.url()).hash, "");
    assert.equal(await page.evaluate(() => sessionStorage.getItem("portcullis:flow")), null);
    const called = await page.evaluate(() => performance.getEntriesByType("navigation").concat(performance.getEntriesByType("resource")).map(({ name }) => name));
    assert.deepEqual(called.filter((url) => url.replace(/#.*/, "").includes("code=")), []);
  };
  const panelOf = (page) => page.locator(".pc-panel");
  /** As five minutes after a sign-in, which nobody waits for here. */
  const wantProof = async (page, field, factor) => {
    const errors = [{ message: "Please prove who you are again", extensions: { code: "STEP_UP_REQUIRED", factors: [factor] } }];
    await page.route("**/graphql", (route) => (
      route.request().postData()?.includes(` ${field}(`) ? route.fulfill({ json: { data: null, errors } }) : route.continue()));
  };

  const page = await open();
  const panel = panelOf(page);
  const button = (name) => panel.getByRole("button", { name, exact: true });
  const linked = () => panel.locator(".pc-identities li strong").allInnerTexts();

  await step("a guest sees the providers, and comes back as a guest who does not go on there", async () => {
    await button("Continue with The Club").waitFor();
    await picture(page, "guest");
    await page.emulateMedia({ colorScheme: "dark" });
    await picture(page, "guest dark");
    await page.emulateMedia({ colorScheme: "light" });
    await button("Continue with Acme").click();
    await cancel(page);
    await panel.getByText("You did not continue at Acme, so nothing has changed.").waitFor();
    await isClean(page);
    await picture(page, "declined");
  });
  await step("a page that nobody can be sent back to says where to open it", async () => {
    const elsewhere = await somebody();
    await elsewhere.goto(`${origin.replace("127.0.0.1", "localhost")}/graphql`);
    await panelOf(elsewhere).getByRole("button", { name: "Continue with Acme" }).click();
    await panelOf(elsewhere).getByRole("alert").getByText("Open this page at the server's PUBLIC_URL").waitFor();
    await elsewhere.context().close();
  });
  await step("what was begun in no tab of this browser is told, and signs nobody in", async () => {
    await page.goto(`${origin}/graphql#code=a&state=b`);
    await panel.getByText("This attempt has expired or began in another window.").waitFor();
    await panel.getByText("You are a guest").waitFor();
    await isClean(page);
  });
  await step("somebody signs in with a provider by the keyboard, and sees their identity", async () => {
    await button("Continue with Acme").focus();
    await page.keyboard.press("Enter");
    await there(page);
    await say(page, "alice");
    await panel.getByText("alice@example.com").first().waitFor();
    assert.deepEqual(await linked(), ["Acme"]);
    assert.equal(await panel.locator(".pc-notice, .pc-failure").count(), 0);
    await isClean(page);
    const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
    assert.ok(!stored.includes("pcf_") && !stored.includes("eyJ"), stored);
  });
  await step("the last way in cannot be unlinked", async () => {
    await button("Unlink Acme alice@example.com").click();
    await panel.getByRole("alert").getByText("This is the only way to sign in to your account").waitFor();
    assert.deepEqual(await linked(), ["Acme"]);
  });
  await step("another identity is linked, and the first can go then", async () => {
    await button("Link The Club").click();
    await say(page, "alice-in-club");
    await panel.getByRole("status").getByText("The Club is linked").waitFor();
    assert.deepEqual(await linked(), ["Acme", "The Club"]);
    await isClean(page);
    await picture(page, "identities");
    await page.emulateMedia({ colorScheme: "dark" });
    await picture(page, "identities dark");
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 360, height: 740 });
    const sizes = await panel.evaluate(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth]);
    assert.ok(sizes[0] <= sizes[1], `${sizes}`);
    await picture(page, "identities on a telephone");
    await page.setViewportSize({ width: 1360, height: 860 });
    await button("Unlink Acme alice@example.com").click();
    await panel.getByRole("status").getByText("Acme is unlinked").waitFor();
    assert.deepEqual(await linked(), ["The Club"]);
  });
  await step("an account without a password is proven by its provider, and by nothing else", async () => {
    await wantProof(page, "startLink", "PROVIDER");
    await button("Link Acme").click();
    await panel.getByText("This requires a recent proof of your identity.").waitFor();
    assert.equal(await panel.locator("[name=password]").count(), 0);
    assert.equal(await button("Prove it with Acme").count(), 0, "it is no identity of theirs");
    await picture(page, "proof");
    await page.unroute("**/graphql");
    await button("Prove it with The Club").click();
    await there(page);
    assert.equal(await page.locator("h1").innerText(), "Say it again");
    await say(page, "somebody-else");
    await panel.getByRole("alert").getByText("We could not sign you in with this provider.").waitFor();
    await wantProof(page, "startLink", "PROVIDER");
    await button("Link Acme").click();
    await page.unroute("**/graphql");
    await button("Prove it with The Club").click();
    await say(page, "alice-in-club");
    await panel.getByRole("status").getByText("The Club has confirmed who you are.").waitFor();
    await button("Link Acme").click();
    await say(page, "alice");
    await panel.getByRole("status").getByText("Acme is linked").waitFor();
  });
  await step("an identity of somebody else is not linked", async () => {
    const other = await open();
    await panelOf(other).getByRole("button", { name: "Create an account" }).click();
    for (const [name, value] of Object.entries({ username: "bob", email: "bob@example.com", password: PASSWORD })) {
      await panelOf(other).locator(`[name=${name}]`).fill(value);
    }
    await panelOf(other).getByRole("button", { name: "Create account" }).click();
    await panelOf(other).getByRole("button", { name: "Link Acme" }).click();
    await say(other, "alice");
    await panelOf(other).getByRole("alert").getByText("This identity is linked to another account.").waitFor();
    // A password is a proof still, and what it was asked for goes on.
    await wantProof(other, "startLink", "PASSWORD");
    await panelOf(other).getByRole("button", { name: "Link Acme" }).click();
    await panelOf(other).locator("[name=password]").fill(PASSWORD);
    await other.unroute("**/graphql");
    await panelOf(other).getByRole("button", { name: "Continue", exact: true }).click();
    await say(other, "bob-there");
    await panelOf(other).getByRole("status").getByText("Acme is linked").waitFor();
    await other.context().close();
  });
  await step("an account with the address has to be signed in to first", async () => {
    const other = await open();
    await panelOf(other).getByRole("button", { name: "Create an account" }).click();
    for (const [name, value] of Object.entries({ username: "carol", email: "carol@example.com", password: PASSWORD })) {
      await panelOf(other).locator(`[name=${name}]`).fill(value);
    }
    await panelOf(other).getByRole("button", { name: "Create account" }).click();
    await panelOf(other).getByText("carol@example.com").waitFor();
    await other.context().close();
    const again = await open();
    await panelOf(again).getByRole("button", { name: "Continue with The Club" }).click();
    await say(again, "carol");
    // The answer is that of an address which nobody has.
    await panelOf(again).getByRole("status").getByText("We have written to carol@example.com").waitFor();
    await panelOf(again).getByText("You are a guest").waitFor();
    await again.context().close();
  });

  assert.deepEqual(violations, [], "violations of the content security policy");
  assert.deepEqual(errors, [], "errors in the pages");
  assert.deepEqual(provider.problems, [], "what the provider complains of");
  console.log("ok: no violation, no error, no complaint of the provider");
  await browser.close();
}

try {
  await main();
} catch (error) {
  console.log(log.join("").split("\n").slice(-20).join("\n"));
  throw error;
} finally {
  server.kill();
  provider.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
