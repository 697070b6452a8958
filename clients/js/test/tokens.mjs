// Token mode, on a page of another site than the server: refreshes of several tabs, lost answers, clocks.

import assert from "node:assert/strict";
import { becomes, enterAs, openTab, signIn, signOut, stateOf } from "./cookie.mjs";
import { PASSWORD, test, until, wait } from "./support.mjs";

const isRefresh = (request) => /refreshToken\(/.test(request.postData() ?? "");

/** Sees the refreshes of all tabs, and how many are under way at once. */
async function watch(context, endpoint, answer = (route) => route.continue()) {
  const seen = { sent: [], answered: [], atOnce: 0, most: 0 };
  await context.route(endpoint, async (route) => {
    const request = route.request();
    if (!isRefresh(request)) return route.fallback();
    const { variables } = request.postDataJSON();
    assert.equal(request.headers().authorization, undefined);
    seen.sent.push(variables.input);
    seen.most = Math.max(seen.most, ++seen.atOnce);
    // Long enough for another to come in between.
    await wait(100);
    const response = await route.fetch();
    seen.atOnce--;
    seen.answered.push((await response.json()).data?.refreshToken?.refreshToken ?? null);
    await answer(route, response);
  });
  return seen;
}
const fulfil = (route, response) => route.fulfill({ response });

const kept = (page) => page.evaluate(async () => JSON.parse((await storage.read()) ?? "{}"));
const me = (page) => page.evaluate(() => attempt(async () => (await session.request("{ me { username } }")).me.username));
/** The laptop slept, or somebody set its clock: the clocks of a page differ by so many minutes from now on. */
const shift = (page, { wall = 0, steady = 0 }) => page.evaluate(([wall, steady]) => {
  const [now, passed] = [Date.now.bind(Date), performance.now.bind(performance)];
  Date.now = () => now() + wall * 60_000;
  performance.now = () => passed() + steady * 60_000;
}, [wall, steady]);

export async function tokenTests({ browser, tokenServer: { endpoint }, pages }) {
  const open = (context, tokens = "shared") => openTab(context, pages.otherSite, { endpoint, tokens });
  const newContext = (options) => browser.newContext(options);
  /** The server replaces no refresh token within its grace, which is two seconds here. */
  const grace = () => wait(2100);

  await test("tokens: a reload and another tab stay signed in, and the access token stays in memory", async () => {
    const context = await newContext();
    const page = await open(context);
    await enterAs(page, "tina");
    assert.equal((await stateOf(page)).username, "tina");
    const { refreshToken, deviceToken, ...rest } = await kept(page);
    assert.match(refreshToken, /^pcr_/);
    assert.match(deviceToken, /^pcd_/);
    assert.deepEqual(rest, {});
    const request = page.waitForRequest(endpoint);
    assert.equal((await me(page)).value, "tina");
    assert.match((await request).headers().authorization, /^Bearer eyJ/);
    assert.equal((await request).headers()["portcullis-token-mode"], undefined);
    assert.equal(await page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage })), "{}");
    const other = await open(context);
    await other.evaluate(() => session.ready());
    assert.equal((await stateOf(other)).username, "tina");
    await signOut(page);
    await becomes(other, "guest");
    assert.deepEqual(Object.keys(await kept(other)), ["deviceToken"]);
    assert.match((await me(other)).code, /UNAUTHENTICATED/);
    // The device is still known to the server.
    const login = page.waitForRequest((request) => /login\(/.test(request.postData() ?? ""));
    await signIn(page, "tina");
    assert.equal((await login).postDataJSON().variables.input.deviceToken, deviceToken);
    await context.close();
  });

  await test("tokens: three tabs with one expired token refresh it once, one after the other", async () => {
    const context = await newContext();
    const tabs = [await open(context), await open(context), await open(context)];
    await enterAs(tabs[0], "tina");
    for (const tab of tabs) await tab.evaluate(() => session.ready());
    await grace();
    const seen = await watch(context, endpoint, fulfil);
    for (const tab of tabs) await shift(tab, { wall: 20 });
    const before = (await kept(tabs[0])).refreshToken;
    // Two calls of each at once: one refresh a tab.
    const answers = await Promise.all(tabs.flatMap((tab) => [me(tab), me(tab)]));
    assert.deepEqual(answers.map(({ value }) => value), Array(6).fill("tina"));
    assert.equal(seen.most, 1);
    assert.equal(seen.sent.length, 3);
    // The first replaced the token, and the others were answered the same one.
    const after = new Set(seen.answered);
    assert.equal(after.size, 1);
    assert.notEqual([...after][0], before);
    assert.deepEqual(await kept(tabs[2]), { ...(await kept(tabs[2])), refreshToken: [...after][0] });
    await context.close();
  });

  await test("tokens: a tab that is closed in the middle of a refresh loses nothing", async () => {
    const context = await newContext();
    const [page, other] = [await open(context), await open(context)];
    await enterAs(page, "tina");
    await grace();
    let isAnswered = false;
    await context.route(endpoint, async (route) => {
      if (isAnswered || !isRefresh(route.request())) return route.fallback();
      // The server has replaced the token, and nobody hears of it.
      await route.fetch();
      isAnswered = true;
    });
    await shift(page, { wall: 20 });
    void me(page).catch(() => {});
    await until(() => isAnswered, "refresh");
    const { attempt } = await kept(other);
    assert.match(attempt, /^[\w-]{22}$/);
    await page.close();
    await grace();
    const seen = await watch(context, endpoint, fulfil);
    assert.equal((await me(other)).value, "tina");
    assert.equal(seen.sent[0].attempt, attempt);
    assert.equal((await kept(other)).attempt, undefined);
    await context.close();
  });

  await test("tokens: a lost answer is an outage, and the attempt brings the token back", async () => {
    const context = await newContext();
    const page = await open(context, "memory");
    await enterAs(page, "tina");
    await grace();
    await shift(page, { wall: 20 });
    let isLost = true;
    const seen = await watch(context, endpoint, (route, response) => (isLost ? route.abort("connectionreset") : route.fulfill({ response })));
    // Calls at once share a refresh, and its failure.
    assert.deepEqual((await Promise.all([me(page), me(page)])).map(({ name }) => name), ["NetworkError", "NetworkError"]);
    assert.equal(seen.sent.length, 1);
    assert.equal((await stateOf(page)).username, "tina");
    await grace();
    isLost = false;
    assert.equal((await me(page)).value, "tina");
    assert.deepEqual(seen.sent[1], seen.sent[0]);
    assert.equal(seen.answered[1], seen.answered[0]);
    // An attempt belongs to one refresh.
    await grace();
    await shift(page, { wall: 20 });
    assert.equal((await me(page)).value, "tina");
    assert.notEqual(seen.sent[2].attempt, seen.sent[0].attempt);
    await context.close();
  });

  await test("tokens: no token is used that either clock calls expired", async () => {
    const context = await newContext();
    const page = await open(context, "memory");
    await enterAs(page, "tina");
    const seen = await watch(context, endpoint, fulfil);
    await me(page);
    assert.equal(seen.sent.length, 0);
    // It slept: only the clock on the wall went on.
    await shift(page, { wall: 20 });
    await me(page);
    assert.equal(seen.sent.length, 1);
    await me(page);
    assert.equal(seen.sent.length, 1);
    // Somebody set the clock on the wall back, and then time passed.
    await shift(page, { wall: -600 });
    await me(page);
    assert.equal(seen.sent.length, 1);
    await shift(page, { steady: 20 });
    await me(page);
    assert.equal(seen.sent.length, 2);
    await context.close();
  });

  await test("tokens: a refused call is sent once more, with another token", async () => {
    const context = await newContext();
    const [page, other] = [await open(context), await open(context)];
    await enterAs(page, "tina");
    await other.evaluate(() => session.ready());
    // A proof begins a session in the place of that of both.
    await page.evaluate(async (password) => {
      session.onStepUp(({ prove }) => prove({ password }));
      let isProved = false;
      await session.run(async () => {
        if (isProved) return;
        isProved = true;
        throw { errors: [{ message: "", extensions: { code: "STEP_UP_REQUIRED", factors: ["PASSWORD"] } }] };
      });
    }, PASSWORD);
    const seen = await watch(context, endpoint, fulfil);
    let calls = 0;
    await other.route(endpoint, (route) => {
      if (/\bme\b/.test(route.request().postData() ?? "")) calls++;
      return route.fallback();
    });
    assert.equal((await me(other)).value, "tina");
    assert.ok(seen.sent.length === 1 && calls <= 2, `${seen.sent.length} refreshes, ${calls} calls`);
    assert.equal((await stateOf(other)).username, "tina");
    await context.close();
  });

  await test("tokens: a mutation that may have run is not sent again", async () => {
    const context = await newContext();
    const page = await open(context, "memory");
    await enterAs(page, "tina");
    const refusal = (path) => ({ message: "", path, extensions: { code: "UNAUTHENTICATED", reason: "TOKEN_EXPIRED" } });
    let answer, calls, refreshes = 0;
    await page.route(endpoint, (route) => {
      const text = route.request().postData() ?? "";
      if (isRefresh(route.request())) refreshes++;
      if (isRefresh(route.request()) || !/keepLeftovers|\bme\b/.test(text)) return route.fallback();
      calls++;
      return calls === 1 ? route.fulfill({ json: answer }) : route.fallback();
    });
    const send = (query) => {
      calls = 0;
      return page.evaluate((query) => attempt(() => session.request(query)), query);
    };
    const KEEP = "mutation { keepLeftovers { hadLeftovers } }";
    answer = { data: { keepLeftovers: null }, errors: [refusal(["keepLeftovers"])] };
    assert.deepEqual(await send(KEEP), { value: { keepLeftovers: { hadLeftovers: false } } });
    assert.deepEqual([calls, refreshes], [2, 1]);
    answer = { data: { keepLeftovers: null }, errors: [refusal(["keepLeftovers", "hadLeftovers"])] };
    const nested = await send(KEEP);
    assert.equal(nested.code, "UNAUTHENTICATED", JSON.stringify(nested));
    assert.equal(calls, 1);
    answer = { data: { first: { hadLeftovers: true }, second: null }, errors: [refusal(["second"])] };
    assert.equal((await send("mutation { first: keepLeftovers { hadLeftovers } second: keepLeftovers { hadLeftovers } }")).code, "UNAUTHENTICATED");
    assert.equal(calls, 1);
    // A query can be sent again, whatever it was answered.
    answer = { data: { config: { id: "1" }, me: null }, errors: [refusal(["me"])] };
    assert.equal((await send("{ config { id } me { username } }")).value.me.username, "tina");
    assert.equal(calls, 2);
    await context.close();
  });

  await test("tokens: a session that ended elsewhere is over here, too", async () => {
    const [context, elsewhere] = [await newContext(), await newContext()];
    const [page, other] = [await open(context), await open(elsewhere)];
    await enterAs(page, "tina");
    await signIn(other, "tina");
    await other.evaluate(() => session.request("mutation { revokeOtherSessions { endedSessions } }"));
    const refused = await me(page);
    assert.deepEqual([refused.code, refused.reason], ["UNAUTHENTICATED", "SESSION_ENDED"]);
    await becomes(page, "guest");
    assert.deepEqual(Object.keys(await kept(page)), ["deviceToken"]);
    await Promise.all([context.close(), elsewhere.close()]);
  });

  await test("tokens: a sign-in while another tab refreshes wins, and ends the session before", async () => {
    const context = await newContext();
    const [page, other] = [await open(context), await open(context)];
    await enterAs(page, "ursula");
    await enterAs(page, "tina");
    await other.evaluate(() => session.ready());
    await grace();
    const first = (await kept(page)).refreshToken;
    const seen = await watch(context, endpoint, fulfil);
    await shift(other, { wall: 20 });
    const refreshed = me(other);
    await until(() => seen.sent.length > 0, "refresh");
    await signIn(page, "ursula");
    await refreshed;
    await becomes(other, "ursula");
    assert.equal((await me(other)).value, "ursula");
    assert.equal((await me(page)).value, "ursula");
    const old = await fetch(endpoint.replace("localhost", "127.0.0.1"), {
      method: "POST", headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: "mutation($input:RefreshTokenInput){refreshToken(input:$input){expiresIn}}", variables: { input: { refreshToken: first } } }),
    }).then((response) => response.json());
    assert.equal(old.errors[0].extensions.code, "INVALID_TOKEN");
    await context.close();
  });

  await test("tokens: a call acts where its tab does", async () => {
    const context = await newContext();
    const page = await open(context);
    await enterAs(page, "tina");
    const id = await page.evaluate(async () => {
      const { createOrganization } = await session.request('mutation { createOrganization(input: { name: "Acme" }) { organization { id } } }');
      return createOrganization.organization.id;
    });
    await shift(page, { wall: 20 });
    const claims = await page.evaluate(async (id) => {
      const read = async () => JSON.parse(atob((await client.accessToken(session)).split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).org ?? null;
      // A refresh is under way when the tab goes elsewhere.
      const under = read();
      session.actIn(id);
      const within = await read();
      session.actIn(null);
      return { before: await under, within: within === id, after: await read() };
    }, id);
    assert.deepEqual(claims, { before: null, within: true, after: null });
    await context.close();
  });

  await test("tokens: without Web Locks the page is told", async () => {
    const context = await newContext();
    await context.addInitScript(() => Object.defineProperty(Navigator.prototype, "locks", { value: undefined }));
    const page = await context.newPage();
    const warnings = [];
    page.on("console", (message) => message.type() === "warning" && warnings.push(message.text()));
    await page.goto(`${pages.otherSite}/page`);
    await page.waitForFunction(() => globalThis.open && globalThis.client);
    await page.evaluate((endpoint) => open({ endpoint, tokens: "memory" }), endpoint);
    await enterAs(page, "tina");
    await shift(page, { wall: 20 });
    assert.deepEqual((await Promise.all([me(page), me(page)])).map(({ value }) => value), ["tina", "tina"]);
    assert.equal(warnings.filter((text) => /Web Locks/.test(text)).length, 1);
    await context.close();
  });
}
