// What settings make of the account pages.

import assert from "node:assert/strict";
import { createServer, request as forward } from "node:http";
import { app, link, mail, PASSWORD, register, somebody, start } from "./support.mjs";

/** A proxy that takes a path away, as operators have them. */
function proxy(port, target, path) {
  const server = createServer((request, response) => {
    if (!request.url.startsWith(`${path}/`)) return response.writeHead(404).end();
    const { method, headers } = request;
    const passed = forward({ host: "127.0.0.1", port: target, method, headers, path: request.url.slice(path.length) }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    request.pipe(passed);
  });
  return new Promise((done) => server.listen(port, "127.0.0.1", () => done(server)));
}

/** The sign-in leads back to pages that the server lists, and to no other. */
export async function returning({ browser, server, W, step }) {
  const front = createServer((_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<title>Front end</title><h1>Front end</h1>"));
  await new Promise((done) => front.listen(0, "127.0.0.1", done));
  const page = `http://127.0.0.1:${front.address().port}/signed-in`;
  await step("a sign-in leads back to a page that the server lists", async () => {
    await register(server, "rita");
    const rita = await somebody(browser, "en", [page]);
    await rita.page.goto(`${server.url}/sign-in?returnTo=${encodeURIComponent(page)}`);
    await rita.follow(W.createOne);
    await rita.page.reload();
    await rita.follow(W.signIn);
    await rita.fill({ identifier: "rita", password: PASSWORD });
    await rita.press(W.signIn);
    await rita.sees("Front end");
    assert.equal(rita.page.url(), page);
    await rita.page.goto(`${server.url}/sign-in?returnTo=${encodeURIComponent(page)}`);
    await rita.sees(W.signedInAlready);
    await rita.looks("signed-in-already");
    await rita.press(W.goOnTo(new URL(page).host));
    await rita.sees("Front end");
    for (const other of [`${page}/`, `${page}?x=1`, `${page}#x`, "https://evil.example/", "//evil.example", "javascript:alert(1)"]) {
      await rita.page.goto(`${server.url}/sign-in?returnTo=${encodeURIComponent(other)}`);
      await rita.press(W.toAccount);
      await rita.sees(W.sections.home);
    }
    await rita.leave();
  });
  front.close();
}

/** A server that wants more: a proven address, a second factor, and invitations only to register. */
export async function strict({ browser, port, look, W, step }) {
  // The front end has registered a document of its own. Those of the pages are always run.
  const flags = ["--require-email-verification=true", "--require-second-factor=all", "--site-color=#e7b416", "--documents=trusted", "--documents-file=documents.json"];
  const server = await start(port, { files: { "documents.json": JSON.stringify({ typename: "{ __typename }" }) } }, ...flags);
  const sina = await somebody(browser, look);
  const { page, press, fill, sees, reads, looks, follow } = sina;
  const signIn = async () => {
    await fill({ identifier: "sina", password: PASSWORD });
    await press(W.signIn);
  };
  await step("an account waits for its address and a second factor", async () => {
    await page.goto(`${server.url}/register`);
    await fill({ username: "sina", email: "sina@example.com", password: PASSWORD });
    await press(W.create);
    await sees(W.lookAtMail);
    await reads(W.mailedTo("sina@example.com"));
    await looks("register-mailed");
    await press(W.sendAgain);
    await reads(W.sentAgain);
    await page.goto(await link(server, "verify-email", "sina@example.com"));
    await fill({ password: PASSWORD });
    await press(W.confirm);
    await sees(W.verified);
    await follow(W.toSignIn);
    await signIn();
    await sees(W.enroll);
    await looks("enroll");
    await press(W.setUpApp);
    const codes = app(await page.locator(".secret").innerText());
    const mailed = /^\d{4} \d{4}(?=\r?$)/m.exec(await mail(server, "enrollment-code", "sina@example.com"))[0];
    await fill({ mailedCode: mailed, code: await codes.next() });
    await looks("enroll-app");
    await press(W.confirm);
    await sees(W.recoveryCodes);
    await press(W.codesKept);
    await press(W.codesKept);
    await sees(W.sections.home);
    await looks("home-accent");
  });
  await step("after too many wrong passwords the button counts down", async () => {
    // Her own device would have more attempts.
    const guest = await somebody(browser, look);
    await guest.page.goto(server.url);
    const waiting = guest.page.locator("[data-waiting]");
    for (let tries = 0; tries < 8 && (await waiting.count()) === 0; tries++) {
      await guest.fill({ identifier: "sina", password: `wrong ${tries}` });
      await Promise.all([guest.page.waitForResponse((response) => response.request().postData()?.includes("login(") ?? false), guest.press(W.signIn)]);
      await guest.page.locator("form [data-busy]").waitFor({ state: "detached" });
    }
    await waiting.waitFor();
    await guest.looks("rate-limited");
    await guest.leave();
  });
  await sina.leave();
}

/** A server whose front end has pages of its own for all but one link, below a path that a proxy takes away. */
export async function off({ browser, port, W, step }) {
  const path = "/auth", behind = port + 1;
  const through = await proxy(port, behind, path);
  const server = await start(behind, { path, at: port }, "--account-pages=off", "--registration=closed", "--trusted-proxies=127.0.0.1",
    "--verify-email-url=https://app.example.com/verify#{token}", "--env=development", "--rate-limits=off");
  await step("pages that are off leave those that mails lead to, also below a path", async () => {
    const olga = await somebody(browser, "en");
    for (const gone of ["", "/sign-in", "/register", "/verify-email"]) {
      const response = await olga.page.request.get(`${server.url}${gone}`);
      assert.equal(response.status(), 404, gone);
    }
    await olga.page.goto(`${server.origin}${path}/link/reset-password`);
    await olga.sees(W.recover);
    assert.equal(olga.page.url(), `${server.url}/reset-password`);
    await olga.looks("links-only");
    await olga.fill({ identifier: "olga" });
    await olga.press(W.sendLink);
    await olga.sees(W.lookAtMail);
    await olga.leave();
  });
  await step("a whole set of pages works below a path", async () => {
    const whole = await start(behind + 1, { path, at: behind + 2 }, "--trusted-proxies=127.0.0.1", "--env=development", "--registration=closed");
    const other = await proxy(behind + 2, behind + 1, path);
    const olga = await somebody(browser, "en");
    await olga.page.goto(`${whole.url}/sessions`);
    await olga.sees(W.signIn);
    assert.equal(await olga.link(W.createOne).count(), 0);
    await olga.page.goto(`${whole.url}/register`);
    await olga.reads(W.closed);
    await olga.looks("closed");
    await olga.follow(W.signIn);
    await olga.sees(W.signIn);
    assert.equal(olga.page.url(), `${whole.url}/sign-in`);
    await olga.leave();
    other.close();
  });
  through.close();
}
