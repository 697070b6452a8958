// What the tests of the account pages have in common: servers, mails, browsers, and what is looked at on every page.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** How far a page may move while it loads (web.dev, "Cumulative Layout Shift", says 0.1). */
const SHIFT_MAX = 0.02;

export const PASSWORD = "correct horse battery";
export const OTHER_PASSWORD = "staple another horse";
export const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/** Waits for what is not there yet. */
export async function until(look, what) {
  for (let tries = 0; tries < 300; tries++) {
    const found = await look();
    if (found) return found;
    await wait(50);
  }
  throw new Error(`there is no ${what}`);
}

const binary = resolve(process.argv[2]);
const pictures = process.argv[3] && resolve(process.argv[3], "account");
if (pictures) mkdirSync(pictures, { recursive: true });

const servers = [];
/** Starts a server in a folder of its own, with files in it. Passkeys are for names, so its pages are opened at one. */
export async function start(port, { path = "", at = port, files = {} }, ...flags) {
  const folder = mkdtempSync(join(tmpdir(), "account-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
  const origin = `http://localhost:${at}`;
  const all = [`--listen=127.0.0.1:${port}`, `--public-url=${origin}${path}`, ...flags];
  const child = spawn(binary, all, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  const server = { origin, folder, child, log: [], url: `${origin}${path}/account` };
  child.stderr.on("data", (text) => server.log.push(`${text}`));
  servers.push(server);
  await until(async () => (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null))?.ok, "server");
  return server;
}

/** Runs a verb of the program on the data of a server. */
const run = ({ folder }, ...args) => new Promise((done, failed) => {
  const child = spawn(binary, args, { cwd: folder, stdio: "ignore" });
  child.on("exit", (code) => (code === 0 ? done() : failed(new Error(`${args[0]} ended with ${code}`))));
});

export function stop(isFailed) {
  for (const { child, folder, log } of servers) {
    if (isFailed) console.log(log.join("").split("\n").slice(-10).join("\n"));
    child.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A call of another client than the pages. */
export async function call({ origin }, query, input, bearer) {
  const headers = { "content-type": "application/json", ...(bearer && { authorization: `Bearer ${bearer}` }) };
  const response = await fetch(`${origin}/graphql`, { method: "POST", headers, body: JSON.stringify({ query, variables: { input } }) });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

const REGISTER = "mutation($input: RegisterInput!) { register(input: $input) { ... on AuthPayload { accessToken } } }";
/** Makes an account without its pages, and returns an access token. */
export const register = async (server, username) =>
  (await call(server, REGISTER, { username, email: `${username}@example.com`, password: PASSWORD })).register.accessToken;

const LOGIN = "mutation($input: LoginInput!) { login(input: $input) { ... on AuthPayload { accessToken } } }";
/** Makes an admin by the command line, and returns an access token. */
export async function admin(server, username) {
  const file = join(server.folder, "password");
  writeFileSync(file, PASSWORD, { mode: 0o600 });
  await run(server, "admin", "create", "--username", username, "--email", `${username}@example.com`, "--password-file", file);
  return (await call(server, LOGIN, { identifier: username, password: PASSWORD })).login.accessToken;
}

/** The text of the last mail of a kind to an address, once it is there. */
export const mail = ({ folder }, kind, address) => until(() => {
  const names = readdirSync(join(folder, "data/mail")).filter((name) => name.endsWith(`-${kind}.eml`)).sort();
  // Lines of a mail end in "=" where only its transport needs an end.
  const texts = names.map((name) => readFileSync(join(folder, "data/mail", name), "utf8").replaceAll("=\r\n", "").replaceAll("=3D", "="));
  return texts.findLast((text) => text.includes(address));
}, `mail ${kind} to ${address}`);

/** The link in it. */
export const link = async (...about) => /http\S+#pco_[\w-]+/.exec(await mail(...about))[0];

/** An authenticator app: the codes of a secret (RFC 6238), each of which the server takes once. */
export function app(secret) {
  const bits = [...secret].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const codeOf = (step) => {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(step));
    const mac = createHmac("sha1", key).update(counter).digest();
    const at = mac.at(-1) & 15;
    return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
  };
  let last = 0;
  return {
    /** The next that the server takes: it allows for a clock that is half a minute off. */
    next: () => until(() => {
      const now = Date.now() / 30_000;
      // It arrives before the step is over.
      if (now % 1 > 0.85) return null;
      const step = [-1, 0, 1].map((apart) => Math.floor(now) + apart).find((step) => step > last);
      return step && codeOf((last = step));
    }, "code"),
    wrong: () => codeOf(1),
  };
}

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

const violations = [], errors = [], outside = [], contrasts = [];
const looked = new Set();
const people = [];
/** What the pages have sent, by its SHA-256. */
const sent = new Map();
const DOCUMENTS = fileURLToPath(new URL("../documents.json", import.meta.url));

/** How a page is looked at: in which language, how wide, in light or dark. */
export const LOOKS = {
  en: { locale: "en-US", viewport: { width: 1280, height: 900 }, colorScheme: "light" },
  de: { locale: "de-DE", viewport: { width: 360, height: 740 }, colorScheme: "dark" },
};

/** Somebody at a device of their own, with an authenticator in it. Whatever their pages do wrong is noted. */
export async function somebody(browser, look, allowed = []) {
  const context = await browser.newContext({ ...LOOKS[look], reducedMotion: "reduce" });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await context.exposeFunction("violated", (what) => violations.push(what));
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => window.violated(`${event.violatedDirective} ${event.blockedURI} at ${location.pathname}`));
    if (location.protocol !== "about:" && sessionStorage.getItem("test:no-autofill")) PublicKeyCredential.isConditionalMediationAvailable = async () => false;
    window.shift = 0;
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
    });
    // What moves then is an answer, which a slow machine gives later than the browser expects.
    for (const act of ["pointerdown", "keydown"]) addEventListener(act, () => observer.disconnect(), true);
    observer.observe({ type: "layout-shift", buffered: true });
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  const isOwn = (url) => /^(data|blob):/.test(url) || servers.some(({ origin }) => url.startsWith(`${origin}/`)) || allowed.some((other) => url.startsWith(other));
  page.on("request", (request) => {
    if (!isOwn(request.url())) outside.push(request.url());
    const text = /graphql$/.test(request.url()) && request.postDataJSON()?.query;
    if (text) sent.set(createHash("sha256").update(text).digest("hex"), text);
  });
  page.on("pageerror", (error) => errors.push(error.message));
  // A refusal has the status of an error, and a test has cut the network.
  page.on("console", (message) => message.type() === "error" && !/Failed to load resource|ERR_FAILED/.test(message.text()) && errors.push(message.text()));
  const cdp = await context.newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true },
  });
  // It would answer the autofill of every sign-in page.
  const present = (enabled) => cdp.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId, enabled });
  await present(false);
  const named = (role) => (name) => page.getByRole(role, { name, exact: true });
  const person = {
    page, context, look,
    button: named("button"), link: named("link"), heading: named("heading"),
    press: (name) => page.getByRole("button", { name, exact: true }).click(),
    follow: (name) => page.getByRole("link", { name, exact: true }).first().click(),
    /** The page with this heading is there. */
    sees: (name) => page.getByRole("heading", { name, exact: true }).first().waitFor(),
    reads: (text) => page.getByText(text).first().waitFor(),
    fill: async (values) => {
      for (const [name, value] of Object.entries(values)) await page.locator(`[name=${name}]:visible`).fill(value);
    },
    /** Runs a ceremony for which somebody touches the authenticator. */
    touches: async (ceremony, sees) => {
      await present(true);
      await ceremony();
      await sees();
      await present(false);
    },
    leave: () => context.close(),
    /** Looks at the page as it is: takes a picture, and looks for what shuts people out or moves under their fingers. */
    looks: (name) => examine(person, name),
  };
  people.push(person);
  return person;
}

/** Pictures of what everybody sees when a test fails. */
export async function shootAll() {
  for (const [number, { page, look }] of people.entries()) {
    if (pictures && !page.isClosed()) await page.screenshot({ path: join(pictures, `failed-${number}-${look}.png`) }).catch(() => {});
  }
}

async function examine({ page, look }, name) {
  // What is still on its way is looked at elsewhere.
  const isDialog = (await page.locator("dialog[open]").count()) > 0;
  if (!isDialog) await page.locator("main .skeleton").first().waitFor({ state: "detached" });
  looked.add(`${look} ${name}`);
  const sizes = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(sizes[0] <= sizes[1], `${name} is wider than its window: ${sizes}`);
  const shift = await page.evaluate(() => window.shift);
  assert.ok(shift < SHIFT_MAX, `${name} moves by ${shift}`);
  if (pictures) await page.screenshot({ path: join(pictures, `${look}-${name}.png`), fullPage: !isDialog });
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(AXE);
  const found = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], resultTypes: ["violations"] }));
  for (const { id, nodes } of found.violations) contrasts.push(`${look} ${name}: ${id} ${nodes.map(({ html, any }) => `${html.slice(0, 160)} ${any[0]?.message ?? ""}`).join(" | ")}`);
}

/** Fails for everything that was noted on the way. */
export function conclude() {
  const documents = `${JSON.stringify(Object.fromEntries([...sent].sort()), null, 2)}\n`;
  if (process.env.UPDATE_DOCUMENTS) writeFileSync(DOCUMENTS, documents);
  assert.deepEqual(violations, [], "violations of the content security policy");
  assert.deepEqual(errors, [], "errors in the pages");
  assert.deepEqual(outside, [], "requests to other places");
  assert.deepEqual(contrasts, [], "what axe finds");
  assert.equal(readFileSync(DOCUMENTS, "utf8"), documents, "account/documents.json is stale: run this test with UPDATE_DOCUMENTS=1");
  console.log(`ok: ${looked.size} pages and states without a violation, an error, a request elsewhere or a fault that axe finds`);
}
