// Cookie mode: what calls carry, tabs, outages, and the end of a session.

import assert from "node:assert/strict";
import { PASSWORD, test, until } from "./support.mjs";

/** Opens a tab with a session. */
export async function openTab(context, origin, options) {
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  await page.goto(`${origin}/page`);
  await page.waitForFunction(() => globalThis.open && globalThis.client);
  await page.evaluate((options) => open(options), options);
  return page;
}

export const register = (page, username) => page.evaluate(
  ([username, password]) => attempt(() => client.register(session, { username, email: `${username}@example.com`, password })),
  [username, PASSWORD],
);
export const signIn = (page, identifier, password = PASSWORD) => page.evaluate(
  ([identifier, password]) => attempt(() => client.signIn(session, { identifier, password })), [identifier, password],
);
/** Signs somebody in, who may be new. */
export async function enterAs(page, username) {
  const registered = await register(page, username);
  return registered.code === "CONFLICT" ? signIn(page, username) : registered;
}
export const signOut = (page) => page.evaluate(() => attempt(() => session.signOut()));
export const stateOf = (page) => page.evaluate(() => {
  const { status, user, reason, failure } = session.state;
  return { status, username: user?.username ?? null, reason, failure: failure?.name ?? null };
});
export const becomes = (page, expected) => until(async () => {
  const { username, status } = await stateOf(page);
  return (username ?? status) === expected;
}, `${expected} in another tab`);

/** The headers that a page adds by itself are in lower case there; these are those of the package. */
const ownHeaders = (request) => Object.fromEntries(Object.entries(request.headers()).filter(([name]) =>
  /^(portcullis|authorization|content-type|cookie)/.test(name)));

export async function cookieTests({ browser, server, pages }) {
  const { endpoint } = server;
  const open = (context) => openTab(context, pages.sameSite, { endpoint });

  await test("a password signs in, by the cookie and nothing else", async () => {
    const context = await browser.newContext();
    const page = await open(context);
    const sent = [];
    page.on("request", (request) => request.method() === "POST" && sent.push(ownHeaders(request)));
    assert.equal((await register(page, "alice")).value.__typename, "AuthPayload");
    assert.equal((await stateOf(page)).username, "alice");
    assert.deepEqual(await signOut(page), { value: undefined });
    assert.deepEqual(await stateOf(page), { status: "guest", username: null, reason: "MISSING_TOKEN", failure: null });
    const { value } = await enterAs(page, "alice");
    assert.deepEqual(Object.keys(value).sort(), ["__typename", "user"]);
    const { me } = await page.evaluate(() => session.request("{ me { username } }"));
    assert.equal(me.username, "alice");
    for (const headers of sent) {
      assert.deepEqual(headers, { "content-type": "application/json", "portcullis-token-mode": "cookie" });
    }
    const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
    assert.doesNotMatch(stored, /pc[a-z]_|eyJ/);
    await context.close();
  });

  await test("a refusal has a code, and the fields of a form", async () => {
    const context = await browser.newContext({ locale: "de-DE" });
    const page = await open(context);
    const wrong = await signIn(page, "alice", "another password");
    assert.deepEqual([wrong.name, wrong.code], ["PortcullisError", "INVALID_CREDENTIALS"]);
    const short = await page.evaluate(async () => {
      const input = { username: "shorty", email: "shorty@example.com", password: "short" };
      const error = await client.register(session, input).catch((error) => error);
      return { code: error.code, field: error.field("password"), other: error.field("email") };
    });
    assert.equal(short.code, "BAD_USER_INPUT");
    assert.deepEqual([short.field.path, short.field.code, short.field.params], ["input.password", "TOO_SHORT", { min: 8 }]);
    assert.match(short.field.message, /Zeichen/);
    assert.equal(short.other, undefined);
    const found = await page.evaluate(async (endpoint) => {
      const other = client.createSession({ endpoint, locale: () => "en" });
      return client.signIn(other, { identifier: "alice", password: "" }).catch((error) => error.message);
    }, endpoint);
    assert.match(found, /password|empty|wrong/i);
    await context.close();
  });

  await test("what one tab does appears in the others, and no secret crosses", async () => {
    const context = await browser.newContext();
    const [one, other] = [await open(context), await open(context)];
    await other.evaluate((endpoint) => {
      globalThis.heard = [];
      new BroadcastChannel(`portcullis ${endpoint}`).onmessage = ({ data }) => heard.push(data);
      return session.ready();
    }, endpoint);
    assert.equal((await stateOf(other)).status, "guest");
    await enterAs(one, "alice");
    await becomes(other, "alice");
    await enterAs(one, "bertha");
    await becomes(other, "bertha");
    // The data of the first user is gone before anything of the second one is there.
    assert.deepEqual(await other.evaluate(() => states.filter((state, at) => state !== states[at - 1])),
      ["guest", "unknown", "alice", "unknown", "bertha"]);
    await signOut(one);
    await becomes(other, "guest");
    const heard = await other.evaluate(() => heard);
    assert.equal(heard.length, 3);
    for (const message of heard) assert.deepEqual(Object.keys(message), ["userId"]);
    await context.close();
  });

  await test("an outage signs nobody out", async () => {
    const context = await browser.newContext();
    const page = await open(context);
    await enterAs(page, "alice");
    await context.setOffline(true);
    await page.evaluate(() => session.load());
    assert.deepEqual(await stateOf(page), { status: "user", username: "alice", reason: null, failure: "NetworkError" });
    assert.equal((await signOut(page)).name, "NetworkError");
    assert.equal((await stateOf(page)).username, "alice");
    const lost = await page.evaluate(() => attempt(() => session.request("{ me { id } }")));
    assert.equal(lost.name, "NetworkError");
    await context.setOffline(false);
    await page.evaluate(() => session.load());
    assert.deepEqual(await stateOf(page), { status: "user", username: "alice", reason: null, failure: null });
    // A proxy that answers in the server's place is an outage, too.
    await context.route(endpoint, (route) => route.fulfill({ status: 502, json: { error: "bad gateway" } }));
    await page.evaluate(() => session.load());
    assert.deepEqual(await stateOf(page), { status: "user", username: "alice", reason: null, failure: "NetworkError" });
    // A sign-in whose user could not be asked for has happened nevertheless.
    await context.unrouteAll();
    await context.route(endpoint, (route) => (/viewer/.test(route.request().postData() ?? "") ? route.abort() : route.fallback()));
    assert.equal((await enterAs(page, "bertha")).value.__typename, "AuthPayload");
    assert.deepEqual(await stateOf(page), { status: "unknown", username: null, reason: null, failure: "NetworkError" });
    await context.unrouteAll();
    await page.evaluate(() => session.load());
    assert.equal((await stateOf(page)).username, "bertha");
    await context.close();
  });

  await test("a tab that becomes visible asks who is signed in, once a minute", async () => {
    const context = await browser.newContext();
    const page = await open(context);
    await enterAs(page, "alice");
    let asked = 0;
    page.on("request", (request) => (asked += /viewer/.test(request.postData() ?? "")));
    const appear = () => page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    // Another page of the site signs out, which does not use this package.
    await page.evaluate((endpoint) => fetch(endpoint, {
      method: "POST", credentials: "include", headers: { "content-type": "application/json", "portcullis-token-mode": "cookie" },
      body: JSON.stringify({ query: "mutation { logout { sessionId } }" }),
    }), endpoint);
    await appear();
    await appear();
    await becomes(page, "guest");
    assert.equal((await stateOf(page)).reason, "SESSION_ENDED");
    assert.equal(asked, 1);
    await context.close();
  });

  await test("a session that ended elsewhere is noticed with the next call", async () => {
    const [context, elsewhere] = [await browser.newContext(), await browser.newContext()];
    const [page, other] = [await open(context), await open(elsewhere)];
    await enterAs(page, "alice");
    await signIn(other, "alice");
    await other.evaluate(() => session.request("mutation { revokeOtherSessions { endedSessions } }"));
    const refused = await page.evaluate(() => attempt(() => session.request("{ me { id } }")));
    assert.deepEqual([refused.code, refused.reason], ["UNAUTHENTICATED", "SESSION_ENDED"]);
    await becomes(page, "guest");
    assert.equal((await stateOf(page)).reason, "SESSION_ENDED");
    await Promise.all([context.close(), elsewhere.close()]);
  });

  await test("a call says where it acts, and other services get a token", async () => {
    const context = await browser.newContext();
    const page = await open(context);
    assert.equal(await page.evaluate(() => client.accessToken(session)), null);
    await enterAs(page, "alice");
    const organization = await page.evaluate(async () => {
      const { createOrganization } = await session.request('mutation { createOrganization(input: { name: "Acme" }) { organization { id } } }');
      session.actIn(createOrganization.organization.id);
      return session.organizationId;
    });
    const claims = await page.evaluate(async () => JSON.parse(atob((await client.accessToken(session)).split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))));
    assert.equal(claims.org, organization);
    const [request] = await Promise.all([page.waitForRequest(endpoint), page.evaluate(() => session.request("{ me { id } }"))]);
    assert.equal(request.headers()["portcullis-organization"], organization);
    await context.close();
  });

  await test("subscriptions act for the user: by the session's fetch, and over a WebSocket by its headers", async () => {
    for (const [origin, options] of [[pages.sameSite, { endpoint }], [pages.otherSite, { endpoint, tokens: "memory" }]]) {
      const [context, elsewhere] = [await browser.newContext(), await browser.newContext()];
      const [page, other] = [await openTab(context, origin, options), await open(elsewhere)];
      await enterAs(page, "alice");
      await enterAs(other, "alice");
      await page.evaluate(async () => {
        const query = "subscription { sessionEvents { type } }";
        const response = await session.fetch(session.endpoint, {
          method: "POST", headers: { "content-type": "application/json", accept: "text/event-stream" }, body: JSON.stringify({ query }),
        });
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        const socket = new WebSocket(session.endpoint.replace("http", "ws"), "graphql-transport-ws");
        const payload = await session.transport.headers(session.organizationId);
        socket.onopen = () => socket.send(JSON.stringify({ type: "connection_init", payload }));
        globalThis.events = { stream: "", socket: "" };
        await new Promise((acknowledged) => {
          socket.onmessage = ({ data }) => {
            events.socket += data;
            if (!/connection_ack/.test(data)) return;
            socket.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query } }));
            acknowledged();
          };
        });
        void (async () => {
          for (let part; (part = await reader.read()), !part.done;) events.stream += part.value;
        })();
      });
      await other.evaluate(() => session.request("mutation { revokeOtherSessions { endedSessions } }"));
      await until(async () => {
        const { stream, socket } = await page.evaluate(() => events);
        return /SESSION_ENDED/.test(stream) && /SESSION_ENDED/.test(socket);
      }, "end of the session in both streams");
      await Promise.all([context.close(), elsewhere.close()]);
    }
  });

  await test("the session's fetch calls the endpoint and nothing else", async () => {
    const context = await browser.newContext();
    const page = await open(context);
    const outcome = await page.evaluate(() => attempt(() => session.fetch(`${location.origin}/elsewhere`)));
    assert.equal(outcome.name, "TypeError");
    const { value } = await page.evaluate((endpoint) => attempt(async () => (await session.fetch(`${endpoint}?query={config{version}}`)).ok), endpoint);
    assert.equal(value, true);
    await context.close();
  });
}
