// Starts Portcullis for tests: on a free port of this machine, with a database that is thrown away.

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdir, mkdtemp, open, readFile, readdir, unlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseMail } from "./mail.js";

const BINARY = fileURLToPath(new URL("./bin/portcullis", import.meta.url));
/** Whatever else is set where the tests run, as DATABASE_URL of another program, is not for this server. */
const INHERITED = ["HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "RUST_BACKTRACE", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ"];
/** What `start` decides itself. */
const OWN = { listen: "use its option `port`", "data-dir": "the data is thrown away" };
/** Tests register many users from one address, and no one attacks their passwords. */
const QUICK = { RATE_LIMITS: "off", ARGON2_MEMORY_KIB: "64", ARGON2_ITERATIONS: "1" };
/** Logged when it listens. By it another server on the same port is told apart. */
const LISTENS = "portcullis::cli::serve=info";
const LOG_LENGTH_MAX = 256 * 1024;
const PORT_TRIES_MAX = 5;
const STOP_MAX_MS = 5_000;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Starts a server. See index.d.ts for the options. */
export async function start(options = {}) {
  const { args = [], env = {}, port, binary = BINARY, timeoutMs = 30_000, onLog } = options;
  for (const [flag, instead] of Object.entries(OWN)) {
    const variable = flag.replace("-", "_").toUpperCase();
    if (variable in env || args.some((arg) => arg === `--${flag}` || arg.startsWith(`--${flag}=`))) {
      throw new Error(`start() sets --${flag} itself: ${instead}`);
    }
  }
  const folder = await mkdtemp(join(tmpdir(), "portcullis-"));
  const dataDir = join(folder, "data");
  // No `.env` lies in there.
  await mkdir(join(folder, "empty"));
  // A server that was killed may still write for a moment.
  const discard = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  const deadline = Date.now() + timeoutMs;
  try {
    for (let tries = 1; ; tries++) {
      const chosen = port || await freePort();
      const launched = launch({ args, env, binary, onLog, port: chosen, dataDir, cwd: join(folder, "empty") });
      try {
        await ready(launched, chosen, deadline);
        return server(launched, { port: chosen, dataDir, binary, args, discard });
      } catch (error) {
        await launched.stop();
        // Somebody was quicker. Nobody may be, on a port that was asked for.
        if (port || tries === PORT_TRIES_MAX || !launched.log().includes("cannot listen on")) throw error;
      }
    }
  } catch (error) {
    discard();
    throw error;
  }
}

/** A port that nothing listens on at the moment. */
async function freePort() {
  const socket = createServer().listen(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}

function variables({ port, dataDir, env }) {
  const inherited = INHERITED.filter((name) => process.env[name] !== undefined);
  return {
    ...Object.fromEntries(inherited.map((name) => [name, process.env[name]])),
    PUBLIC_URL: `http://localhost:${port}`,
    ...QUICK,
    ...env,
    LISTEN: `127.0.0.1:${port}`,
    DATA_DIR: dataDir,
    RUST_LOG: `${env.RUST_LOG ?? "info"},${LISTENS}`,
  };
}

function launch({ args, env, binary, onLog, port, dataDir, cwd }) {
  const environment = variables({ port, dataDir, env });
  const child = spawn(binary, ["serve", ...args], { cwd, env: environment, stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.setEncoding("utf8");
  child.stderr.on("data", (text) => {
    log = (log + text).slice(-LOG_LENGTH_MAX);
    onLog?.(text);
  });
  const launched = { child, environment, cwd, failure: null, isOver: false, log: () => log };
  launched.over = new Promise((done) => {
    child.once("error", (error) => {
      launched.failure = error;
      launched.isOver = true;
      done();
    });
    // After its output has been read.
    child.once("close", () => {
      launched.isOver = true;
      done();
    });
  });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  launched.stop = async () => {
    if (!launched.isOver) {
      child.kill("SIGTERM");
      const timer = setTimeout(kill, STOP_MAX_MS);
      await launched.over;
      clearTimeout(timer);
    }
    process.removeListener("exit", kill);
  };
  return launched;
}

async function ready(launched, port, deadline) {
  const listens = `listening on http://127.0.0.1:${port}`;
  while (!launched.log().includes(listens) || !(await answers(port))) {
    if (launched.failure) throw new Error(`the server cannot be run: ${launched.failure.message}`);
    if (launched.isOver) throw new Error(`the server ended while it started:\n${launched.log()}`);
    if (Date.now() > deadline) throw new Error(`the server is not ready in time:\n${launched.log()}`);
    await pause(20);
  }
}

async function answers(port) {
  const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
  await response?.body?.cancel();
  return response?.ok ?? false;
}

/** A file with a text, which only its reader knows. A pipe of Node is a socket, which cannot be named as /dev/stdin. */
async function fileOf(text, folder) {
  const path = join(folder, randomUUID());
  await writeFile(path, text, { mode: 0o600 });
  const file = await open(path);
  await unlink(path);
  return file;
}

function server(launched, { port, dataDir, binary, args, discard }) {
  process.once("exit", discard);
  let stopped;
  const mails = async (wanted = {}) => {
    const folder = join(dataDir, "mail");
    const names = await readdir(folder).catch((error) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    // Their names begin with the time.
    const files = names.filter((name) => name.endsWith(".eml")).sort();
    const parsed = await Promise.all(files.map(async (name) => parseMail(name, await readFile(join(folder, name), "utf8"))));
    return parsed.filter((mail) => mail && Object.entries(wanted).every(([field, value]) => mail[field] === value));
  };
  return {
    url: `http://localhost:${port}`,
    port,
    dataDir,
    pid: launched.child.pid,
    ended: launched.over,
    log: launched.log,
    mails,
    async waitForMail(wanted = {}, { timeoutMs = 10_000 } = {}) {
      const deadline = Date.now() + timeoutMs;
      for (;;) {
        const found = (await mails(wanted)).at(-1);
        if (found) return found;
        if (Date.now() > deadline) throw new Error(`no mail has come that is ${JSON.stringify(wanted)}`);
        await pause(50);
      }
    },
    async run(verb, { input = "" } = {}) {
      const { environment, cwd } = launched;
      const stdin = await fileOf(input, cwd);
      const child = spawn(binary, [...verb, ...args], { cwd, env: environment, stdio: [stdin.fd, "pipe", "pipe"] });
      const told = { stdout: "", stderr: "" };
      for (const stream of ["stdout", "stderr"]) {
        child[stream].setEncoding("utf8").on("data", (text) => { told[stream] += text; });
      }
      const [code] = await once(child, "close").finally(() => stdin.close());
      if (code !== 0) throw new Error(`portcullis ${verb.join(" ")} ended with ${code}:\n${told.stderr}`);
      return told.stdout;
    },
    stop() {
      stopped ??= launched.stop().then(() => {
        process.removeListener("exit", discard);
        discard();
      });
      return stopped;
    },
  };
}
