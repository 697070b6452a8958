// A server that renders pages: examples/server.mjs, with a visitor in a browser.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { openTab, register, signOut, stateOf } from "./cookie.mjs";
import { atEnd, freePort, root, test } from "./support.mjs";

export async function serverTests({ browser, renderedServer, renderer, pages }) {
  const { endpoint } = renderedServer;
  const child = spawn(process.execPath, ["examples/server.mjs"], {
    cwd: root, stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, PORT: renderer.port, ORIGIN: renderer.origin, PROGRAM: `${pages.sameSite}/rendered.js`, PORTCULLIS_URL: endpoint.replace("localhost", "127.0.0.1") },
  });
  atEnd(async () => void child.kill());
  await new Promise((done) => child.stdout.once("data", done));

  await test("rendering: the page shows who the visitor is, and goes on without asking", async () => {
    const context = await browser.newContext({ userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0" });
    const page = await context.newPage();
    page.setDefaultTimeout(10_000);
    await page.goto(renderer.origin);
    assert.equal(await page.locator("#who").innerText(), "Nobody is signed in");
    const tab = await openTab(context, pages.sameSite, { endpoint });
    await register(tab, "sven");
    const asked = [];
    page.on("request", (request) => request.url().includes("/graphql") && asked.push(request.postData()));
    const rendered = await page.goto(renderer.origin);
    assert.match(await rendered.text(), /Signed in as (<!-- -->)?sven/);
    await page.waitForFunction(() => globalThis.session);
    assert.deepEqual(await page.evaluate(() => [session.state.user.username, problems]), ["sven", []]);
    assert.deepEqual(asked, []);
    // A form of its own pages changes something, as the visitor at their address.
    await page.locator("[name=name]").fill("Sven S.");
    await page.getByRole("button", { name: "Rename" }).click();
    await page.locator("#who", { hasText: "sven" }).waitFor();
    const { me } = await tab.evaluate(() => session.request("{ me { fullName } }"));
    assert.equal(me.fullName, "Sven S.");
    await context.close();
  });

  await test("rendering: another page's form changes nothing, and other cookies stay here", async () => {
    const context = await browser.newContext();
    const tab = await openTab(context, pages.sameSite, { endpoint });
    await register(tab, "theo");
    await tab.evaluate(() => void (document.cookie = "tracking=1"));
    const page = await context.newPage();
    await page.goto(`${pages.sameSite}/page`);
    await page.evaluate((action) => {
      document.body.innerHTML = `<form method="post" action="${action}"><input name="name" value="Mallory"><button>Go</button></form>`;
    }, renderer.origin);
    const refused = page.waitForResponse(`${renderer.origin}/`);
    await page.getByRole("button", { name: "Go" }).click();
    assert.equal((await refused).status(), 403);
    const { me } = await tab.evaluate(() => session.request("{ me { fullName } }"));
    assert.equal(me.fullName, null);
    await signOut(tab);
    assert.equal((await stateOf(tab)).status, "guest");
    await context.close();
  });

  await test("rendering: the visitor's cookie, address and language go on, and cookies of the answer come back", async () => {
    const { createServerSession, PortcullisError } = await import("@portcullis/client/server");
    const sent = [];
    const send = (url, init) => {
      sent.push(init.headers);
      return fetch(url, init);
    };
    const { origin } = renderer;
    const visit = (headers) => createServerSession(
      { headers, socket: { remoteAddress: "192.0.2.7" } }, { endpoint: endpoint.replace("localhost", "127.0.0.1"), origins: [origin], fetch: send });
    const first = visit({ origin, "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "accept-language": "de", cookie: "theme=dark" });
    const REGISTER = "mutation($input: RegisterInput!) { register(input: $input) { __typename } }";
    await first.request(REGISTER, { input: { username: "uwe", email: "uwe@example.com", password: "correct horse battery" } });
    const names = first.setCookies.map((cookie) => cookie.split("=")[0]).sort();
    assert.deepEqual(names, ["__Host-portcullis_device", "__Host-portcullis_session"]);
    // What follows is for the new user.
    assert.equal((await first.state()).user.username, "uwe");
    assert.equal(sent[0].get("cookie"), null);
    const cookie = `theme=dark; ${first.setCookies.map((cookie) => cookie.split(";")[0]).join("; ")}`;
    const next = visit(new Headers({ cookie, "x-forwarded-for": "203.0.113.9" }));
    const { me } = await next.request("{ me { sessions { nodes { ip device } } } }");
    assert.deepEqual(me.sessions.nodes, [{ ip: "192.0.2.7", device: "Firefox on Linux" }]);
    assert.equal(sent.at(-1).get("x-forwarded-for"), "203.0.113.9, 192.0.2.7");
    assert.doesNotMatch(sent.at(-1).get("cookie"), /theme/);
    await assert.rejects(visit({ cookie, origin: "https://elsewhere.example" }).request("mutation { logout { sessionId } }"),
      (error) => error instanceof PortcullisError && error.code === "FORBIDDEN");
    await assert.rejects(next.request("mutation { logout { sessionId } }"), { code: "FORBIDDEN" });
    const german = await visit({ "accept-language": "de", origin }).request("mutation { startLink(input: { providerId: \"x\" }) { flow } }").catch((error) => error);
    assert.match(german.message, /[Mm]elde|angemeldet|Anmeld/);
  });
}
