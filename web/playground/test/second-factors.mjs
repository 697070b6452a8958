// Second factors and passkeys in the Account panel, in a real browser with authenticators of its own:
// `node playground/test/second-factors.mjs BINARY [SCREENSHOTS]`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { chromium } from "playwright-core";

const binary = resolve(process.argv[2]);
const pictures = process.argv[3] && resolve(process.argv[3]);
const PASSWORD = "correct horse battery";
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
/** Waits for what is not there yet. */
const until = async (look, what) => {
  for (let tries = 0; tries < 200; tries++) {
    const found = await look();
    if (found) return found;
    await wait(100);
  }
  throw new Error(`there is no ${what}`);
};

const servers = [];
/** Starts a server of its own. Passkeys are for names, so its page is opened at one. */
async function start(port, ...flags) {
  const folder = mkdtempSync(join(tmpdir(), "playground-factors-"));
  const origin = `http://localhost:${port}`;
  const all = [`--listen=127.0.0.1:${port}`, `--public-url=${origin}`, "--rate-limits=off", ...flags];
  const child = spawn(binary, all, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  const log = [];
  child.stderr.on("data", (text) => log.push(`${text}`));
  servers.push({ child, folder, log });
  await until(async () => (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null))?.ok, "server");
  return { origin, folder };
}

/** The code in the last mail to an address that somebody enrols with. */
const mailedCode = ({ folder }, address) => until(() => {
  const mails = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith("-enrollment-code.eml")).sort();
  const texts = mails.map((name) => readFileSync(join(folder, name), "utf8"));
  return /^\d{4} \d{4}(?=\r?$)/m.exec(texts.findLast((text) => text.includes(address)) ?? "")?.[0];
}, "code in a mail");

/** An authenticator app: the codes of a secret (RFC 6238), each of which the server takes once. */
function app(secret) {
  const bits = [...secret].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const codeOf = (step) => {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(step));
    const mac = createHmac("sha1", key).update(counter).digest();
    const at = mac.at(-1) & 15;
    return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
  };
  let last = 0;
  return {
    codeOf,
    /** The next that the server takes: it allows for a clock that is half a minute off. */
    next: () => until(() => {
      const now = Date.now() / 30_000;
      // It arrives before the step is over.
      if (now % 1 > 0.8) return null;
      const step = [-1, 0, 1].map((apart) => Math.floor(now) + apart).find((step) => step > last);
      return step && codeOf(last = step);
    }, "code"),
    wrong: () => codeOf(1),
  };
}

const violations = [], errors = [], outside = [];

async function main() {
  const port = 10000 + (process.pid % 9000);
  const server = await start(port);
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

  /** Somebody at a device of their own, with an authenticator in it. */
  const somebody = async ({ at = server.origin, hasUserVerification = true, before = () => {}, ...options } = {}) => {
    const context = await browser.newContext({ viewport: { width: 1360, height: 1300 }, ...options });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await context.exposeFunction("violated", (what) => violations.push(what));
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => window.violated(`${event.violatedDirective} ${event.blockedURI}`));
    });
    await context.addInitScript(before);
    const page = await context.newPage();
    page.setDefaultTimeout(15000);
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("request", (request) => { if (!/^(http:\/\/(localhost|127)|data:|blob:)/.test(request.url())) outside.push(request.url()); });
    const device = await context.newCDPSession(page);
    await device.send("WebAuthn.enable");
    const { authenticatorId } = await device.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification,
        isUserVerified: hasUserVerification, automaticPresenceSimulation: true,
      },
    });
    const panel = page.locator(".pc-panel");
    const tell = (method, more) => device.send(`WebAuthn.${method}`, { authenticatorId, ...more });
    await page.goto(`${at}/graphql`);
    await panel.waitFor();
    return {
      page, panel, tell,
      close: () => context.close(),
      button: (name) => panel.getByRole("button", { name, exact: true }),
      press: (name) => panel.getByRole("button", { name, exact: true }).last().click(),
      said: (text) => panel.getByRole("status").getByText(text).waitFor(),
      refused: (text) => panel.getByRole("alert").getByText(text).waitFor(),
      fill: async (values) => { for (const [name, value] of Object.entries(values)) await panel.locator(`[name=${name}]`).fill(value); },
      heading: (name) => panel.getByRole("heading", { name, exact: true }).waitFor(),
      /** Whether somebody touches the authenticator. Where passkeys are offered, that signs in at once. */
      present: (enabled) => tell("setAutomaticPresenceSimulation", { enabled }),
      verified: (isUserVerified) => tell("setUserVerified", { isUserVerified }),
      passkeys: async () => (await tell("getCredentials")).credentials,
      storage: () => page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage })),
    };
  };
  const step = async (name, check) => {
    try {
      await check();
    } catch (error) {
      for (const page of browser.contexts().flatMap((context) => context.pages())) {
        console.log(`not ok: ${name}\n${await page.locator(".pc-panel").innerText().catch(() => "no panel")}`);
      }
      throw error;
    }
    console.log(`ok: ${name}`);
  };
  let number = 0;
  const shoot = async (page, name) => {
    mkdirSync(pictures, { recursive: true });
    await page.screenshot({ path: join(pictures, `factors-${String(++number).padStart(2, "0")}-${name.replace(/ /g, "-")}.png`) });
  };
  /** The panel as it is, in the dark and on a telephone, where nothing of it may be cut off. */
  const picture = async ({ page, panel }, name) => {
    if (pictures) await shoot(page, name);
    await page.emulateMedia({ colorScheme: "dark" });
    if (pictures) await shoot(page, `${name} dark`);
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 360, height: 740 });
    const sizes = await panel.evaluate(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth]);
    assert.ok(sizes[0] <= sizes[1], `${name}: ${sizes}`);
    if (pictures) await shoot(page, `${name} on a telephone`);
    await page.setViewportSize({ width: 1360, height: 1300 });
  };
  const register = async ({ press, button, fill, heading }, username) => {
    await button("Create an account").click();
    await fill({ username, email: `${username}@example.com`, password: PASSWORD });
    await press("Create account");
    await heading("Second factor");
  };
  const signIn = async ({ fill, press }, identifier) => {
    await fill({ identifier, password: PASSWORD });
    await press("Sign in");
  };
  /** Opens the page for a guest, or leaves it to one, who does not take what the browser offers. */
  const asGuest = async ({ page, panel, present }, come) => {
    await present(false);
    const begun = page.waitForResponse((response) => response.request().postData()?.includes("startPasskeySignIn"));
    await come();
    await panel.getByText("You are a guest").waitFor();
    await begun;
    // An authenticator that is touched before the browser has asked it would answer.
    await wait(500);
  };
  const signOut = (they) => asGuest(they, () => they.press("Sign out"));
  /** Sets an app up, whose secret is read from the page. */
  const setUpApp = async ({ panel, fill, press }, begin = "Set up an app", more = {}) => {
    await press(begin);
    const made = app((await panel.locator(".pc-secret").innerText()).replace(/\s/g, ""));
    await fill({ ...more, code: await made.next() });
    return made;
  };
  const codesOf = ({ panel }) => panel.locator(".pc-codes code").allInnerTexts();

  const alice = await somebody();
  const { page, panel, button, press, said, refused, fill, heading } = alice;
  let saved;

  await step("a passkey is added, and called something else by the keyboard", async () => {
    await register(alice, "alice");
    await picture(alice, "nothing set up");
    await press("Add a passkey");
    await said("You have added the passkey “Chrome on Linux”.");
    [saved] = await alice.passkeys();
    assert.ok(saved.isResidentCredential);
    await button("Rename Chrome on Linux").focus();
    await page.keyboard.press("Enter");
    const name = panel.locator("[name=name]");
    await name.waitFor();
    assert.ok(await name.evaluate((input) => input === document.activeElement));
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.type("My laptop");
    await picture(alice, "a new name");
    await page.keyboard.press("Enter");
    await panel.getByText("My laptop").waitFor();
    for (const text of ["Added on", "Not used yet", "On one device only"]) await panel.getByText(text).waitFor();
  });
  await step("a device with a passkey for the account makes no other", async () => {
    await press("Add a passkey");
    await refused("This device already has a passkey for your account.");
    assert.equal((await alice.passkeys()).length, 1);
  });
  await step("somebody signs in with a passkey by the dialogue, and types no name", async () => {
    await signOut(alice);
    await picture(alice, "guest");
    await alice.present(true);
    await press("Sign in with a passkey");
    await heading("Second factor");
    await panel.getByText("Last used on").first().waitFor();
  });
  await step("somebody signs in with the passkey that the browser offers beside the usernames", async () => {
    await signOut(alice);
    assert.equal(await panel.locator("[name=identifier]").getAttribute("autocomplete"), "username webauthn");
    // As somebody comes to the page and chooses what it offers.
    await alice.present(true);
    await page.reload();
    await heading("Second factor");
  });
  await step("who is not verified is not signed in by a passkey, and the password does it", async () => {
    await signOut(alice);
    await alice.verified(false);
    await alice.present(true);
    await press("Sign in with a passkey");
    await refused("No passkey was used");
    await picture(alice, "no passkey");
    await asGuest(alice, () => page.reload());
    await alice.verified(true);
    await signIn(alice, "alice");
    await heading("Second factor");
  });

  let codes;
  await step("the passkey becomes the second factor, and recovery codes are shown once", async () => {
    await press("Ask for a passkey at sign-in");
    await heading("Your recovery codes");
    await said("From now on signing in asks for a second factor. Your other sessions have ended.");
    codes = await codesOf(alice);
    assert.equal(new Set(codes).size, 10);
    for (const code of codes) assert.match(code, /^([0-9A-Z]{4}-){5}[0-9A-Z]{4}$/);
    await picture(alice, "recovery codes");
    await button("Copy").click();
    await button("Copied").waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), codes.join("\n"));
    const downloading = page.waitForEvent("download");
    await press("Download");
    const text = readFileSync(await (await downloading).path(), "utf8");
    for (const part of [...codes, "alice"]) assert.ok(text.includes(part), part);
    assert.ok(!codes.some((code) => text.split(code).length > 2));
    await press("I have saved them");
    assert.deepEqual(await codesOf(alice), []);
    await panel.getByText("10 codes left").waitFor();
    await picture(alice, "second factor by passkey");
  });
  await step("the passkey is asked for after the password", async () => {
    await signOut(alice);
    await alice.present(true);
    await signIn(alice, "alice");
    await heading("One more step");
    assert.deepEqual(await panel.getByRole("group", { name: "Choose a proof" }).getByRole("button").allInnerTexts(), ["Passkey", "Recovery code"]);
    await picture(alice, "one more step");
    await press("Use a passkey");
    await heading("Second factor");
  });
  await step("a sign-in that is not completed is left, and signs nobody in", async () => {
    await signOut(alice);
    await signIn(alice, "alice");
    await heading("One more step");
    const stored = await alice.storage();
    await asGuest(alice, () => page.reload());
    assert.doesNotMatch(stored, /pc[a-z]_[\w-]{8}/);
    await signIn(alice, "alice");
    await press("Start again");
    await panel.getByText("You are a guest").waitFor();
  });
  await step("a recovery code signs in once", async () => {
    await signIn(alice, "alice");
    await button("Recovery code").click();
    await fill({ recoveryCode: "nonsense" });
    await press("Continue");
    await panel.getByText("A recovery code has 24 letters and digits.").waitFor();
    assert.equal(await panel.locator("[name=recoveryCode]").getAttribute("aria-invalid"), "true");
    // However it is typed.
    await fill({ recoveryCode: codes[0].toLowerCase().replaceAll("-", " ") });
    await press("Continue");
    await panel.getByText("9 codes left").waitFor();
    await signOut(alice);
    await signIn(alice, "alice");
    await button("Recovery code").click();
    await fill({ recoveryCode: codes[0] });
    await press("Continue");
    await refused("The code or passkey is wrong or was already used.");
    await fill({ recoveryCode: codes[1] });
    await press("Continue");
    await panel.getByText("8 codes left").waitFor();
  });

  let phone;
  await step("an app is set up by its secret, after a wrong code", async () => {
    await press("Set up an app");
    await heading("Authenticator app");
    const secret = (await panel.locator(".pc-secret").innerText()).replace(/\s/g, "");
    const link = new URL(await panel.getByRole("link", { name: "Open in an app on this device" }).getAttribute("href"));
    assert.equal(link.protocol, "otpauth:");
    assert.equal(link.searchParams.get("secret"), secret);
    await panel.getByRole("img", { name: "QR code for your authenticator app" }).waitFor();
    await picture(alice, "an app");
    phone = app(secret);
    await fill({ code: phone.wrong() });
    await press("Confirm");
    await refused("The code or passkey is wrong or was already used.");
    await fill({ code: await phone.next() });
    await press("Confirm");
    await said("Your authenticator app is set up.");
    // They have their codes already.
    assert.deepEqual(await codesOf(alice), []);
    await panel.getByText("Set up on").waitFor();
  });
  await step("a code of the app signs in, by the keyboard", async () => {
    await signOut(alice);
    await signIn(alice, "alice");
    await heading("One more step");
    assert.ok(await panel.getByRole("heading", { name: "One more step" }).evaluate((it) => it === document.activeElement));
    await button("App").focus();
    await page.keyboard.press("Enter");
    await panel.locator("[name=totp]").focus();
    await page.keyboard.type(await phone.next());
    await page.keyboard.press("Enter");
    await heading("Second factor");
  });
  await step("codes are renewed, and those before are void", async () => {
    await press("Make new recovery codes");
    await heading("Your recovery codes");
    const renewed = await codesOf(alice);
    assert.equal(renewed.length, 10);
    assert.ok(!renewed.includes(codes[2]));
    await press("I have saved them");
    await panel.getByText("10 codes left").waitFor();
    await picture(alice, "both");
  });
  await step("an app is replaced, and removed", async () => {
    const other = await setUpApp(alice, "Replace the authenticator app");
    await press("Confirm");
    await said("Your authenticator app is set up.");
    assert.notEqual(other.codeOf(2), phone.codeOf(2));
    await press("Remove the authenticator app");
    await said("You have removed the authenticator app.");
    await panel.getByText("Not set up").waitFor();
    assert.ok(await panel.getByRole("heading", { name: "Second factor", exact: true }).evaluate((it) => it === document.activeElement));
    await panel.getByText("On: signing in").waitFor();
  });
  await step("a passkey that is deleted is gone from the browser, and with the last the second factor is off", async () => {
    await press("Delete My laptop");
    await said("You have deleted the passkey “My laptop”.");
    await panel.getByText("Off: signing in").waitFor();
    await until(async () => (await alice.passkeys()).length === 0, "signal to the browser");
  });
  await step("a passkey that the server does not know is refused, and goes from the browser", async () => {
    await signOut(alice);
    await alice.tell("addCredential", { credential: saved });
    await alice.present(true);
    await press("Sign in with a passkey");
    await refused("This server does not know this passkey.");
    await until(async () => (await alice.passkeys()).length === 0, "signal to the browser");
    await alice.close();
  });

  const bob = await somebody();
  await step("what is asked for a proof takes exactly what the account has, and goes on after it", async () => {
    await register(bob, "bob");
    await bob.press("Add a passkey");
    await bob.said("You have added the passkey");
    const own = await setUpApp(bob);
    await bob.press("Confirm");
    await bob.heading("Your recovery codes");
    await bob.press("I have saved them");
    // The session began with the password alone, which is not enough any more.
    await bob.press("Make new recovery codes");
    await bob.heading("Prove who you are");
    const ways = () => bob.panel.getByRole("group", { name: "Choose a proof" }).getByRole("button").allInnerTexts();
    assert.deepEqual(await ways(), ["Passkey", "App", "Recovery code"]);
    await picture(bob, "a proof");
    await bob.press("Cancel");
    assert.equal(await bob.panel.getByRole("heading", { name: "Prove who you are" }).count(), 0);
    assert.deepEqual(await codesOf(bob), []);
    await bob.press("Make new recovery codes");
    await bob.button("App").click();
    await bob.fill({ totp: own.wrong() });
    await bob.press("Continue");
    await bob.refused("The code or passkey is wrong or was already used.");
    await bob.fill({ totp: await own.next() });
    await bob.press("Continue");
    await bob.heading("Your recovery codes");
    assert.equal((await codesOf(bob)).length, 10);
    assert.equal(await bob.panel.getByRole("heading", { name: "Prove who you are" }).count(), 0);
    await bob.press("I have saved them");
  });
  await step("a passkey is a proof, and what was wanted goes on after it", async () => {
    // As five minutes after a sign-in, which nobody waits for here.
    const errors = [{ message: "Please prove who you are again", extensions: { code: "STEP_UP_REQUIRED", factors: ["PASSKEY"] } }];
    await bob.page.route("**/graphql", (route) => (
      route.request().postData()?.includes("{ disableTotp {") ? route.fulfill({ json: { data: null, errors } }) : route.continue()));
    await bob.press("Remove the authenticator app");
    await bob.heading("Prove who you are");
    assert.equal(await bob.panel.getByRole("group", { name: "Choose a proof" }).count(), 0);
    await bob.page.unroute("**/graphql");
    await bob.press("Use a passkey");
    await bob.said("You have removed the authenticator app.");
  });
  await step("the second factor is turned off, and the password is enough again", async () => {
    await bob.press("Turn the second factor off");
    await bob.said("Signing in no longer asks for a second factor.");
    await signOut(bob);
    await signIn(bob, "bob");
    await bob.panel.getByText("Off: signing in").waitFor();
    await bob.close();
  });
  await step("an authenticator that verifies nobody is a second factor, and signs nobody in alone", async () => {
    const erin = await somebody({ hasUserVerification: false });
    await register(erin, "erin");
    await erin.press("Add a passkey");
    await erin.panel.getByText("Second factor only").waitFor();
    await erin.press("Ask for a passkey at sign-in");
    await erin.press("I have saved them");
    // The browser offers none of its passkeys beside usernames.
    await erin.press("Sign out");
    await erin.press("Sign in with a passkey");
    await erin.refused("No passkey was used");
    await signIn(erin, "erin");
    await erin.press("Use a passkey");
    await erin.panel.getByText("On: signing in").waitFor();
    await erin.close();
  });
  /** Signs somebody with an account in by their password, which has the browser asked for a passkey of itself. */
  const upgrade = async (they, username) => {
    await register(they, username);
    await signOut(they);
    const begun = they.page.waitForResponse((response) => response.request().postData()?.includes('"conditional":true'));
    await they.present(true);
    await signIn(they, username);
    await they.heading("Passkeys");
    assert.ok((await (await begun).json()).data.startPasskeyRegistration);
  };
  await step("a browser that never says whether it makes a passkey of itself is in nobody's way", async () => {
    // As Chromium does without a password manager.
    const frank = await somebody();
    await upgrade(frank, "frank");
    await wait(500);
    assert.equal(await frank.panel.locator("[role=alert], [role=status]").count(), 0);
    await frank.press("Add a passkey");
    await frank.said("You have added the passkey “Chrome on Linux”.");
    await signOut(frank);
    await frank.present(true);
    await frank.press("Sign in with a passkey");
    await frank.heading("Second factor");
    // Who has a passkey gets no other.
    await signOut(frank);
    const asked = [];
    frank.page.on("request", (request) => asked.push(request.postData() ?? ""));
    await signIn(frank, "frank");
    await frank.heading("Second factor");
    await wait(500);
    assert.ok(!asked.some((body) => body.includes("startPasskeyRegistration")));
    await frank.close();
  });
  await step("a browser that makes no passkey of itself does so unnoticed", async () => {
    const heidi = await somebody({ before: () => {
      navigator.credentials.create = () => Promise.reject(new DOMException("No", "NotAllowedError"));
    } });
    await upgrade(heidi, "heidi");
    await wait(500);
    assert.equal(await heidi.panel.locator("[role=alert], [role=status]").count(), 0);
    await heidi.close();
  });
  await step("a browser that makes a passkey of itself after a sign-in with a password upgrades the account", async () => {
    // Chromium does so by its password manager alone, which a test does not have. So the authenticator of the test makes the
    // passkey, and its answer is changed to what such managers say: that nobody was present, and nobody verified.
    const ivan = await somebody({ before: () => {
      const create = navigator.credentials.create.bind(navigator.credentials);
      navigator.credentials.create = async ({ mediation, ...options }) => {
        const made = await create(options);
        if (mediation !== "conditional") return made;
        const { attestationObject, authenticatorData } = made.toJSON().response;
        const [object, data] = [attestationObject, authenticatorData].map((text) => Uint8Array.fromBase64(text, { alphabet: "base64url" }));
        const at = object.findIndex((_, at) => data.every((byte, index) => object[at + index] === byte));
        object[at + 32] &= ~5;
        const changed = object.toBase64({ alphabet: "base64url", omitPadding: true });
        return { toJSON: () => ({ ...made.toJSON(), response: { ...made.toJSON().response, attestationObject: changed } }) };
      };
    } });
    await upgrade(ivan, "ivan");
    await ivan.said("Your browser has added the passkey “Chrome on Linux” to your account.");
    assert.equal(await ivan.panel.getByText("Second factor only").count(), 0);
    assert.equal((await ivan.passkeys()).length, 1);
    await picture(ivan, "upgraded");
    await signOut(ivan);
    await ivan.present(true);
    await ivan.press("Sign in with a passkey");
    await ivan.heading("Passkeys");
    await ivan.close();
  });
  await step("a page at an address says that passkeys do not work there, and where they do", async () => {
    const there = await somebody({ at: `http://127.0.0.1:${port}` });
    await there.panel.getByText("Passkeys do not work on a page at an IP address.").waitFor();
    assert.equal(await there.button("Sign in with a passkey").count(), 0);
    await picture(there, "at an address");
    await there.panel.getByRole("link", { name: "Open this page at localhost" }).click();
    await there.button("Sign in with a passkey").waitFor();
    await there.close();
  });

  await required(port + 1, somebody, { step, picture });

  assert.deepEqual(violations, [], "violations of the content security policy");
  assert.deepEqual(errors, [], "errors in the pages");
  assert.deepEqual(outside, [], "requests to other servers");
  console.log("ok: no violation, no error, no request to elsewhere");
  await browser.close();
}

const WORDS = {
  "en-US": {
    register: "Create an account", create: "Create account", enrol: "Set up a second factor", app: "Set up an app", confirm: "Confirm",
    passkey: "Create a passkey", codes: "Your recovery codes", kept: "I have saved them", factor: "Second factor", on: "On: signing in",
    signOut: "Sign out", guest: "You are a guest", signIn: "Sign in", more: "One more step", ways: ["App", "Recovery code"],
    goOn: "Continue", done: /is set up. From now on signing in asks for a second factor.$/,
  },
  "de-DE": {
    register: "Konto anlegen", create: "Anlegen", enrol: "Richte einen zweiten Faktor ein", app: "App einrichten", confirm: "Bestätigen",
    passkey: "Passkey anlegen", codes: "Deine Wiederherstellungscodes", kept: "Ich habe sie gesichert", factor: "Zweiter Faktor", on: "An: Zur Anmeldung",
    signOut: "Abmelden", guest: "Du bist Gast", signIn: "Anmelden", more: "Noch ein Schritt", ways: ["App", "Wiederherstellungscode"],
    goOn: "Weiter", done: /ist eingerichtet. Ab jetzt fragt die Anmeldung nach einem zweiten Faktor.$/,
  },
};

/** A server that requires a second factor of everybody: they set it up before they are signed in. */
async function required(port, somebody, { step, picture }) {
  const server = await start(port, "--require-second-factor=all");
  const newcomer = async (locale, username) => {
    const they = await somebody({ at: server.origin, locale });
    const words = WORDS[locale];
    await they.button(words.register).click();
    await they.fill({ username, email: `${username}@example.com`, password: PASSWORD });
    await they.press(words.create);
    await they.heading(words.enrol);
    return { ...they, words };
  };
  for (const [locale, name] of [["en-US", "carol"], ["de-DE", "clara"]]) {
    await step(`whoever has to sets an app up with the code from a mail, and is asked for it from then on: ${locale}`, async () => {
      const they = await newcomer(locale, name);
      const { panel, words, press, fill, heading } = they;
      await picture(they, `required ${locale}`);
      await press(words.app);
      const phone = app((await panel.locator(".pc-secret").innerText()).replace(/\s/g, ""));
      await picture(they, `required app ${locale}`);
      await fill({ mailedCode: "00000000", code: await phone.next() });
      await press(words.confirm);
      await panel.getByRole("alert").waitFor();
      await fill({ mailedCode: await mailedCode(server, name) });
      await press(words.confirm);
      await heading(words.codes);
      await they.said(words.done);
      await picture(they, `recovery codes ${locale}`);
      await press(words.kept);
      await heading(words.factor);
      await panel.getByText(words.on).waitFor();
      await picture(they, `required and there ${locale}`);
      await press(words.signOut);
      await panel.getByText(words.guest).waitFor();
      await fill({ identifier: name, password: PASSWORD });
      await press(words.signIn);
      await heading(words.more);
      assert.deepEqual(await panel.locator(".pc-tabs button").allInnerTexts(), words.ways);
      await picture(they, `one more step ${locale}`);
      await fill({ totp: await phone.next() });
      await press(words.goOn);
      await heading(words.factor);
      assert.equal(await panel.getAttribute("lang"), locale.slice(0, 2));
      await they.close();
    });
    await step(`whoever has to makes a passkey with the code from a mail: ${locale}`, async () => {
      const they = await newcomer(locale, `${name}-too`);
      const { words, press, fill, heading, panel } = they;
      await they.button("Passkey").click();
      await fill({ mailedCode: "00000000" });
      await picture(they, `required passkey ${locale}`);
      await press(words.passkey);
      await panel.getByRole("alert").waitFor();
      // Nothing is left of the passkey that came to nothing.
      await until(async () => (await they.passkeys()).length === 0, "signal to the browser");
      await fill({ mailedCode: await mailedCode(server, `${name}-too`) });
      await press(words.passkey);
      await heading(words.codes);
      assert.equal((await they.passkeys()).length, 1);
      await press(words.kept);
      await panel.getByText(words.on).waitFor();
      await they.close();
    });
  }
}

try {
  await main();
} catch (error) {
  for (const { log } of servers) console.log(log.join("").split("\n").slice(-20).join("\n"));
  throw error;
} finally {
  for (const { child, folder } of servers) {
    child.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}
process.exit(0);
