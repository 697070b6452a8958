// What mails lead to.

import assert from "node:assert/strict";
import { openTab, register, signIn, stateOf } from "./cookie.mjs";
import { mailedToken, PASSWORD, test } from "./support.mjs";

export async function mailTests({ browser, server, verifyingServer, pages }) {
  await test("a registration waits for its mail, and a forgotten password is replaced", async () => {
    const context = await browser.newContext();
    const page = await openTab(context, pages.sameSite, { endpoint: verifyingServer.endpoint });
    const { value } = await register(page, "otto");
    assert.deepEqual(value, { __typename: "VerificationRequired", email: "otto@example.com" });
    const token = await mailedToken(verifyingServer, "verify-email", "otto@example.com");
    const verify = (password) => page.evaluate((input) => attempt(() => client.verifyEmail(session, input)), { token, password });
    assert.equal((await verify("not this one")).code, "INVALID_CREDENTIALS");
    assert.deepEqual(await verify(PASSWORD), { value: { outcome: "DONE" } });
    assert.equal((await signIn(page, "otto")).value.__typename, "AuthPayload");
    const { linkExpiresIn } = await page.evaluate(() => client.requestPasswordReset(session, "otto"));
    assert.equal(linkExpiresIn, 1800);
    const reset = await mailedToken(verifyingServer, "password-reset", "otto@example.com");
    const newPassword = "battery horse correct";
    assert.deepEqual(await page.evaluate((input) => client.resetPassword(session, input), { token: reset, newPassword }), { username: "otto" });
    const used = await page.evaluate((input) => attempt(() => client.resetPassword(session, input)), { token: reset, newPassword });
    assert.deepEqual([used.code, used.reason], ["INVALID_TOKEN", "USED"]);
    assert.equal((await signIn(page, "otto", newPassword)).value.__typename, "AuthPayload");
    // Another password keeps this session, and ends every session is what it says.
    await page.evaluate(([currentPassword, newPassword]) => client.changePassword(session, { currentPassword, newPassword }), [newPassword, PASSWORD]);
    assert.equal((await page.evaluate(() => session.load())).user.username, "otto");
    await page.evaluate(() => client.signOutEverywhere(session));
    assert.equal((await stateOf(page)).status, "guest");
    assert.ok((await page.evaluate(() => client.requestEmailVerification(session, "otto@example.com"))).linkExpiresIn > 0);
    await context.close();
  });

  await test("an invitation becomes an account", async () => {
    const context = await browser.newContext();
    const page = await openTab(context, pages.sameSite, { endpoint: server.endpoint });
    assert.equal((await signIn(page, "admin")).value.__typename, "AuthPayload");
    await page.evaluate(() => session.request('mutation { inviteUser(input: { email: "pia@example.com", role: USER }) { linkExpiresIn } }'));
    const token = await mailedToken(server, "invitation", "pia@example.com");
    const input = { token, username: "pia", password: PASSWORD };
    const { __typename } = await page.evaluate((input) => client.acceptUserInvitation(session, input), input);
    assert.equal(__typename, "AuthPayload");
    assert.equal((await stateOf(page)).username, "pia");
    await context.close();
  });
}
