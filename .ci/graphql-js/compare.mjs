// Compares the answers of a running server with those of graphql-js.
// usage: compare.mjs URL FOLDER SDL [documents] [seed]; FOLDER is where the server keeps its mails.
import { readFileSync } from 'node:fs';
import { buildSchema } from 'graphql';
import { corpus } from './corpus.mjs';
import { DIFFERENCES } from './differences.mjs';
import { TOLERATED } from './introspected.mjs';
import { Random, broken, document } from './random.mjs';
import { difference, judge } from './replay.mjs';
import { prepare } from './world.mjs';

const [url, folder, sdl, documents = '400', first = String(Date.now() % 1_000_000)] = process.argv.slice(2);
const schema = buildSchema(readFileSync(sdl, 'utf8'));

async function post(call, token) {
  const headers = { 'content-type': 'application/json', accept: 'application/json' };
  const authorization = token ? { authorization: `Bearer ${token}` } : {};
  const response = await fetch(url, { method: 'POST', headers: { ...headers, ...authorization }, body: JSON.stringify(call) });
  return response.json();
}

const world = await prepare(post, folder);
const callers = Object.keys(world.tokens);
const counts = { agreed: 0, refused: 0, withErrors: 0, limited: 0, proven: 0 };
const titleOf = ({ name, reason }) => `${name}: ${reason}`;
const seen = new Map(DIFFERENCES.map((known) => [titleOf(known), 0]));
/** Of each kind of failure how many there were, and the shortest document. */
const failures = new Map();

function fail(what, title, call, answer, why) {
  const kind = title.startsWith('"') ? `${what}: ${title}` : what;
  const { count = 0, shortest } = failures.get(kind) ?? {};
  const isShorter = shortest === undefined || call.query.length < shortest.call.query.length;
  failures.set(kind, { count: count + 1, shortest: isShorter ? { title, call, answer, why } : shortest });
}

async function compare(title, call, caller) {
  const answer = await post(call, world.tokens[caller]);
  const isRefused = !('data' in answer);
  if (answer.errors?.[0].extensions.code === 'DOCUMENT_LIMIT') {
    counts.limited += 1;
    return;
  }
  const theirs = judge(schema, call, answer);
  const known = DIFFERENCES.find(({ applies }) => applies({ schema, call, answer, isRefused, theirs }));
  if (known) {
    seen.set(titleOf(known), seen.get(titleOf(known)) + 1);
    return;
  }
  if (isRefused !== (theirs.refused !== undefined)) {
    const kind = isRefused ? 'refused here, accepted by graphql-js' : `accepted here, refused by graphql-js (${theirs.rules})`;
    fail(kind, title, call, answer, theirs.refused ?? answer.errors[0].message);
    return;
  }
  if (isRefused) {
    counts.refused += 1;
    return;
  }
  const errors = answer.errors ?? [];
  const found = difference(answer.data, theirs.data, theirs.types);
  if (found) {
    fail('answered otherwise', title, call, answer, found);
    return;
  }
  if (errors.length === 0) {
    prove(title, call, answer);
  }
  counts.agreed += 1;
  counts.withErrors += errors.length > 0 ? 1 : 0;
}

const documentsOfClients = corpus(world);
/** The same answer with one fault; none where there is no place for it. */
const FAULTS = {
  'a key is missing': (object) => Object.fromEntries(Object.entries(object).slice(1)),
  'a key is too many': (object) => ({ ...object, another: 1 }),
  'keys are in another order': (object) => Object.fromEntries(Object.entries(object).reverse()),
};

/** That the comparison finds what is wrong: each fault, put into an answer that was right. */
function prove(title, call, answer) {
  const [key, root] = Object.entries(answer.data).find(([, value]) => Object.keys(value ?? {}).length > 1) ?? [];
  if (Array.isArray(root) || typeof root !== 'object' || /\b__(schema|type)\b/.test(call.query)) {
    return;
  }
  for (const [fault, put] of Object.entries(FAULTS)) {
    const wrong = { data: { ...answer.data, [key]: put(root) } };
    const theirs = judge(schema, call, wrong);
    if (difference(wrong.data, theirs.data, theirs.types) === undefined) {
      fail(`not found: ${fault}`, title, call, wrong, 'the comparison says nothing');
    }
    counts.proven += 1;
  }
}

for (const { name, caller = 'user', ...call } of documentsOfClients) {
  await compare(`"${name}"`, call, caller);
}
console.log(`${documentsOfClients.length} documents of clients`);
const seed = Number(first);
for (let number = 0; number < Number(documents); number += 1) {
  const random = new Random(seed + number);
  const caller = random.of(callers);
  const call = document(schema, random, world);
  const title = `seed ${seed + number} as ${caller}`;
  await compare(title, call, caller);
  await compare(`${title}, broken`, broken(call, random), caller);
}
console.log(`${documents} random documents from seed ${seed}, and as many broken: ${counts.agreed} answered alike, `
  + `${counts.withErrors} of them with errors; ${counts.refused} refused by both; ${counts.limited} beyond a limit; ${counts.proven} faults put in and found`);
for (const [name, count] of TOLERATED) {
  seen.set(name, count);
}
for (const [name, count] of seen) {
  console.log(`known, seen ${count} times: ${name}`);
}
for (const [kind, { count, shortest: { title, call, answer, why } }] of failures) {
  const { query, ...rest } = call;
  console.error(`\n${count} times ${kind}. ${title}:\n${query.replace(/\s+/g, ' ')}\n${JSON.stringify(rest)}\n`
    + `${JSON.stringify(answer).slice(0, 1000)}\n${why}`);
}
const unseen = [...seen].filter(([, count]) => count === 0).map(([name]) => name);
if (unseen.length > 0) {
  console.error(`\nno difference any more: ${unseen.join(', ')}`);
}
process.exitCode = failures.size + unseen.length > 0 ? 1 : 0;
