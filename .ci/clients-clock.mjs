// Runs a program against the server at URL, and has five minutes pass on the server before the program's first request that
// contains TEXT: `node .ci/clients-clock.mjs URL CLOCK TEXT COMMAND…`. CLOCK is the file that sets the server's clock ahead.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { buffer } from 'node:stream/consumers';

const [url, clock, text, command, ...given] = process.argv.slice(2);
let hasPassed = false;

/** Sets the clock ahead by a second more than a sign-in counts as recent. */
function passFiveMinutes() {
  hasPassed = true;
  writeFileSync(`${clock}.new`, `+${Number(readFileSync(clock, 'utf8')) + 301}\n`);
  renameSync(`${clock}.new`, clock);
}

const front = createServer(async (asked, answer) => {
  const body = await buffer(asked);
  if (!hasPassed && body.includes(text)) passFiveMinutes();
  const { method, headers } = asked;
  const passed = request(new URL(asked.url, url), { method, headers }, (answered) => {
    answer.writeHead(answered.statusCode, answered.headers);
    answered.pipe(answer);
  });
  passed.on('error', () => answer.destroy());
  passed.end(body);
}).listen(0, '127.0.0.1');
await once(front, 'listening');

const environment = { ...process.env, PORTCULLIS_URL: `http://127.0.0.1:${front.address().port}/graphql` };
const program = spawn(command, given, { stdio: 'inherit', env: environment });
const [status] = await once(program, 'exit');
process.exit(status ?? 1);
