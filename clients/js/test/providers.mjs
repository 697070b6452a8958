// Sign-ins with a provider.

import assert from "node:assert/strict";
import { openTab, register, stateOf } from "./cookie.mjs";
import { test } from "./support.mjs";

export async function providerTests({ browser, server, pages, provider }) {
  const { endpoint } = server;
  const there = (page) => page.waitForURL((url) => url.origin === provider.origin);
  const say = async (page, login, button = "Go on") => {
    await there(page);
    await page.locator("[name=login]").fill(login);
    await page.getByRole("button", { name: button }).click();
  };
  const start = (page, how) => page.evaluate((how) => attempt(() => client.startProvider(session, { providerId: "acme", ...how })), how);
  const finish = async (page, options) => {
    await page.waitForFunction(() => globalThis.open && globalThis.client);
    await page.evaluate((options) => open(options), options);
    return page.evaluate(() => attempt(() => client.finishProvider(session)));
  };

  for (const [mode, origin, options] of [
    ["the cookie", pages.sameSite, { endpoint }], ["tokens", pages.otherSite, { endpoint, tokens: "shared" }],
  ]) {
    await test(`a provider signs in with ${mode}, and the address is clean afterwards`, async () => {
      const context = await browser.newContext();
      const page = await openTab(context, origin, options);
      assert.deepEqual(await page.evaluate(() => client.finishProvider(session)), null);
      const name = `walter-${options.tokens ?? "cookie"}`;
      await start(page, { state: { next: "/inbox" } });
      await say(page, name);
      await page.waitForURL(`${origin}/page**`);
      const { value } = await finish(page, options);
      assert.equal(value.result.__typename, "AuthPayload");
      assert.deepEqual([value.purpose, value.providerId, value.state], ["SignIn", "acme", { next: "/inbox" }]);
      assert.equal((await stateOf(page)).status, "user");
      assert.equal(page.url(), `${origin}/page`);
      assert.equal(await page.evaluate(() => sessionStorage.length), 0);

      // Proves who they are there, again.
      await start(page, { purpose: "Reauthentication" });
      await say(page, name);
      await page.waitForURL(`${origin}/page**`);
      assert.equal((await finish(page, options)).value.purpose, "Reauthentication");
      assert.equal((await page.evaluate(() => session.load())).status, "user");
      await context.close();
    });
  }

  await test("a provider is linked to an account", async () => {
    const context = await browser.newContext();
    const page = await openTab(context, pages.sameSite, { endpoint });
    await register(page, "xenia");
    await start(page, { purpose: "Link" });
    await say(page, "xenia-there");
    await page.waitForURL(`${pages.sameSite}/page**`);
    const { value } = await finish(page, { endpoint });
    assert.equal(value.identity.email, "xenia-there@example.com");
    await context.close();
  });

  await test("what a provider refuses is told apart, and no page that is not listed is returned to", async () => {
    const context = await browser.newContext();
    const page = await openTab(context, pages.sameSite, { endpoint });
    await start(page, { state: 7 });
    await say(page, "", "Cancel");
    await page.waitForURL(`${pages.sameSite}/page**`);
    const refused = await finish(page, { endpoint });
    assert.deepEqual([refused.name, refused.refusal, refused.state], ["ProviderError", "access_denied", 7]);
    // Another browser has begun.
    const elsewhere = await page.evaluate(() => attempt(() => client.finishProvider(session, { url: "https://app.example/#code=1&state=2" })));
    assert.deepEqual([elsewhere.name, elsewhere.refusal], ["ProviderError", "flow_missing"]);
    const wrong = await start(page, { returnTo: "https://elsewhere.example/" });
    assert.equal(wrong.fields[0].path, "input.returnTo");
    await context.close();
  });
}
