// What the tests share: servers, pages, devices and people.

import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { chromium } from "playwright-core";

export const PASSWORD = "correct horse battery";
export const root = new URL("..", import.meta.url).pathname;
export const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/** Waits for what is not there yet. */
export async function until(look, what) {
  for (let tries = 0; tries < 400; tries++) {
    const found = await look();
    if (found) return found;
    await wait(50);
  }
  throw new Error(`there is no ${what}`);
}

const ends = [];
/** What ends with the test. */
export const atEnd = (end) => ends.push(end);
export async function endAll() {
  for (const end of ends.reverse()) await end();
}

export const freePort = () => new Promise((done) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => done(port));
  });
});

/** Starts a server of Portcullis for pages of these origins. */
export async function startServer(binary, origins, settings = {}, files = () => {}) {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-client-"));
  files(folder);
  const port = await freePort();
  const env = {
    ...process.env, LISTEN: `127.0.0.1:${port}`, PUBLIC_URL: `http://localhost:${port}`, RATE_LIMITS: "off",
    ARGON2_MEMORY_KIB: "64", ARGON2_ITERATIONS: "1", ALLOWED_ORIGINS: origins.join(), ...settings,
  };
  const child = spawn(binary, [], { cwd: folder, env, stdio: ["ignore", "ignore", "pipe"] });
  const log = [];
  child.stderr.on("data", (text) => log.push(`${text}`));
  atEnd(async () => {
    child.kill();
    rmSync(folder, { recursive: true, force: true });
  });
  await until(async () => {
    if (child.exitCode !== null) throw new Error(log.join(""));
    return (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null))?.ok;
  }, "server");
  return { endpoint: `http://localhost:${port}/graphql`, port, folder, log, env };
}

/** What the link in the last mail of a kind to an address carries. */
export const mailedToken = (server, kind, address) => until(() => {
  const mails = readdirSync(server.folder, { recursive: true }).filter((name) => name.endsWith(`-${kind}.eml`)).sort();
  // Lines of a mail end in "=" where only its transport needs an end.
  const texts = mails.map((name) => readFileSync(join(server.folder, name), "utf8").replaceAll("=\r\n", "").replaceAll("=3D", "="));
  return /#(pco_[\w-]+)/.exec(texts.findLast((text) => text.includes(address)) ?? "")?.[1];
}, `mail ${kind}`);

/** The code in the last mail to an address that somebody enrols with. */
export const mailedCode = (server, address) => until(() => {
  const mails = readdirSync(server.folder, { recursive: true }).filter((name) => name.endsWith("-enrollment-code.eml")).sort();
  const texts = mails.map((name) => readFileSync(join(server.folder, name), "utf8"));
  return /^\d{4} \d{4}(?=\r?$)/m.exec(texts.findLast((text) => text.includes(address)) ?? "")?.[0];
}, "code in a mail");

/** An authenticator app: the codes of a secret (RFC 6238), each of which the server takes once. */
export function app(secret) {
  const bits = [...secret].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const codeOf = (step) => {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(step));
    const mac = createHmac("sha1", key).update(counter).digest();
    return String((mac.readUInt32BE(mac.at(-1) & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
  };
  let last = 0;
  return {
    /** The next that the server takes: it allows for a clock that is half a minute off. */
    next: () => until(() => {
      const now = Date.now() / 30_000;
      if (now % 1 > 0.9) return null;
      const step = [-1, 0, 1].map((apart) => Math.floor(now) + apart).find((step) => step > last);
      return step && codeOf((last = step));
    }, "code"),
  };
}

/** What Relay's plugin for Babel does: a document becomes the module that its compiler has made of it. */
const relay = {
  name: "relay",
  setup({ onLoad }) {
    onLoad({ filter: /examples\/relay\.tsx$/ }, ({ path }) => {
      const imports = [];
      const contents = readFileSync(path, "utf8").replace(/graphql`\s*\w+ (\w+)[^`]*`/g, (_, name) => {
        imports.push(`import ${name} from "./__generated__/${name}.graphql";`);
        return name;
      });
      return { contents: imports.join("\n") + contents, loader: "tsx" };
    });
  },
};

/** Bundles a page's program for the browser, with the package as its exports say. */
export async function bundle(entry, more = {}) {
  const { outputFiles } = await build({
    entryPoints: [entry], bundle: true, format: "esm", write: false, jsx: "automatic", logLevel: "warning", plugins: [relay], absWorkingDir: root,
    alias: {
      "@portcullis/client/react": join(root, "dist/react.js"), "@portcullis/client/server": join(root, "dist/server.js"),
      "@portcullis/client": join(root, "dist/index.js"),
    },
    define: { "process.env.NODE_ENV": '"development"', global: "globalThis" },
    ...more,
  });
  return outputFiles[0].text;
}

/** Serves pages: at localhost, which is the site of the servers, and at 127.0.0.1, which is another. */
export async function servePages(programs) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const program = programs[pathname.slice(1).replace(/\.js$/, "")];
    if (program && pathname.endsWith(".js")) return response.writeHead(200, { "content-type": "text/javascript", "access-control-allow-origin": "*" }).end(program);
    response.setHeader("content-type", "text/html");
    response.end(`<!doctype html><meta charset="utf-8"><title>Test</title><div id="root"></div><script type="module" src="/${pathname.slice(1)}.js"></script>`);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  atEnd(async () => void server.close());
  const { port } = server.address();
  return { sameSite: `http://localhost:${port}`, otherSite: `http://127.0.0.1:${port}` };
}

export async function launch() {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  atEnd(() => browser.close());
  return browser;
}

/** An authenticator in a page's device, whose owner is there. */
export async function authenticator(page) {
  const device = await page.context().newCDPSession(page);
  await device.send("WebAuthn.enable");
  const { authenticatorId } = await device.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return (method, more) => device.send(`WebAuthn.${method}`, { authenticatorId, ...more });
}

let count = 0;
const failures = [];
/** Runs a test, and goes on after one that fails. */
export async function test(name, check) {
  if (process.env.ONLY && !name.includes(process.env.ONLY)) return;
  const begun = performance.now();
  count++;
  let timer;
  try {
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("it takes too long")), Number(process.env.PATIENCE ?? 120_000))));
    await Promise.race([check(), late]);
    console.log(`ok: ${name} (${Math.round(performance.now() - begun)} ms)`);
  } catch (error) {
    failures.push(name);
    console.log(`FAILED: ${name}\n${error.stack}`);
  } finally {
    clearTimeout(timer);
  }
}

export function conclude() {
  if (failures.length > 0) throw new Error(`${failures.length} of ${count} tests failed:\n${failures.join("\n")}`);
  console.log(`all ${count} tests passed`);
}
