// The pages of a server that runs only registered documents: `node test/trusted.mjs BINARY`. Each page asks what the server
// knows as its own; what somebody writes into the editor is refused.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium } from "playwright-core";

const binary = resolve(process.argv[2]);
const folder = mkdtempSync(join(tmpdir(), "trusted-"));
const port = 20000 + (process.pid % 10000);
const origin = `http://127.0.0.1:${port}`;
writeFileSync(join(folder, "documents.json"), JSON.stringify({ viewer: "{ viewer { id } }" }));
const flags = [`--listen=127.0.0.1:${port}`, "--documents=trusted", "--documents-file=documents.json"];
const server = spawn(binary, flags, { cwd: folder, stdio: "ignore" });
const PASSWORD = "correct horse battery";

async function main(page) {
  for (let tries = 0; !(await fetch(`${origin}/readyz`).catch(() => null))?.ok; tries++) {
    assert.ok(tries < 200, "the server does not start");
    await new Promise((done) => setTimeout(done, 100));
  }
  page.setDefaultTimeout(15000);
  await page.goto(`${origin}/playground/`);
  const panel = page.locator(".pc-panel");
  const fill = async (values) => {
    for (const [name, value] of Object.entries(values)) await panel.locator(`[name=${name}]`).fill(value);
  };

  await panel.getByRole("button", { name: "Create an account" }).click();
  await fill({ username: "alice", email: "alice@example.com", password: PASSWORD, fullName: "Alice Liddell" });
  await panel.getByRole("button", { name: "Create account" }).click();
  await panel.getByText("Alice Liddell").waitFor();
  console.log("ok: an account is made and signed in");

  await panel.getByRole("button", { name: "Sign out", exact: true }).click();
  await fill({ identifier: "alice", password: PASSWORD });
  await panel.getByRole("form", { name: "Sign in" }).getByRole("button", { name: "Sign in" }).click();
  await panel.getByText("Alice Liddell").waitFor();
  console.log("ok: somebody signs out, and in again");

  await page.click(".graphiql-execute-button");
  await page.locator(".result-window").getByText("runs only registered documents").first().waitFor();
  console.log("ok: what stands in the editor is refused, and the answer says why");

}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
try {
  await main(await browser.newPage({ locale: "en" }));
} finally {
  await browser.close();
  server.kill();
  rmSync(folder, { recursive: true, force: true });
}
