// The hooks, and the clients of examples/, in a page.

import assert from "node:assert/strict";
import { enterAs, openTab, register, signIn } from "./cookie.mjs";
import { PASSWORD, test, until } from "./support.mjs";
import { protect } from "./factors.mjs";

/** Opens a page of a program, in which somebody may be signed in. */
async function openProgram(context, origin, name, endpoint) {
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  const asked = [];
  page.on("request", (request) => {
    const text = (request.postData() ?? "") + decodeURIComponent(request.url());
    if (request.url().startsWith(endpoint) && request.method() !== "OPTIONS") asked.push(text);
  });
  await page.goto(`${origin}/${name}?endpoint=${encodeURIComponent(endpoint)}`);
  return { page, errors, asked };
}

export async function reactTests({ browser, server: { endpoint }, pages }) {
  await test("hooks: StrictMode asks once, and one request asks what the components want to know", async () => {
    const context = await browser.newContext();
    const { page, errors, asked } = await openProgram(context, pages.sameSite, "hooks", endpoint);
    await page.locator("#who", { hasText: "guest" }).waitFor();
    await page.locator("[data-field='Query.me']", { hasText: "false" }).waitFor();
    assert.equal(asked.filter((text) => text.includes("viewer{reason")).length, 1);
    assert.deepEqual(asked.filter((text) => text.includes("access(fields")).map((text) => JSON.parse(text.slice(0, text.lastIndexOf("}") + 1)).variables.fields), [
      ["Query.users", "Mutation.inviteUser", "Query.me", "Mutation.regenerateRecoveryCodes"],
    ]);
    const other = await openTab(context, pages.sameSite, { endpoint });
    await signIn(other, "admin");
    await page.locator("#who", { hasText: "admin" }).waitFor();
    for (const field of ["Query.users", "Mutation.inviteUser", "Query.me"]) {
      await page.locator(`[data-field='${field}']`, { hasText: "true" }).waitFor();
    }
    // What one may do is never shown to the next, not even for a moment.
    await page.evaluate(() => void (seen.length = 0));
    await enterAs(other, "quentin");
    await page.locator("#who", { hasText: "quentin" }).waitFor();
    await page.locator("[data-field='Query.users']", { hasText: "false" }).waitFor();
    assert.equal((await page.evaluate(() => seen)).at(-1), false);
    assert.ok(!(await page.evaluate(() => seen)).slice(1).includes(true));
    // The same user's answers stand while they are asked for again.
    await page.evaluate(() => void (seen.length = 0));
    await page.evaluate(() => session.load());
    await until(() => page.evaluate(() => seen.length > 1), "rendering");
    assert.ok(!(await page.evaluate(() => seen)).includes(undefined));
    assert.deepEqual(errors, []);
    await context.close();
  });

  await test("hooks: a proof is asked for in the page", async () => {
    const context = await browser.newContext();
    const preparing = await openTab(context, pages.sameSite, { endpoint });
    await register(preparing, "rosa");
    const { recoveryCodes } = await protect(preparing);
    const { page, errors } = await openProgram(context, pages.sameSite, "hooks", endpoint);
    await page.locator("#who", { hasText: "rosa" }).waitFor();
    const button = (name) => page.getByRole("button", { name });
    await button("Act").click();
    await button("Give up").click();
    await page.locator("#said", { hasText: "STEP_UP_REQUIRED" }).waitFor();
    // A form that goes away is given up, too.
    await button("Act").click();
    await page.locator("[name=code]").waitFor();
    await button("Toggle").click();
    await button("Toggle").click();
    await button("Act").click();
    await page.locator("[name=code]").fill(recoveryCodes[0].replace(/./, (letter) => (letter === "A" ? "B" : "A")));
    await button("Prove").click();
    await page.locator("#said", { hasText: /INVALID_CREDENTIALS|BAD_USER_INPUT/ }).waitFor();
    await page.locator("[name=code]").fill(recoveryCodes[0]);
    await button("Prove").click();
    await page.locator("#said", { hasText: "done" }).waitFor();
    assert.equal(await page.locator("[name=code]").count(), 0);
    await page.locator("[data-field='Mutation.regenerateRecoveryCodes']", { hasText: "true" }).waitFor();
    assert.deepEqual(errors, []);
    await context.close();
  });

  for (const name of ["apollo", "urql", "relay", "tanstack"]) {
    await test(`examples: ${name} lists, creates, deletes with a proof, and forgets`, async () => {
      const context = await browser.newContext();
      const preparing = await openTab(context, pages.sameSite, { endpoint });
      await register(preparing, `user-of-${name}`);
      const { recoveryCodes } = await protect(preparing);
      const { page, errors, asked } = await openProgram(context, pages.sameSite, name, endpoint);
      const button = (name) => page.getByRole("button", { name });
      const item = (name) => page.locator("li", { hasText: name });
      await page.getByText(`user-of-${name}`).waitFor();
      await page.locator("[name=name]").fill("Acme");
      await button("Create").click();
      await item("Acme").waitFor();
      await button("Create").click();
      await page.getByRole("alert").waitFor();
      await button("Delete Acme").click();
      await page.locator("[name=proof]").fill(recoveryCodes[0]);
      await button("Prove").click();
      await item("Acme").waitFor({ state: "detached" });
      await page.locator("[name=name]").fill("Secret plans");
      await button("Create").click();
      await item("Secret plans").waitFor();
      await button("Sign out").click();
      await button("Sign in").waitFor();
      await enterAs(preparing, "quentin");
      await page.getByText("quentin").waitFor();
      await until(() => asked.at(-1).includes("myOrganizations"), "list of the next user");
      assert.equal(await item("Secret plans").count(), 0);
      assert.deepEqual(errors, []);
      await context.close();
    });
  }

  await test("examples: the form signs in", async () => {
    const context = await browser.newContext();
    const { page } = await openProgram(context, pages.sameSite, "apollo", endpoint);
    await page.locator("[name=identifier]").fill("admin");
    await page.locator("[name=password]").fill("another password");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").waitFor();
    await page.locator("[name=identifier]").fill("admin");
    await page.locator("[name=password]").fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("Signed in as admin").waitFor();
    await context.close();
  });
}
