// Uses the front end of a tutorial as its reader does: `node .ci/docs-browser.mjs URL [CLOCK]`. All of them look the same.
// CLOCK is the file that sets the server's clock; without it the steps that take five minutes are left out.

import assert from "node:assert/strict";
import { renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const { chromium } = createRequire(new URL("../target/docs/", import.meta.url))("playwright-core");
const [url, clock] = process.argv.slice(2);
const PASSWORD = "correct horse battery";

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(20_000);
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  const press = (name) => page.getByRole("button", { name }).click();
  const says = (text) => page.getByRole("status").getByText(text).waitFor();
  const signIn = async (password) => {
    await page.getByLabel("Username").fill("alice");
    await page.getByLabel("Password", { exact: true }).fill(password);
    await press("Sign in");
  };

  await page.goto(url);
  await signIn("wrong horse battery");
  await says("INVALID_CREDENTIALS");
  await signIn(PASSWORD);
  await page.getByText("Signed in as alice").waitFor();
  await page.reload();
  await page.getByText("Signed in as alice").waitFor();
  await press("List all users");
  await says("FORBIDDEN");
  await press("Export my data");
  await says("Your data can be fetched for 60 seconds");
  if (clock) {
    writeFileSync(`${clock}.new`, "+301\n");
    renameSync(`${clock}.new`, clock);
    await press("Export my data");
    await page.getByLabel("Your password again").fill("wrong horse battery");
    await press("Continue");
    await says("INVALID_CREDENTIALS");
    await page.getByLabel("Your password again").fill(PASSWORD);
    await press("Continue");
    await says("Your data can be fetched for 60 seconds");
    assert.equal(await page.getByLabel("Your password again").isVisible(), false);
  } else {
    console.log("skipped: the clock cannot be set: install faketime");
  }
  await press("Sign out");
  await page.getByLabel("Username").waitFor();
  await page.reload();
  await page.getByLabel("Username").waitFor();
  assert.equal(await page.getByText("Signed in as").isVisible(), false);
  assert.deepEqual(errors, []);
} finally {
  await browser.close();
}
