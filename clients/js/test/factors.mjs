// Second factors, proofs and passkeys.

import assert from "node:assert/strict";
import { openTab, register, signIn, signOut, stateOf } from "./cookie.mjs";
import { app, authenticator, mailedCode, test } from "./support.mjs";

/** Turns the second factor of a page's user on, by an app. The session's proof is too little from then on. */
export async function protect(page) {
  const { secret } = await page.evaluate(() => client.startTotpEnrollment(session));
  const phone = app(secret);
  const code = await phone.next();
  const { recoveryCodes } = await page.evaluate((code) => client.confirmTotpEnrollment(session, { code }), code);
  assert.equal(recoveryCodes.length, 10);
  return { phone, recoveryCodes };
}
const RENAME = "mutation { regenerateRecoveryCodes { recoveryCodes } }";

export async function factorTests({ browser, server, strictServer, pages }) {
  const { endpoint } = server;
  const open = (context, at = endpoint) => openTab(context, pages.sameSite, { endpoint: at });

  await test("a second factor completes a sign-in: a code of the app, or a recovery code", async () => {
    const context = await browser.newContext();
    const page = await open(context);
    await register(page, "fred");
    const { phone, recoveryCodes } = await protect(page);
    await signOut(page);
    const { value } = await signIn(page, "fred");
    assert.equal(value.__typename, "SecondFactorRequired");
    assert.deepEqual([...value.factors].sort(), ["RECOVERY_CODE", "TOTP"]);
    assert.equal((await stateOf(page)).status, "guest");
    const complete = (challenge, proof) => page.evaluate(
      ([challenge, proof]) => attempt(() => client.completeSignIn(session, challenge, proof)), [challenge, proof]);
    assert.equal((await complete(value.challenge, { totp: "000000" })).code, "INVALID_CREDENTIALS");
    const completed = await complete(value.challenge, { totp: await phone.next() });
    assert.deepEqual(Object.keys(completed.value).sort(), ["__typename", "user"]);
    assert.equal((await stateOf(page)).username, "fred");
    await signOut(page);
    const again = await signIn(page, "fred");
    await complete(again.value.challenge, { recoveryCode: recoveryCodes[0] });
    assert.equal((await stateOf(page)).username, "fred");
    assert.equal((await complete(again.value.challenge, { recoveryCode: recoveryCodes[1] })).code, "INVALID_TOKEN");
    await context.close();
  });

  await test("a proof is asked for once for two calls, and both go on", async () => {
    const context = await browser.newContext();
    const [page, other] = [await open(context), await open(context)];
    await register(page, "gina");
    await other.evaluate(() => session.ready());
    const { recoveryCodes } = await protect(page);
    const outcome = await page.evaluate(async ([query, code]) => {
      const asked = [];
      session.onStepUp(async ({ factors, maxAgeSeconds, prove }) => {
        const wrong = await prove({ recoveryCode: "AAAA-AAAA-AAAA-AAAA" }).catch((error) => error.code);
        asked.push({ factors: [...factors].sort(), maxAgeSeconds, wrong });
        await prove({ recoveryCode: code });
      });
      const run = () => session.run(() => session.request(query));
      const both = await Promise.all([run(), run()]);
      const third = await run();
      const last = third.regenerateRecoveryCodes.recoveryCodes[0];
      return { asked, last, counts: [...both, third].map(({ regenerateRecoveryCodes }) => regenerateRecoveryCodes.recoveryCodes.length) };
    }, [RENAME, recoveryCodes[0]]);
    assert.equal(outcome.asked.length, 1);
    assert.deepEqual(outcome.asked[0].factors, ["RECOVERY_CODE", "TOTP"]);
    assert.equal(outcome.asked[0].maxAgeSeconds, 300);
    assert.match(outcome.asked[0].wrong, /INVALID_CREDENTIALS|BAD_USER_INPUT/);
    assert.deepEqual(outcome.counts, [10, 10, 10]);
    // The user is known after a proof, also if the server cannot be asked just then.
    await page.route(endpoint, (route) => (/viewer/.test(route.request().postData() ?? "") ? route.abort() : route.fallback()));
    const state = await page.evaluate(async (code) => {
      session.onStepUp(({ prove }) => prove({ recoveryCode: code }));
      let tries = 0;
      await session.run(async () => {
        if (++tries === 1) throw { errors: [{ message: "", extensions: { code: "STEP_UP_REQUIRED" } }] };
      });
      return { tries, username: session.state.user?.username, failure: session.state.failure?.name };
    }, outcome.last);
    assert.deepEqual(state, { tries: 2, username: "gina", failure: "NetworkError" });
    await page.unrouteAll();
    // The proof is in the cookie, which all tabs share.
    const inOther = await other.evaluate((query) => attempt(() => session.request(query)), RENAME);
    assert.equal(inOther.value.regenerateRecoveryCodes.recoveryCodes.length, 10);
    await context.close();
  });

  await test("without a proof the refusal stands", async () => {
    const context = await browser.newContext();
    const page = await open(context);
    await register(page, "hugo");
    await protect(page);
    const outcomes = await page.evaluate(async (query) => {
      const run = () => attempt(() => session.run(() => session.request(query)));
      const unasked = await run();
      const off = session.onStepUp(async () => {});
      const givenUp = await run();
      off();
      // Clients that return errors are understood, too.
      let isAsked = false;
      session.onStepUp(async () => void (isAsked = true));
      const returned = await session.run(async () => ({ error: { graphQLErrors: [{ message: "", extensions: { code: "STEP_UP_REQUIRED" } }] } }));
      return { unasked: unasked.code, givenUp: givenUp.code, isAsked, returned: Boolean(returned.error) };
    }, RENAME);
    assert.deepEqual(outcomes, { unasked: "STEP_UP_REQUIRED", givenUp: "STEP_UP_REQUIRED", isAsked: true, returned: true });
    await context.close();
  });

  await test("a passkey is registered, signs in, and proves", async () => {
    const context = await browser.newContext();
    const page = await open(context);
    const device = await authenticator(page);
    await register(page, "iris");
    const registered = await page.evaluate(() => client.registerPasskey(session, { name: "My laptop" }));
    assert.deepEqual([registered.passkey.name, registered.passkey.userVerified, registered.recoveryCodes], ["My laptop", true, null]);
    await signOut(page);
    assert.equal((await page.evaluate(() => client.signInWithPasskey(session))).__typename, "AuthPayload");
    assert.equal((await stateOf(page)).username, "iris");
    const { recoveryCodes } = await page.evaluate(async () =>
      (await session.request("mutation { enableSecondFactor { recoveryCodes } }")).enableSecondFactor);
    assert.equal(recoveryCodes.length, 10);
    await page.evaluate(() => client.signalPasskeys(session));
    await signOut(page);
    const { value } = await signIn(page, "iris");
    assert.deepEqual([...value.factors].sort(), ["PASSKEY", "RECOVERY_CODE"]);
    const completed = await page.evaluate(async (challenge) =>
      client.completeSignIn(session, challenge, await client.passkeyProof(session, challenge)), value.challenge);
    assert.equal(completed.__typename, "AuthPayload");
    // As a proof in the session.
    const proved = await page.evaluate(async () => {
      session.onStepUp(async ({ prove }) => prove(await client.passkeyProof(session)));
      let tries = 0;
      return session.run(async () => {
        if (++tries === 1) throw { errors: [{ message: "", extensions: { code: "STEP_UP_REQUIRED", factors: ["PASSKEY"] } }] };
        return tries;
      });
    });
    assert.equal(proved, 2);
    // Somebody cancels.
    await device("setUserVerified", { isUserVerified: false });
    await signOut(page);
    assert.equal((await page.evaluate(() => attempt(() => client.signInWithPasskey(session)))).name, "NotAllowedError");
    await context.close();
  });

  await test("a passkey of the autofill signs in, and a button takes its place", async () => {
    const context = await browser.newContext();
    const page = await open(context);
    const device = await authenticator(page);
    await register(page, "jane");
    await page.evaluate(() => client.registerPasskey(session));
    await signOut(page);
    // A button that is pressed before the browser offers anything comes later, so it wins.
    const [first, button] = await page.evaluate(() => {
      document.querySelector("#root").innerHTML = '<input autocomplete="username webauthn">';
      return Promise.all([client.autofillPasskey(session), client.signInWithPasskey(session)]);
    });
    assert.deepEqual([first, button.__typename], [null, "AuthPayload"]);
    await signOut(page);
    // One that is pressed while the browser offers something ends that.
    await device("setAutomaticPresenceSimulation", { enabled: false });
    const offered = await page.evaluate(async () => {
      const get = navigator.credentials.get.bind(navigator.credentials);
      const isOffering = new Promise((resolve) => {
        navigator.credentials.get = (options) => {
          resolve(options.mediation);
          return get(options);
        };
      });
      const waiting = client.autofillPasskey(session);
      const mediation = await isOffering;
      void client.signInWithPasskey(session).catch(() => {});
      return [mediation, await waiting];
    });
    assert.deepEqual(offered, ["conditional", null]);
    await page.reload();
    await page.waitForFunction(() => globalThis.open && globalThis.client);
    await page.evaluate((endpoint) => open({ endpoint }), endpoint);
    await device("setAutomaticPresenceSimulation", { enabled: true });
    assert.equal((await page.evaluate(() => client.autofillPasskey(session))).__typename, "AuthPayload");
    assert.equal((await stateOf(page)).username, "jane");
    // A form that goes away ends it.
    await device("setAutomaticPresenceSimulation", { enabled: false });
    const ended = page.evaluate(async () => {
      const end = new AbortController();
      setTimeout(() => end.abort(), 200);
      return client.autofillPasskey(session, end.signal);
    });
    assert.equal(await ended, null);
    await context.close();
  });

  await test("an unknown passkey is a refusal, and the browser forgets it", async () => {
    const context = await browser.newContext();
    const page = await open(context);
    await authenticator(page);
    await register(page, "kurt");
    await page.evaluate(async () => {
      const { passkey } = await client.registerPasskey(session);
      await session.request("mutation($id: ID!) { deletePasskey(input: { id: $id }) { deletedPasskeyId } }", { id: passkey.id });
      globalThis.forgotten = [];
      PublicKeyCredential.signalUnknownCredential = async (about) => void forgotten.push(about);
    });
    await signOut(page);
    const refused = await page.evaluate(() => attempt(() => client.signInWithPasskey(session)));
    assert.deepEqual([refused.code, refused.reason], ["INVALID_CREDENTIALS", "UNKNOWN_PASSKEY"]);
    const [forgotten] = await page.evaluate(() => forgotten);
    assert.equal(forgotten.rpId, "localhost");
    await context.close();
  });

  await test("a browser makes a passkey after a sign-in with a password", async () => {
    const context = await browser.newContext();
    const page = await open(context);
    await authenticator(page);
    await register(page, "lena");
    const made = await page.evaluate(() => {
      // The browser of a test has no password manager to make one in: this one asks for nothing.
      const create = navigator.credentials.create.bind(navigator.credentials);
      navigator.credentials.create = ({ mediation, ...rest }) => {
        globalThis.mediation = mediation;
        return create(rest);
      };
      PublicKeyCredential.getClientCapabilities = async () => ({ conditionalCreate: true });
      return client.upgradeToPasskey(session);
    });
    assert.equal(await page.evaluate(() => mediation), "conditional");
    assert.ok(made.passkey.id);
    assert.equal(await page.evaluate(() => {
      PublicKeyCredential.getClientCapabilities = async () => ({});
      return client.upgradeToPasskey(session);
    }), null);
    await context.close();
  });

  await test("where a second factor is required, an app or a passkey is set up before there is a session", async () => {
    const context = await browser.newContext();
    const page = await open(context, strictServer.endpoint);
    await authenticator(page);
    const enrolling = await register(page, "mona");
    assert.equal(enrolling.value.__typename, "EnrollmentRequired");
    assert.equal(enrolling.value.codeMailed, true);
    assert.equal((await stateOf(page)).status, "unknown");
    const { enrollment } = enrolling.value;
    const { secret } = await page.evaluate((enrollment) => client.startTotpEnrollment(session, enrollment), enrollment);
    const phone = app(secret);
    const confirm = (mailedCode, code) => page.evaluate(
      (input) => attempt(() => client.confirmTotpEnrollment(session, input)), { enrollment, mailedCode, code });
    const wrong = await confirm("0000 0000", await phone.next());
    assert.deepEqual([wrong.code, wrong.reason], ["INVALID_CREDENTIALS", "MAILED_CODE"]);
    const confirmed = await confirm(await mailedCode(strictServer, "mona@example.com"), await phone.next());
    assert.equal(confirmed.value.recoveryCodes.length, 10);
    assert.equal((await stateOf(page)).username, "mona");
    assert.doesNotMatch(JSON.stringify(confirmed), /accessToken/);

    const other = await browser.newContext();
    const fresh = await open(other, strictServer.endpoint);
    await authenticator(fresh);
    const { value } = await register(fresh, "nora");
    const code = await mailedCode(strictServer, "nora@example.com");
    const registered = await fresh.evaluate((input) => client.registerPasskey(session, input), { enrollment: value.enrollment, mailedCode: code });
    assert.equal(registered.recoveryCodes.length, 10);
    assert.equal((await stateOf(fresh)).username, "nora");
    await Promise.all([context.close(), other.close()]);
  });
}
