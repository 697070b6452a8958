// The playground in a real browser, against the real server: `node playground/test/browser.mjs BINARY [SCREENSHOTS]`.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parse, print } from "graphql";
import { chromium } from "playwright-core";
import { GROUPS, examples } from "../src/documents.mjs";
import { gateway, rules } from "../src/rules.mjs";

const binary = resolve(process.argv[2]);
const pictures = process.argv[3] && resolve(process.argv[3]);
const folder = mkdtempSync(join(tmpdir(), "playground-"));
const port = 20000 + (process.pid % 10000);
const origin = `http://127.0.0.1:${port}`;
const schemaOf = (...flags) => execFileSync(binary, ["schema", ...flags], { cwd: folder, encoding: "utf8" });
// One example is a registered document, by the hash of its text.
const [registered] = examples(schemaOf()).filter(({ name }) => name === "users");
const hash = createHash("sha256").update(registered.query).digest("hex");
writeFileSync(join(folder, "documents.json"), JSON.stringify({ [hash]: registered.query }));
// The provider of the examples. What a sign-in with it begins with is known without asking it.
writeFileSync(join(folder, "providers.toml"), '[google]\nkind = "github"\nclient_id = "a"\nclient_secret = "b"\n', { mode: 0o600 });
const flags = [`--listen=127.0.0.1:${port}`, "--rate-limits=on", "--documents-file=documents.json", "--providers-file=providers.toml"];
const server = spawn(binary, flags, { cwd: folder, stdio: "ignore" });
const run = (...args) => new Promise((done, failed) => {
  const child = spawn(binary, args, { cwd: folder, stdio: "ignore" });
  child.on("exit", (code) => (code === 0 ? done() : failed(new Error(`${args[0]} ended with ${code}`))));
});

const PASSWORD = "correct horse battery";
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
/** A call of another client than the page. */
const send = (body, bearer, accept = "application/json") => {
  const headers = { "content-type": "application/json", accept, ...(bearer && { authorization: `Bearer ${bearer}` }) };
  return fetch(`${origin}/graphql`, { method: "POST", headers, body: JSON.stringify(body) });
};
const post = async (query, variables, bearer) => (await send({ query, variables }, bearer)).json();
/** What a stream says first: an error, or a comment by which it is open. */
const opening = async (query, variables, bearer) => {
  const response = await send({ query, variables }, bearer, "text/event-stream");
  assert.match(response.headers.get("content-type"), /^text\/event-stream/);
  const reader = response.body.getReader();
  const { value } = await reader.read();
  void reader.cancel();
  const [, answer] = /^data: (.+)/m.exec(new TextDecoder().decode(value)) ?? [];
  return answer ? JSON.parse(answer) : {};
};
const tokenOf = async (identifier) => {
  const query = "mutation($input: LoginInput!) { login(input: $input) { ... on AuthPayload { accessToken } } }";
  return (await post(query, { input: { identifier, password: PASSWORD } })).data.login.accessToken;
};
const outside = [], violations = [], errors = [];

async function main() {
  for (let tries = 0; !(await fetch(`${origin}/readyz`).catch(() => null))?.ok; tries++) {
    assert.ok(tries < 200, "the server does not start");
    await wait(100);
  }
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 } });
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin });
  await context.exposeFunction("violated", (what) => violations.push(what));
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => window.violated(`${event.violatedDirective} ${event.blockedURI}`));
  });
  const open = async () => {
    const page = await context.newPage();
    page.setDefaultTimeout(15000);
    page.on("request", (request) => { if (!request.url().startsWith(origin) && !request.url().startsWith("data:")) outside.push(request.url()); });
    page.on("pageerror", (error) => errors.push(error.message));
    await page.goto(`${origin}/graphql`, { waitUntil: "load" });
    await page.waitForSelector(".graphiql-container .view-lines");
    return page;
  };
  let number = 0;
  const step = async (name, check, page) => {
    await check();
    console.log(`ok: ${name}`);
    if (pictures && page) {
      mkdirSync(pictures, { recursive: true });
      const file = `${String(++number).padStart(2, "0")}-${name.replace(/[^a-z0-9]+/gi, "-")}.png`;
      await page.screenshot({ path: join(pictures, file) });
    }
  };
  const page = await open();
  const panel = page.locator(".pc-panel");
  const execute = async () => {
    // The page reads the schema again by itself when somebody else is signed in.
    const asked = (request) => request.method() === "POST" && !request.postData()?.includes("__schema");
    const answered = page.waitForResponse((response) => response.url() === `${origin}/graphql` && asked(response.request()));
    await page.click(".graphiql-execute-button");
    const text = await (await answered).text();
    // The editor shows only as much as fits.
    await page.locator(".result-window").getByText("{").first().waitFor();
    return text;
  };
  const show = async (title) => {
    const button = page.locator(`.graphiql-sidebar button[aria-label*="${title}"]`);
    if (!(await panel.getAttribute("aria-label").catch(() => null))?.includes(title)) await button.click();
    await page.waitForSelector(`.pc-panel[aria-label="${title}"]`);
  };
  const fill = async (values) => {
    for (const [name, value] of Object.entries(values)) await panel.locator(`[name=${name}]`).fill(value);
  };
  const openExample = async (name, group) => {
    await show("Examples");
    const of = group ? panel.locator(`section:has(h3:text-is("${group}"))`) : panel;
    await of.locator(`[data-example="${name}"]`).click();
    await wait(700);
  };
  const result = page.locator(".result-window");
  /** Runs the subscription that is open in the editor, and waits until the server has opened its stream. */
  const listen = async () => {
    const opened = page.waitForResponse((response) => response.headers()["content-type"]?.startsWith("text/event-stream"));
    await page.click(".graphiql-execute-button");
    await opened;
  };

  await step("the editor reads the schema, which no limit of the server keeps from it", async () => {
    const reading = page.waitForResponse((response) => response.request().postData()?.includes("__schema"));
    await page.reload();
    assert.equal((await (await reading).json()).errors, undefined);
    await page.waitForSelector(".graphiql-container .view-lines");
  });
  await step("a guest runs me and is nobody", async () => {
    assert.match(await execute(), /UNAUTHENTICATED/);
  }, page);
  await step("a field that is wrong is told at the field", async () => {
    await panel.getByRole("button", { name: "Create an account" }).click();
    await fill({ username: "a", email: "alice@example.com", password: PASSWORD });
    await panel.getByRole("button", { name: "Create account" }).click();
    await panel.getByText("Use at least 3 characters.").waitFor();
    assert.equal(await panel.locator("[name=username]").getAttribute("aria-invalid"), "true");
  }, page);
  await step("an account is made and signed in", async () => {
    await fill({ username: "alice", email: "alice@example.com", password: PASSWORD, fullName: "Alice Liddell" });
    await panel.getByRole("button", { name: "Create account" }).click();
    await panel.getByText("Alice Liddell").waitFor();
    assert.equal(await panel.locator(".pc-badge").innerText(), "USER");
  }, page);
  await step("the editor acts for the user", async () => {
    assert.match(await execute(), /"username":"alice"/);
  }, page);
  await step("the editor acts for nobody where it is told to", async () => {
    await panel.getByLabel("The editor acts for you").uncheck();
    assert.match(await execute(), /"MISSING_TOKEN"/);
    await panel.getByLabel("The editor acts for you").check();
  });
  await step("an Authorization in the headers of the editor goes without the cookie", async () => {
    const tools = page.locator(".graphiql-editor-tools");
    await tools.getByRole("button", { name: "Headers" }).click();
    await page.locator(".graphiql-editor-tool .graphiql-editor:not(.hidden) .view-lines").click();
    await page.keyboard.insertText('{"authorization": "Bearer e30.e30.AAAA"}');
    await wait(700);
    assert.match(await execute(), /"INVALID_TOKEN"/);
    await panel.getByText("Alice Liddell").waitFor();
    await page.locator(".graphiql-editor-tool .graphiql-editor:not(.hidden) .view-lines").click();
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.press("Delete");
    await wait(700);
    assert.match(await execute(), /"username":"alice"/);
    await tools.getByRole("button", { name: "Variables" }).click();
  }, page);
  await step("an access token is shown, says what it says, and is copied", async () => {
    await panel.getByRole("button", { name: "Show an access token" }).click();
    await panel.getByText("Contents of the token").click();
    assert.match(await panel.locator("pre").innerText(), /"role": "USER"/);
    await panel.getByRole("button", { name: "Copy" }).click();
    await panel.getByRole("button", { name: "Copied" }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await panel.locator("code").innerText());
  }, page);
  await step("the policy shows a user's column", async () => {
    await show("Policy");
    await panel.getByText("You are: user").waitFor();
    await panel.getByLabel("Filter fields").fill("deleteUser");
    assert.deepEqual(await panel.locator("tbody td").allInnerTexts(), ["–", "–", "✓"]);
    await panel.getByLabel("Filter fields").fill("inviteMember");
    await panel.getByText("3 in 1 h for one user and one name").waitFor();
  }, page);
  await step("a list is forbidden to a user", async () => {
    await openExample("users");
    assert.match(await execute(), /FORBIDDEN/);
  }, page);
  await step("a stream that a user may not open is refused like anything else", async () => {
    await openExample("auditEvents", "Streams");
    await listen();
    await result.getByText("FORBIDDEN").waitFor();
    await page.locator('.graphiql-execute-button[aria-label^="Execute"]').waitFor();
  }, page);
  await step("an admin signs in and lists", async () => {
    await openExample("users");
    writeFileSync(join(folder, "password"), `${PASSWORD}\n`);
    await run("admin", "create", "--username=boss", "--email=boss@example.com", "--password-file=password");
    await show("Account");
    await panel.getByRole("button", { name: "Sign out", exact: true }).click();
    await fill({ identifier: "boss", password: "wrong horse battery" });
    await panel.getByRole("button", { name: "Sign in" }).last().click();
    await panel.getByRole("alert").waitFor();
    await fill({ identifier: "BOSS@example.com", password: PASSWORD });
    await panel.getByRole("button", { name: "Sign in" }).last().click();
    await panel.getByText("boss@example.com").waitFor();
    assert.match(await execute(), /"totalCount":2/);
  }, page);

  await step("a subscription in the editor tells of a change that another client makes", async () => {
    await openExample("sessionEvents", "Streams");
    await listen();
    await post('mutation { updateProfile(input: { fullName: "The Boss" }) { user { id } } }', {}, await tokenOf("boss"));
    await result.getByText("USER_CHANGED").waitFor();
    await show("Account");
    await panel.getByText("The Boss").waitFor();
    await page.click(".graphiql-execute-button");
  }, page);
  await step("events come one after the other until the stream is stopped", async () => {
    await openExample("auditEvents", "Streams");
    await listen();
    await tokenOf("alice");
    await result.getByText('"SIGNED_IN"').waitFor();
    await post("mutation($input: LoginInput!) { login(input: $input) { __typename } }", { input: { identifier: "alice", password: "wrong" } });
    await result.getByText('"SIGN_IN_REFUSED"').waitFor();
    const closed = page.waitForEvent("requestfailed");
    await page.click(".graphiql-execute-button");
    assert.match((await closed).failure().errorText, /ABORTED/);
    await tokenOf("alice");
    await wait(3000);
    assert.equal(await result.getByText('"SIGNED_IN"').count(), 0);
    await result.getByText('"SIGN_IN_REFUSED"').waitFor();
  }, page);
  await step("the other ways to send an example answer the same", async () => {
    await openExample("users");
    await panel.getByText("Other ways to send it").click();
    const told = (title) => panel.getByRole("group", { name: title }).locator("code").innerText();
    const bearer = await tokenOf("boss");
    const { query, variables } = registered;
    const expected = await post(query, variables, bearer);
    assert.equal(expected.data.users.totalCount, 2);
    const [, address] = /'(.*)'/.exec(await told("By GET"));
    const byGet = await fetch(address, { headers: { accept: "application/json", authorization: `Bearer ${bearer}` } });
    assert.deepEqual(await byGet.json(), expected);
    for (const title of ["By its id, once registered", "By its id, as Apollo Client does"]) {
      assert.deepEqual(await (await send(JSON.parse(await told(title)), bearer)).json(), expected);
    }
  }, page);
  await step("the policy has the directives of gateways as the federated schema does", async () => {
    await show("Policy");
    await panel.getByLabel("Filter fields").fill("Subscription.auditEvents");
    assert.deepEqual(await panel.locator("tbody td").allInnerTexts(), ["–", "–", "✓"]);
    await panel.getByText('@requiresScopes(scopes: [["audit:read"]])').waitFor();
    const federated = parse(schemaOf("--federation")).definitions;
    for (const rule of rules(schemaOf())) {
      const type = federated.find(({ kind, name }) => kind === "ObjectTypeDefinition" && name.value === rule.type);
      const { directives } = type.fields.find(({ name }) => name.value === rule.name);
      const enforced = directives.filter(({ name }) => !["cost", "listSize"].includes(name.value)).map(print);
      assert.deepEqual(enforced, [gateway(rule)].filter(Boolean), `${rule.type}.${rule.name}`);
    }
  }, page);

  await step("an example that deletes somebody names nobody yet", async () => {
    await openExample("deleteUser");
    assert.match(await execute(), /NOT_FOUND/);
    await openExample("user");
    assert.match(await execute(), /"username":"boss"/);
    await openExample("users");
    await show("Account");
  });
  await step("a sign-out that fails is told, and is none", async () => {
    await page.route("**/graphql", (route) => (route.request().postData()?.includes("{ logout {") ? route.abort() : route.continue()));
    await panel.getByRole("button", { name: "Sign out", exact: true }).click();
    await panel.getByRole("alert").getByText("The server cannot be reached").waitFor();
    await page.unroute("**/graphql");
    assert.match(await execute(), /"totalCount":2/);
  });

  const two = await open();
  await step("a second tab is signed in by the cookie", async () => {
    await two.locator(".pc-panel").getByText("boss@example.com").waitFor();
  });
  await step("a reload keeps the session", async () => {
    await page.reload();
    await panel.getByText("boss@example.com").waitFor();
  });
  await step("a tab acts in the organization that it chose, and others do not", async () => {
    await openExample("createOrganization");
    assert.match(await execute(), /"name":"Acme"/);
    await show("Account");
    await panel.getByLabel("Organization").selectOption({ label: "Acme" });
    await openExample("activeOrganization");
    assert.match(await execute(), /"name":"Acme"/);
    await show("Account");
    await panel.getByRole("button", { name: "Show an access token" }).click();
    assert.match(await panel.locator("pre").textContent(), /"org_role": "OWNER"/);
    await page.reload();
    await panel.getByLabel("Organization").waitFor();
    assert.notEqual(await panel.getByLabel("Organization").inputValue(), "");
    await two.reload();
    assert.equal(await two.locator(".pc-panel").getByLabel("Organization").inputValue(), "");
  }, page);
  await step("the password is asked for where the server wants it, and what needed it goes on", async () => {
    // The server wants it five minutes after a sign-in.
    const errors = [{ message: "Please enter your password again", extensions: { code: "STEP_UP_REQUIRED", factors: ["PASSWORD"] } }];
    await page.route("**/graphql", (route) => (
      route.request().postData()?.includes("{ revokeAllSessions {") ? route.fulfill({ json: { data: null, errors } }) : route.continue()));
    await panel.getByRole("button", { name: "Sign out everywhere" }).click();
    await panel.getByLabel("Your password again").last().waitFor();
    await fill({ password: "wrong horse battery" });
    await panel.getByRole("button", { name: "Continue", exact: true }).click();
    await panel.getByText("Your current password is wrong.").waitFor();
    await page.unroute("**/graphql");
    await fill({ password: PASSWORD });
    if (pictures) await page.screenshot({ path: join(pictures, "proof.png") });
    await panel.getByRole("button", { name: "Continue", exact: true }).click();
    await panel.getByText("You are a guest").waitFor();
    await two.locator(".pc-panel").getByText("Your session has ended").waitFor();
  });
  await step("a login in the editor signs the panel in, and its password is in no storage", async () => {
    await openExample("login");
    assert.match(await execute(), /"accessToken":null/);
    await show("Account");
    await panel.getByText("Alice Liddell").waitFor();
    // The other tab acts for nobody whom the cookie no longer holds.
    await two.locator(".pc-panel").getByText("Alice Liddell").waitFor();
    const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
    assert.ok(!stored.includes("horse battery"), stored);
    assert.ok(!stored.includes("eyJ"), stored);
  });
  await step("a stream tells that its session is over, and the page knows at once", async () => {
    await openExample("sessionEvents", "Streams");
    await listen();
    await post("mutation { revokeAllSessions { endedSessions } }", {}, await tokenOf("alice"));
    await result.getByText('"SESSION_ENDED"').first().waitFor();
    await show("Account");
    for (const tab of [page, two]) await tab.locator(".pc-panel").getByText("Your session has ended").waitFor();
    await fill({ identifier: "alice", password: PASSWORD });
    await panel.getByRole("button", { name: "Sign in" }).last().click();
    for (const tab of [page, two]) await tab.locator(".pc-panel").getByText("Alice Liddell").waitFor();
  }, page);
  await step("a session that was ended elsewhere is over in every tab", async () => {
    await post("mutation { revokeAllSessions { endedSessions } }", {}, await tokenOf("alice"));
    await page.locator(".graphiql-tab").first().locator("button").first().click();
    await wait(700);
    assert.match(await execute(), /"SESSION_ENDED"/);
    for (const tab of [page, two]) await tab.locator(".pc-panel").getByText("Your session has ended").waitFor();
    await fill({ identifier: "alice", password: PASSWORD });
    await panel.getByRole("button", { name: "Sign in" }).last().click();
    for (const tab of [page, two]) await tab.locator(".pc-panel").getByText("Alice Liddell").waitFor();
  }, page);

  const sdl = await (await fetch(`${origin}/schema.graphql`)).text();
  await step("every operation has an example that the server understands", async () => {
    const all = examples(sdl);
    assert.deepEqual(all.filter(({ group }) => group === "Other").map(({ name }) => name), [], "in no group");
    const own = all.filter(({ name }) => !Object.values(GROUPS).flat().includes(name) && !name.includes("{"));
    assert.deepEqual([...new Set(own.map(({ group }) => group))], sdl.includes("type Task ") ? ["Task"] : [], "of an extension");
    const known = new Set(all.map(({ name }) => name));
    for (const name of Object.values(GROUPS).flat()) assert.ok(known.has(name), `${name} is no operation`);
    // What ends sessions comes with no token; the tokens and ids of examples name nothing.
    const admin = await tokenOf("boss");
    const ending = ["logout", "revokeAllSessions", "revokeOtherSessions", "reauthenticate", "changePassword", "deactivateAccount", "deleteAccount"];
    for (const { name, operation, query, variables } of all) {
      const bearer = ending.includes(name) ? null : admin;
      const answer = await (operation === "subscription" ? opening : post)(query, variables, bearer);
      const code = answer.errors?.[0]?.extensions?.code ?? "NONE";
      const fine = ["NONE", "UNAUTHENTICATED", "INVALID_CREDENTIALS", "INVALID_TOKEN", "NOT_FOUND", "CONFLICT", "RATE_LIMITED", "FORBIDDEN"];
      // The provider here is GitHub, which cannot ask anybody to sign in again.
      if (name === "startReauthentication") fine.push("BAD_USER_INPUT");
      assert.ok(fine.includes(code), `${name}: ${JSON.stringify(answer)}`);
    }
    await show("Examples");
    await panel.locator("[data-example]").first().waitFor();
    assert.equal(await panel.locator("[data-example]").count(), all.length);
  }, page);
  await step("signing out everywhere ends the other tab too", async () => {
    await show("Account");
    await panel.getByRole("button", { name: "Sign out everywhere" }).click();
    await panel.getByText("You are a guest").waitFor();
    await two.locator(".pc-panel").getByText("You are a guest").waitFor();
  }, page);
  await step("dark", async () => {
    await page.emulateMedia({ colorScheme: "dark" });
    await page.reload();
    await page.waitForSelector(".graphiql-container .view-lines");
    await show("Policy");
    await panel.getByText("You are: anybody").waitFor();
  }, page);
  await step("900 pixels are enough", async () => {
    await page.setViewportSize({ width: 900, height: 700 });
    await wait(300);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 900, `${width}`);
  }, page);
  await step("the policy is read on a telephone", async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await panel.getByLabel("Filter fields").fill("Subscription.");
    const [field, rule] = [panel.getByText("auditEvents"), panel.getByText("@requiresScopes")];
    for (const shown of [field, rule]) assert.ok((await shown.boundingBox()).width > 80);
    const sizes = await panel.evaluate(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth]);
    assert.ok(sizes[0] <= sizes[1], `${sizes}`);
  }, page);

  assert.deepEqual(violations, [], "violations of the content security policy");
  assert.deepEqual(outside, [], "requests to other servers");
  assert.deepEqual(errors, [], "errors in the page");
  console.log("ok: no violation, no request to elsewhere, no error");
  await browser.close();
}

try {
  await main();
} finally {
  server.kill();
  rmSync(folder, { recursive: true, force: true });
}
