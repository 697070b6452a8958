// The whole way in with a real provider, in a real browser: `node browser.mjs BINARY`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium } from "playwright-core";
import * as front from "./front.mjs";
import * as issuer from "./issuer.mjs";

const binary = resolve(process.argv[2]);
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
if (!existsSync(executablePath)) {
  console.log(`skipped: there is no ${executablePath}`);
  process.exit(process.env.CI === "true" ? 1 : 0);
}

const freePort = () => new Promise((done) => {
  const socket = createServer().listen(0, "127.0.0.1", () => {
    const { port } = socket.address();
    socket.close(() => done(port));
  });
});
const [serverPort, frontPort, issuerPort] = [await freePort(), await freePort(), await freePort()];
// Two origins of one site, as auth.example.com and app.example.com are; the provider is of another one.
const server = `http://localhost:${serverPort}`;
const app = `http://localhost:${frontPort}`;
const client = { id: "portcullis", secret: "a secret of 100 % & more" };
const PASSWORD = "correct horse battery";
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

const folder = mkdtempSync(join(tmpdir(), "providers-"));
writeFileSync(join(folder, "secret"), client.secret, { mode: 0o600 });
const table = (id, further) => `[${id}]
kind = "oidc"
name = "${id}"
issuer = "http://127.0.0.1:${issuerPort}"
client_id = "${client.id}"
client_secret_file = "secret"
trusted = true
allow_private_addresses = true
${further}
`;
writeFileSync(join(folder, "providers.toml"), table("acme", "") + table("posting", 'response_mode = "form_post"'));
const flags = [
  `--listen=127.0.0.1:${serverPort}`, `--public-url=${server}`, `--allowed-origins=${app}`, "--rate-limits=off",
  "--providers-file=providers.toml", `--return-urls=${app}/cookie,${app}/body`,
];
const log = [];
const child = spawn(binary, flags, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
child.stderr.on("data", (text) => log.push(`${text}`));

async function main() {
  const provider = await issuer.start(issuerPort, server, ["acme", "posting"], client);
  const pages = await front.start(frontPort, app, `${server}/graphql`);
  for (let tries = 0; !(await fetch(`http://127.0.0.1:${serverPort}/readyz`).catch(() => null))?.ok; tries++) {
    assert.ok(tries < 200 && child.exitCode === null, `the server does not start: ${log.join("")}`);
    await wait(100);
  }
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  const violations = [];
  const ours = [server, app, provider.issuer];
  /** A browser of somebody who was never here. */
  const somebody = async (mode) => {
    const context = await browser.newContext();
    await context.exposeFunction("violated", (what) => violations.push(what));
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => window.violated(`${event.violatedDirective} ${location.href}`));
    });
    // The provider's pages want a font from elsewhere.
    await context.route((url) => !ours.includes(url.origin), (route) => route.abort());
    const page = await context.newPage();
    page.setDefaultTimeout(15000);
    await page.goto(`${app}/${mode}`);
    return page;
  };
  const told = async (page) => {
    await page.waitForURL((url) => url.origin === app);
    await page.waitForFunction(() => document.getElementById("told")?.textContent);
    // Nothing of the way is left where it can be read.
    assert.equal(new URL(page.url()).hash, "");
    assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0);
    return JSON.parse(await page.locator("#told").innerText());
  };
  const leave = async (page, purpose, name) => {
    // The page leaves while this runs, and takes its answer along.
    const refusal = await Promise.race([
      page.evaluate(([purpose, name]) => window.leave(purpose, name), [purpose, name]).catch(() => null),
      page.waitForURL((url) => url.origin === provider.issuer).then(() => null),
    ]);
    assert.ok(!refusal, refusal);
    await page.waitForURL((url) => url.origin === provider.issuer);
  };
  /** Says who is there on the provider's own page. */
  const logIn = async (page, login) => {
    await page.locator('input[name="login"]').fill(login);
    await page.locator('input[name="password"]').fill("anything");
    await page.getByRole("button", { name: "Sign-in" }).click();
  };
  const agree = async (page) => page.getByRole("button", { name: "Continue" }).click();
  const signIn = async (page, name, login) => {
    await leave(page, "SignIn", name);
    await logIn(page, login);
    await agree(page);
    return told(page);
  };
  const me = (page) => page.evaluate(() => window.query("{ me { username identities { provider { id } email } hasPassword } }"));
  const holdsSession = async (page) => {
    const kept = await page.context().cookies(server);
    return kept.some(({ name }) => name === "__Host-portcullis_session");
  };
  const step = async (name, check) => {
    await check();
    console.log(`ok: ${name}`);
  };

  await step("a front end of another origin signs in, in cookie mode", async () => {
    const page = await somebody("cookie");
    const answer = await signIn(page, "acme", "alice");
    assert.deepEqual(answer.data?.finishSignIn, { accessToken: null, user: { username: "alice" } }, JSON.stringify(answer));
    assert.ok(await holdsSession(page));
    await page.reload();
    const identities = [{ provider: { id: "acme" }, email: "alice@example.com" }];
    assert.deepEqual((await me(page)).data.me, { username: "alice", identities, hasPassword: false });
    await page.context().close();
  });

  await step("a front end without cookies signs in", async () => {
    const page = await somebody("body");
    const answer = await signIn(page, "acme", "alice");
    assert.equal(answer.data?.finishSignIn.user.username, "alice", JSON.stringify(answer));
    assert.match(answer.data.finishSignIn.accessToken, /^ey/);
    assert.equal((await me(page)).data.me.username, "alice");
    assert.ok(!(await holdsSession(page)));
    await page.context().close();
  });

  for (const mode of ["cookie", "body"]) {
    await step(`what the provider posts arrives, in ${mode} mode`, async () => {
      const page = await somebody(mode);
      let posted = 0;
      page.on("request", (request) => {
        if (request.method() === "POST" && request.url().startsWith(`${server}/callback/`)) posted += 1;
      });
      const answer = await signIn(page, "posting", `poster-${mode}`);
      assert.equal(answer.data?.finishSignIn.user.username, `poster-${mode}`, JSON.stringify(answer));
      // The provider's page posts it without our cookies, and where they count a page of the server does once more.
      assert.equal(posted, mode === "cookie" ? 2 : 1);
      await page.context().close();
    });
  }

  await step("an account with a password is linked, and both are ways in", async () => {
    const page = await somebody("cookie");
    const account = { username: "bob", email: "bob@example.org", password: PASSWORD };
    const made = await page.evaluate((account) => window.mutate("register", "... on AuthPayload { user { username } }", account), account);
    assert.equal(made.data?.register.user.username, "bob", JSON.stringify(made));
    await leave(page, "Link", "acme");
    await logIn(page, "bob-there");
    await agree(page);
    const linked = await told(page);
    assert.ok(linked.data?.finishLink.identity.id, JSON.stringify(linked));
    assert.equal((await me(page)).data.me.identities.length, 1);
    await page.context().close();
    const again = await somebody("cookie");
    const answer = await signIn(again, "acme", "bob-there");
    assert.equal(answer.data?.finishSignIn.user.username, "bob", JSON.stringify(answer));
    await again.context().close();
  });

  await step("the provider asks again, and is the proof", async () => {
    const page = await somebody("cookie");
    await signIn(page, "acme", "carol");
    await leave(page, "Reauthentication", "acme");
    // Signed in there as she is, she has to say it again.
    await logIn(page, "carol");
    const proven = await told(page);
    assert.equal(proven.data?.finishReauthentication.user.username, "carol", JSON.stringify(proven));
    const exported = await page.evaluate(() => window.query("mutation { exportMyData { export { url } } }"));
    assert.ok(exported.data?.exportMyData, JSON.stringify(exported));
    await page.context().close();
  });

  await step("somebody else at the provider proves nothing", async () => {
    const page = await somebody("cookie");
    await signIn(page, "acme", "dave");
    await leave(page, "Reauthentication", "acme");
    await logIn(page, "mallory");
    await agree(page);
    const refused = await told(page);
    assert.equal(refused.errors?.[0].extensions.code, "INVALID_CREDENTIALS", JSON.stringify(refused));
    assert.equal((await me(page)).data.me.username, "dave");
    await page.context().close();
  });

  await step("who does not want to comes back as nobody", async () => {
    const page = await somebody("cookie");
    await leave(page, "SignIn", "acme");
    await page.getByText("[ Cancel ]").click();
    assert.deepEqual(await told(page), { error: "access_denied" });
    assert.equal((await me(page)).errors?.[0].extensions.code, "UNAUTHENTICATED");
    await page.context().close();
  });

  await step("a link to somebody else's answer signs nobody in", async () => {
    const attacker = await somebody("cookie");
    await leave(attacker, "SignIn", "acme");
    await logIn(attacker, "mallory");
    await attacker.getByRole("button", { name: "Continue" }).waitFor();
    // The attacker's browser keeps the answer instead of going on with it.
    const kept = new Promise((done) => attacker.context().route(`${provider.issuer}/interaction/**`, async (route) => {
      const agreed = await route.fetch({ maxRedirects: 0 });
      const sent = await attacker.context().request.get(agreed.headers().location, { maxRedirects: 0 });
      done(sent.headers().location);
      await route.abort();
    }));
    await agree(attacker);
    const answer = await kept;
    assert.ok(answer.startsWith(`${server}/callback/acme?code=`), answer);
    const victim = await somebody("cookie");
    const reply = await victim.goto(answer);
    assert.ok(reply.status() >= 400, `${reply.status()}`);
    assert.equal(new URL(victim.url()).origin, server);
    assert.ok(!(await holdsSession(victim)));
    await attacker.context().close();
    await victim.context().close();
  });

  assert.deepEqual(violations.filter((what) => what.includes(server)), [], "violations of the content security policy");
  assert.deepEqual(provider.problems.filter((what) => !what.includes("access_denied")), [], "what the provider complains of");
  const failed = log.join("").split("\n").filter((line) => line.includes("ERROR"));
  assert.deepEqual(failed, [], "errors in the server's log");
  console.log("ok: no violation, no complaint of the provider, no error in the log");
  await browser.close();
  provider.close();
  pages.close();
}

try {
  await main();
} catch (error) {
  console.log(log.join("").split("\n").slice(-20).join("\n"));
  throw error;
} finally {
  child.kill();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
