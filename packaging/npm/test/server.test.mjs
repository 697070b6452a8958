// The package as a project of somebody else has it: `node --test server.test.mjs` beside its node_modules.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { test } from "node:test";
import { start } from "portcullis-server";

const PASSWORD = "correct horse battery";

async function call(server, query, variables = {}, token) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(`${server.url}/graphql`, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  return response.json();
}

async function register(server, username, more = {}) {
  const query = "mutation($input: RegisterInput!) { register(input: $input) { ... on AuthPayload { accessToken } } }";
  const input = { username, email: `${username}@example.com`, password: PASSWORD, ...more };
  const { data, errors } = await call(server, query, { input });
  return errors ? errors[0].extensions.code : data.register.accessToken;
}

async function login(server, identifier, password = PASSWORD) {
  const query = "mutation($input: LoginInput!) { login(input: $input) { ... on AuthPayload { user { username role } } } }";
  return (await call(server, query, { input: { identifier, password } })).data.login.user;
}

async function using(options, run) {
  const server = await start(options);
  try {
    return await run(server);
  } finally {
    await server.stop();
  }
}

test("somebody registers, signs in and confirms their address", () =>
  using({}, async (server) => {
    const token = await register(server, "alice");
    assert.equal((await login(server, "alice")).username, "alice");
    const mail = await server.waitForMail({ to: "alice@example.com", kind: "verify-email" });
    assert.equal(mail.link, `${server.url}/account/verify-email#${mail.token}`);
    assert.match(mail.html, /<html lang="en">/);
    const verify = "mutation($input: VerifyEmailInput!) { verifyEmail(input: $input) { outcome } }";
    await call(server, verify, { input: { token: mail.token, password: PASSWORD } });
    assert.equal((await call(server, "{ me { emailVerified } }", {}, token)).data.me.emailVerified, true);
  }));

test("a subject that is not ASCII is read", () =>
  using({}, async (server) => {
    await register(server, "bruno", { locale: "DE" });
    assert.equal((await server.waitForMail({ to: "bruno@example.com" })).subject, "Bestätige deine Adresse");
    assert.deepEqual(await server.mails({ kind: "password-reset" }), []);
  }));

test("a code in a mail is found", () =>
  using({ env: { REQUIRE_SECOND_FACTOR: "all" } }, async (server) => {
    await register(server, "carol");
    await login(server, "carol");
    assert.match((await server.waitForMail({ kind: "enrollment-code" })).code, /^\d{4} \d{4}$/);
  }));

test("many may register from one address", () =>
  using({}, async (server) => {
    for (let number = 0; number < 10; number++) assert.match(await register(server, `user${number}`), /^ey/);
  }));

test("verbs work on the same data", () =>
  using({}, async (server) => {
    const create = ["admin", "create", "--username=boss", "--email=boss@example.com", "--password-file=/dev/stdin"];
    await server.run(create, { input: "a long passphrase\n" });
    assert.equal((await login(server, "boss", "a long passphrase")).role, "ADMIN");
    await assert.rejects(server.run(["admin", "promote", "nobody"]), /no account/);
  }));

test("settings are those of the test, and none of the environment or of a .env", () => {
  writeFileSync(".env", "REGISTRATION=closed\n");
  process.env.REGISTRATION = "closed";
  process.env.DATABASE_URL = "postgres://127.0.0.1:1/production";
  return using({}, async (open) => {
    assert.match(await register(open, "alice"), /^ey/);
    await using({ env: { REGISTRATION: "closed" } }, async (closed) => {
      assert.notEqual(closed.url, open.url);
      assert.equal(await register(closed, "alice"), "FORBIDDEN");
    });
    await using({ args: ["--registration=closed"] }, async (closed) => {
      assert.equal(await register(closed, "alice"), "FORBIDDEN");
    });
  });
});

test("a server that is quiet starts too", () => using({ env: { RUST_LOG: "error" } }, (server) => register(server, "alice")));

test("nothing is left behind", async () => {
  const server = await start();
  assert.ok(existsSync(server.dataDir));
  await Promise.all([server.stop(), server.stop()]);
  await server.ended;
  assert.ok(!existsSync(server.dataDir));
  await assert.rejects(fetch(server.url));
});

test("what keeps a server from starting is told", async () => {
  await assert.rejects(start({ env: { REGISTRATION: "nonsense" } }), /REGISTRATION/);
  await assert.rejects(start({ binary: "/nowhere" }), /ENOENT/);
  await assert.rejects(start({ args: ["--listen=0.0.0.0:80"] }), /use its option `port`/);
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => taken.once("listening", done));
  await assert.rejects(start({ port: taken.address().port }), /cannot listen on/);
  taken.close();
});

test("a test that forgets to stop leaves no process and no data", async () => {
  const program = 'import { start } from "portcullis-server"; const { pid, dataDir } = await start(); console.log(JSON.stringify({ pid, dataDir })); process.exit();';
  const { pid, dataDir } = JSON.parse(execFileSync(process.execPath, ["--input-type=module", "--eval", program], { encoding: "utf8" }));
  assert.ok(!existsSync(dataDir));
  // Until the system has noticed.
  for (let tries = 0; existsSync(`/proc/${pid}`); tries++) {
    assert.ok(tries < 100, "the server goes on");
    await new Promise((done) => setTimeout(done, 50));
  }
});

for (const signal of ["SIGINT", "SIGTERM"]) {
  test(`the command says where it listens, and ends on ${signal}`, async () => {
    const child = spawn("node_modules/.bin/portcullis-server", ["--registration=invite"], { stdio: ["ignore", "pipe", "ignore"] });
    const line = await new Promise((done) => child.stdout.setEncoding("utf8").once("data", done));
    const server = JSON.parse(line);
    assert.equal((await call(server, "{ config { registration } }")).data.config.registration, "INVITE");
    process.kill(server.pid, signal);
    const code = await new Promise((done) => child.once("exit", done));
    assert.equal(code, 0);
    assert.ok(!existsSync(server.dataDir));
  });
}

test("the command takes a port, and tells its version", () => {
  const run = (...args) => execFileSync("node_modules/.bin/portcullis-server", args, { encoding: "utf8", stdio: "pipe" });
  assert.match(run("--help"), /--port/);
  assert.match(run("--version"), /^\d+\.\d+\.\d+/);
  assert.throws(() => run("--port=web"), /takes a port/);
  assert.throws(() => run("--port", "1", "--nonsense"), /nonsense/);
});
