#!/usr/bin/env node
// Runs a server until it gets a signal. Prints one line of JSON when it takes requests.

import { readFileSync } from "node:fs";
import { start } from "./index.js";

const USAGE = `Runs a Portcullis auth server for tests until it gets a signal, with a database that is thrown away.

Usage: portcullis-server [--port PORT] [FLAGS OF portcullis serve]

It prints {"url": …, "dataDir": …, "pid": …} when it takes requests, and logs to standard error. Without --port it takes
a free one. Settings are flags, such as --registration=invite: variables of the environment do not count. Mails are files
in dataDir/mail. Send signals to that pid, since npx does not pass them on.
`;

const args = process.argv.slice(2);
if (args.includes("--help") || args.includes("-h")) {
  process.stdout.write(USAGE);
} else if (args.includes("--version")) {
  console.log(JSON.parse(readFileSync(new URL("./package.json", import.meta.url), "utf8")).version);
} else {
  await serve();
}

function takePort() {
  const at = args.findIndex((arg) => arg === "--port" || arg.startsWith("--port="));
  if (at < 0) return 0;
  const [flag, joined] = args[at].split("=");
  const value = joined ?? args[at + 1];
  const port = Number(value);
  if (!/^\d+$/.test(value ?? "") || port > 65535) {
    process.stderr.write(`error: ${flag} takes a port\n`);
    process.exit(2);
  }
  args.splice(at, joined === undefined ? 2 : 1);
  return port;
}

async function serve() {
  const port = takePort();
  // It may come before the server is ready.
  let signal;
  const signalled = new Promise((done) => {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) {
      process.on(name, () => {
        signal = name;
        done();
      });
    }
  });
  try {
    const server = await start({ args, port, onLog: (text) => process.stderr.write(text) });
    if (!signal) {
      process.stdout.write(`${JSON.stringify({ url: server.url, dataDir: server.dataDir, pid: process.pid })}\n`);
      const ended = await Promise.race([signalled.then(() => false), server.ended.then(() => true)]);
      if (ended) process.exitCode = 1;
    }
    await server.stop();
  } catch (error) {
    process.stderr.write(`error: ${error.message}\n`);
    process.exitCode = 1;
  }
}
