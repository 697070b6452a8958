// Every flow of the account pages once, as somebody sees it in one language, one width and one color scheme.

import assert from "node:assert/strict";
import { admin, app, call, link, OTHER_PASSWORD, PASSWORD, register, somebody, until } from "./support.mjs";

/** As five minutes after a sign-in, which nobody waits for here: the next call of a field asks for a proof. */
async function wantProof(page, field, factors) {
  const errors = [{ message: "Please prove who you are again", extensions: { code: "STEP_UP_REQUIRED", factors, maxAgeSeconds: 300 } }];
  let isAsked = false;
  await page.route("**/graphql", async (route) => {
    if (isAsked || !route.request().postData()?.includes(`{${field}`)) return route.continue();
    isAsked = true;
    await route.fulfill({ json: { data: null, errors } });
  });
}

/** Says on a provider's page who is there. */
async function say({ page }, provider, login) {
  await page.waitForURL((url) => url.origin === provider.origin);
  await page.locator("[name=login]").fill(login);
  await page.getByRole("button", { name: "Go on" }).click();
}

export async function flows({ browser, server, provider, look, W, step }) {
  const name = (person) => `${person}-${look}`;
  const address = (person) => `${name(person)}@example.com`;
  const alice = await somebody(browser, look, [provider.origin]);
  const { page, press, follow, sees, reads, fill, looks, button, touches } = alice;
  const open = (path = "") => page.goto(`${server.url}${path}`);
  const signIn = async (person, password = PASSWORD, { press, fill } = alice) => {
    await fill({ identifier: name(person), password });
    await press(W.signIn);
  };
  const signOut = async () => {
    await page.locator(".menu > button").click();
    await press(W.signOut);
    await sees(W.signIn);
  };

  await step("a guest sees how to sign in, and a wrong password is refused", async () => {
    await open();
    await sees(W.signIn);
    await looks("sign-in");
    await signIn("alice", "wrong password");
    await page.getByRole("alert").getByRole("paragraph").waitFor();
    await looks("sign-in-refused");
  });

  await step("somebody creates an account, and each fault stands at its field", async () => {
    await register(server, name("taken"));
    await follow(W.createOne);
    await sees(W.register);
    await fill({ username: name("taken") });
    await page.locator(".field .error").waitFor();
    await fill({ username: name("alice"), email: address("alice"), fullName: "Alice Ähnlich", password: "password" });
    await reads(W.isAvailable);
    await looks("register");
    await press(W.create);
    const error = page.locator(".field:has([name=password]) .error");
    await error.waitFor();
    assert.equal(await page.locator("[name=password]").getAttribute("aria-invalid"), "true");
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("name")), "password");
    await looks("register-refused");
    await fill({ password: PASSWORD });
    await press(W.create);
    await sees(W.sections.home);
    await reads(W.unverified(address("alice")));
    await looks("home");
  });

  await step("the link in a mail confirms the address", async () => {
    const verify = await link(server, "verify-email", address("alice"));
    const guest = await somebody(browser, look);
    await guest.page.goto(verify);
    await guest.sees(W.verify);
    await guest.looks("verify");
    await guest.fill({ password: "wrong password" });
    await guest.press(W.confirm);
    await guest.page.getByRole("alert").getByRole("paragraph").waitFor();
    await guest.leave();
    await page.goto(verify);
    await reads(W.verifySession(name("alice")));
    await press(W.confirm);
    await sees(W.verified);
    await looks("verified");
    await follow(W.toAccount);
    await sees(W.sections.home);
    assert.equal(await page.getByText(W.unverified(address("alice"))).count(), 0);
    await open("/verify-email");
    await sees(W.linkGone);
    await fill({ email: address("alice") });
    await press(W.sendLink);
    await reads(W.verificationMailed);
    await looks("link-gone");
  });

  await step("a profile is changed", async () => {
    await open("/profile");
    await sees(W.sections.profile);
    await fill({ fullName: "Alice Anders", avatarUrl: "http://example.com/no" });
    await press(W.save);
    await page.locator(".field:has([name=avatarUrl]) .error").waitFor();
    await fill({ avatarUrl: "https://example.com/alice.png" });
    await press(W.save);
    await reads(W.saved);
    await looks("profile");
  });

  await step("a password is changed", async () => {
    await open("/password");
    await fill({ currentPassword: PASSWORD, newPassword: OTHER_PASSWORD });
    await looks("password");
    await press(W.changePassword);
    await reads(W.passwordSaved);
    await looks("password-changed");
  });

  await step("an address is changed and the change is undone", async () => {
    await open("/address");
    await sees(W.sections.address);
    await fill({ newEmail: address("anna") });
    await press(W.sendLink);
    await page.getByText(address("anna")).first().waitFor();
    await looks("address-pending");
    await open();
    await reads(W.addressPending(address("anna")));
    await page.goto(await link(server, "confirm-email-change", address("anna")));
    await press(W.confirm);
    await sees(W.verified);
    const undo = await link(server, "email-change-undo", address("alice"));
    await page.goto(undo);
    await sees(W.undo);
    await looks("undo");
    await press(W.undoNow);
    await sees(W.undone);
    await looks("undone");
    await page.goto(`${server.url}/undo-email-change`);
    await sees(W.linkGone);
  });

  await step("a forgotten password is replaced by a link, which works once", async () => {
    await open("/recover");
    await sees(W.recover);
    await looks("recover");
    await fill({ identifier: name("alice") });
    await press(W.sendLink);
    await sees(W.lookAtMail);
    await looks("recover-mailed");
    const reset = await link(server, "password-reset", address("alice"));
    await page.goto(reset);
    await sees(W.chooseNew);
    await looks("reset");
    await fill({ newPassword: PASSWORD });
    await press(W.save);
    await sees(W.passwordChanged);
    await looks("reset-done");
    await page.goto("about:blank");
    await page.goto(reset);
    await fill({ newPassword: OTHER_PASSWORD });
    await press(W.save);
    await sees(W.linkUsed);
    await press(W.askForLink);
    await sees(W.recover);
    await open("/sign-in");
    await signIn("alice");
    await sees(W.sections.home);
  });

  await step("devices are shown and signed out", async () => {
    const other = await somebody(browser, look);
    await other.page.goto(server.url);
    await signIn("alice", PASSWORD, other);
    await other.sees(W.sections.home);
    await open("/sessions");
    await reads(W.thisDevice);
    await looks("sessions");
    const count = await page.locator("main .list > li").count();
    assert.ok(count > 1, `${count} sessions`);
    await page.locator("main .list > li").getByRole("button").first().click();
    await until(async () => (await page.locator("main .list > li").count()) === count - 1, "end of a session");
    await press(W.endOthers);
    await until(async () => (await page.locator("main .list > li").count()) === 1, "end of the others");
    await other.page.reload();
    await other.sees(W.signIn);
    await other.leave();
    await press(W.endAll);
    await page.getByRole("dialog").waitFor();
    await looks("end-all");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    assert.equal(await page.evaluate(() => document.activeElement.textContent), W.endAll, "the focus comes back");
  });

  let recoveryCodes;
  let codes;
  await step("an app is set up after a proof, which the keyboard gives", async () => {
    await open("/second-factors");
    await reads(W.factorOffWhy);
    await looks("factors-off");
    await wantProof(page, "startTotpEnrollment", ["PASSWORD"]);
    await press(W.setUpApp);
    await page.getByRole("dialog", { name: W.proveAgain }).waitFor();
    await looks("step-up");
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press("Enter");
    const secret = await page.locator(".secret").innerText();
    await looks("app");
    codes = app(secret);
    await page.unroute("**/graphql");
    await fill({ code: codes.wrong() });
    await press(W.confirm);
    await page.getByRole("alert").getByRole("paragraph").waitFor();
    await fill({ code: await codes.next() });
    await press(W.confirm);
    await sees(W.recoveryCodes);
    recoveryCodes = await page.locator(".codes li").allInnerTexts();
    assert.equal(recoveryCodes.length, 10);
    await looks("recovery-codes");
    await press(W.codesKept);
    await reads(W.codesNotKept);
    const [download] = await Promise.all([page.waitForEvent("download"), press(W.download)]);
    assert.equal(download.suggestedFilename(), "recovery-codes.txt");
    await press(W.codesKept);
    await reads(W.factorOnWhy);
    await looks("factors-on");
  });

  await step("a sign-in asks for the app, or takes a recovery code", async () => {
    await signOut();
    await signIn("alice");
    await sees(W.secondStep);
    await looks("second-step");
    await fill({ totp: codes.wrong() });
    await press(W.confirm);
    await page.getByRole("alert").getByRole("paragraph").waitFor();
    await fill({ totp: await codes.next() });
    await press(W.confirm);
    await sees(W.sections.home);
    await signOut();
    await signIn("alice");
    await press(W.factors.RECOVERY_CODE);
    await fill({ recoveryCode: recoveryCodes[0] });
    await looks("recovery-code");
    await press(W.confirm);
    await sees(W.sections.home);
    await open("/second-factors");
    await reads(W.codesLeft(9));
    await press(W.makeCodes);
    await page.getByRole("dialog").getByRole("button", { name: W.makeCodes }).click();
    await sees(W.recoveryCodes);
    await press(W.codesKept);
    await press(W.codesKept);
    await reads(W.codesLeft(10));
    await press(W.turnOff);
    await page.getByRole("dialog").getByRole("button", { name: W.turnOff }).click();
    await reads(W.factorOffWhy);
  });

  await step("a passkey is added, named, used and deleted", async () => {
    await open("/passkeys");
    await reads(W.noPasskeys);
    await looks("passkeys-none");
    await touches(() => press(W.addPasskey), () => page.locator("main .list > li").waitFor());
    await page.locator("main .list").getByRole("button").first().click();
    await page.getByRole("dialog").waitFor();
    await fill({ name: "Mein Schlüssel" });
    await looks("passkey-name");
    await press(W.save);
    await reads("Mein Schlüssel");
    await looks("passkeys");
    await touches(signOut, () => sees(W.sections.home));
    await page.evaluate(() => sessionStorage.setItem("test:no-autofill", "1"));
    await signOut();
    await page.reload();
    await touches(() => press(W.withPasskey), () => sees(W.sections.home));
    await open("/second-factors");
    await press(W.askForPasskey);
    await sees(W.recoveryCodes);
    await press(W.codesKept);
    await press(W.codesKept);
    await reads(W.factorOnWhy);
    await signOut();
    await signIn("alice");
    await sees(W.secondStep);
    await touches(() => press(W.usePasskey), () => sees(W.sections.home));
    await open("/second-factors");
    await press(W.turnOff);
    await page.getByRole("dialog").getByRole("button", { name: W.turnOff }).click();
    await reads(W.factorOffWhy);
    await open("/passkeys");
    await button(W.deleteNamed("Mein Schlüssel")).click();
    await page.getByRole("dialog").getByRole("button", { name: W.delete }).click();
    await reads(W.noPasskeys);
  });

  await step("another provider is linked, signs in and is unlinked", async () => {
    await open("/identities");
    await reads(W.noIdentities);
    await looks("identities-none");
    await press(W.continueWith("Acme"));
    await say(alice, provider, name("alice"));
    await sees(W.sections.identities);
    await page.locator("main .list > li").waitFor();
    await looks("identities");
    await signOut();
    await press(W.continueWith("Acme"));
    await say(alice, provider, name("alice"));
    await sees(W.sections.home);
    await open("/identities");
    await button(W.unlinkNamed("Acme")).click();
    await page.getByRole("dialog").getByRole("button", { name: W.unlink }).click();
    await reads(W.noIdentities);
    const newcomer = await somebody(browser, look, [provider.origin]);
    await newcomer.page.goto(server.url);
    await newcomer.press(W.continueWith("Acme"));
    await newcomer.page.waitForURL((url) => url.origin === provider.origin);
    await newcomer.page.getByRole("button", { name: "Cancel" }).click();
    await newcomer.sees(W.providerNot);
    await newcomer.reads(W.providerDeclined);
    await newcomer.looks("provider-declined");
    await newcomer.follow(W.toSignIn);
    await newcomer.press(W.continueWith("Acme"));
    await say(newcomer, provider, name("newcomer"));
    await newcomer.sees(W.sections.home);
    await newcomer.looks("newcomer");
    await newcomer.page.goto(`${server.url}/profile`);
    await newcomer.reads(W.chooseUsernameOnce);
    await newcomer.fill({ username: name("chosen") });
    await newcomer.press(W.chooseUsername);
    await until(async () => (await newcomer.page.locator("[name=username]").count()) === 0, "username");
    await newcomer.page.goto(`${server.url}/identities`);
    await newcomer.button(W.unlinkNamed("Acme")).click();
    await newcomer.page.getByRole("dialog").getByRole("button", { name: W.unlink }).click();
    await newcomer.reads(W.lastWayIn);
    await newcomer.looks("last-way-in");
    await newcomer.follow(W.setPassword);
    await newcomer.fill({ newPassword: PASSWORD });
    await newcomer.press(W.setPassword);
    await newcomer.reads(W.passwordSaved);
    await newcomer.leave();
  });

  await step("a registration with a provider is finished by the link in a mail", async () => {
    const first = await somebody(browser, look, [provider.origin]);
    await first.page.goto(server.url);
    await first.press(W.continueWith("The Club"));
    await say(first, provider, name("dora"));
    await first.sees(W.lookAtMail);
    await first.looks("mailed");
    await first.leave();
    const dora = await somebody(browser, look, [provider.origin]);
    const finish = await link(server, "finish-registration", address("dora"));
    await dora.page.goto(finish);
    await dora.sees(W.finish);
    await dora.looks("finish");
    await dora.press(W.continueWith("Acme"));
    await dora.reads(W.finishElsewhere);
    await dora.press(W.continueWith("The Club"));
    await dora.page.waitForURL((url) => url.origin === provider.origin);
    await dora.page.getByRole("button", { name: "Cancel" }).click();
    await dora.reads(W.providerDeclined);
    await dora.press(W.continueWith("The Club"));
    await say(dora, provider, name("dora"));
    await dora.sees(W.sections.home);
    await dora.page.goto(`${server.url}/finish-registration`);
    await dora.sees(W.linkGone);
    await dora.leave();
  });

  const bob = await somebody(browser, look);
  await step("an organization is created, and an invitation is for one account only", async () => {
    await open("/organizations");
    await reads(W.noOrganizations);
    await looks("organizations-none");
    await press(W.createOrganization);
    await fill({ name: "Nordwind" });
    await looks("organization-new");
    await press(W.create);
    await sees("Nordwind");
    await reads(W.noInvitations);
    await fill({ email: address("bob") });
    await press(W.sendInvitation);
    await reads(W.invitedNow(address("bob")));
    await looks("organization");
    await register(server, name("bob"));
    await register(server, name("eve"));
    await bob.page.goto(await link(server, "organization-invitation", address("bob")));
    await bob.sees(W.join);
    await bob.looks("join-guest");
    await signIn("eve", PASSWORD, bob);
    await bob.reads(W.joinAs(name("eve"), address("eve")));
    await bob.press(W.joinNow);
    await bob.reads(W.joinElse(address("eve")));
    await bob.looks("join-elsewhere");
    await bob.press(W.useAnother);
    await signIn("bob", PASSWORD, bob);
    await bob.press(W.joinNow);
    await bob.sees(W.joined("Nordwind"));
    await bob.looks("joined");
    await bob.follow(W.showOrganization);
    await bob.sees("Nordwind");
    assert.equal(await bob.button(W.sendInvitation).count(), 0, "a member invites nobody");
    await bob.looks("organization-member");
  });

  await step("members change roles, and leave", async () => {
    await page.reload();
    await button(W.roleOf(name("bob"))).click();
    await page.getByRole("dialog").locator("select").selectOption("ADMIN");
    await looks("role");
    await press(W.save);
    await reads(W.saved);
    await fill({ email: address("carl") });
    await press(W.sendInvitation);
    await button(W.revokeNamed(address("carl"))).click();
    await page.getByRole("dialog").getByRole("button", { name: W.revoke }).click();
    await reads(W.noInvitations);
    await button(W.transferTo(name("bob"))).click();
    await page.getByRole("dialog").getByRole("button", { name: W.transfer }).click();
    await until(async () => (await button(W.transferTo(name("bob"))).count()) === 0, "transfer");
    await press(W.leave);
    await page.getByRole("dialog").getByRole("button", { name: W.leave }).click();
    await sees(W.sections.organizations);
    await reads(W.noOrganizations);
    await bob.page.reload();
    await bob.press(W.rename);
    await bob.page.getByRole("dialog").locator("[name=name]").fill("Südwind");
    await bob.press(W.save);
    await bob.sees("Südwind");
    await bob.press(W.deleteOrganization);
    await bob.page.getByRole("dialog").getByRole("button", { name: W.deleteOrganization }).click();
    await bob.reads(W.noOrganizations);
    await bob.page.goto(`${server.url}/organizations/organization_00000000000000000000000000`);
    await bob.sees(W.noSuchOrganization);
    await bob.leave();
  });

  await step("data is downloaded, and an account deactivated and deleted", async () => {
    await open("/data");
    await sees(W.sections.data);
    await looks("data");
    const [download] = await Promise.all([page.waitForEvent("download"), press(W.download)]);
    assert.equal(download.suggestedFilename(), "my-data.json");
    await press(W.deleteAccount);
    await page.getByRole("dialog").waitFor();
    await looks("delete");
    await page.getByRole("dialog").getByRole("button", { name: W.deleteAccount }).click();
    await sees(W.signIn);
    await signIn("alice");
    await page.getByRole("alert").getByRole("paragraph").waitFor();
    await signIn("taken");
    await sees(W.sections.home);
    await open("/data");
    await reads(W.deactivateNot);
    await signOut();
    await signIn("chosen");
    await sees(W.sections.home);
    await open("/data");
    await press(W.deactivate);
    await page.getByRole("dialog").getByRole("button", { name: W.deactivate }).click();
    await sees(W.signIn);
  });

  await step("an invitation of an admin becomes an account", async () => {
    const token = await admin(server, name("admin"));
    await call(server, "mutation($input: InviteUserInput!) { inviteUser(input: $input) { linkExpiresIn } }", { email: address("gast"), role: "USER" }, token);
    const invitation = await link(server, "invitation", address("gast"));
    const gast = await somebody(browser, look);
    await gast.page.goto(server.url);
    await signIn("eve", PASSWORD, gast);
    await gast.sees(W.sections.home);
    await gast.page.goto(invitation);
    await gast.reads(W.invitedElse(name("eve")));
    await gast.looks("invited-elsewhere");
    await gast.press(W.signOutAndGoOn);
    await gast.reads(W.invitedHow);
    await gast.looks("invited");
    await gast.fill({ username: name("gast"), password: PASSWORD });
    await gast.press(W.create);
    await gast.sees(W.sections.home);
    await signOutOf(gast, W);
    await gast.page.goto(invitation);
    await gast.fill({ username: name("gast2"), password: PASSWORD });
    await gast.press(W.create);
    await gast.sees(W.linkUsed);
    await gast.looks("invitation-used");
    await gast.leave();
  });

  await step("a server that is away, and pages that are not there", async () => {
    await open("/nowhere");
    await sees(W.notFound);
    await looks("not-found");
    await page.route("**/graphql", (route) => route.abort());
    await page.goto(server.url);
    await sees(W.unavailable);
    await looks("unavailable");
    await page.unroute("**/graphql");
    await press(W.tryAgain);
    await sees(W.signIn);
  });
  await alice.leave();
}

async function signOutOf({ page, press, sees }, W) {
  await page.locator(".menu > button").click();
  await press(W.signOut);
  await sees(W.signIn);
}
