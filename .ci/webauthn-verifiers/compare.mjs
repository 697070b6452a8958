// Compares the verdicts on changed responses: what another verifier refuses must be refused here, and whatever only this
// server refuses must be explained.
// usage: compare.mjs RESPONSES DOCS S=VERDICTS W=VERDICTS F=VERDICTS
import { readFileSync } from 'node:fs';
import { DIFFERENCES } from './differences.mjs';

/** Of all responses, at least this many are accepted by everybody: most changes must not leave nothing to compare. */
const ACCEPTED_SHARE_MIN = 0.15;

const [responses, docs, ...files] = process.argv.slice(2);
const lines = (file) => readFileSync(file, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));
const cases = lines(responses);
const verdicts = Object.fromEntries(files.map((file) => [file.slice(0, 1), lines(file.slice(2))]));
const failures = new Map();
const fail = (what, detail) => failures.set(what, [...(failures.get(what) ?? []), detail]);

for (const [verifier, of] of Object.entries(verdicts)) {
  if (of.length !== cases.length) fail(`${verifier} judged ${of.length} of ${cases.length} responses`);
}

const counts = { accepted: 0, valid: 0, refused: 0, refusedHereOnly: 0 };
const seen = new Map(DIFFERENCES.map(({ name }) => [name, new Map()]));
cases.forEach((of, at) => {
  const others = Object.entries(verdicts);
  if (of.refused === null) {
    counts.accepted += 1;
    if (of.changes.length === 0) counts.valid += 1;
    for (const [verifier, { [at]: refused }] of others) {
      if (refused !== null) fail(`${verifier} refuses what is accepted here`, `${refused}\n${JSON.stringify(of)}`);
    }
    return;
  }
  if (of.changes.length === 0) fail('a valid response is refused here', JSON.stringify(of));
  const accepting = others.filter(([, { [at]: refused }]) => refused === null).map(([verifier]) => verifier);
  counts[accepting.length === 0 ? 'refused' : 'refusedHereOnly'] += 1;
  const known = DIFFERENCES.find(({ refused, changes }) => (of.changes.length > 1 || changes.has(of.changes[0]))
    && refused.some((text) => of.refused === text || of.refused.startsWith(`${text}: `)));
  for (const verifier of accepting) {
    if (!known?.verifiers.includes(verifier)) {
      fail(`${verifier} accepts what is refused here, unexplained`, `${of.refused}\n${JSON.stringify(of)}`);
    } else {
      const by = seen.get(known.name);
      by.set(verifier, (by.get(verifier) ?? 0) + 1);
    }
  }
});

const explained = readFileSync(docs, 'utf8');
for (const { name, verifiers } of DIFFERENCES) {
  const by = seen.get(name);
  console.log(`${name}: ${[...verifiers].map((verifier) => `${verifier} ${by.get(verifier) ?? 0}`).join(', ')}`);
  for (const verifier of verifiers) if (!by.has(verifier)) fail(`no response shows "${name}" of ${verifier} any more`);
  const row = explained.split('\n').find((line) => line.startsWith(`| ${name} |`));
  if (!row?.includes(`| ${[...verifiers].join(', ')} |`)) fail(`the documentation does not explain "${name}" of ${verifiers}`);
}
const { accepted, valid, refused, refusedHereOnly } = counts;
console.log(`${cases.length} responses: ${accepted} accepted by all (${valid} unchanged), ${refused} refused by all, ${refusedHereOnly} refused here and accepted by another`);
if (accepted < cases.length * ACCEPTED_SHARE_MIN) fail('too few responses are accepted');
for (const [what, details] of failures) {
  console.log(`FAILED, ${details.length} times: ${what}\n${details.toSorted((a, b) => (a?.length ?? 0) - (b?.length ?? 0))[0] ?? ''}`);
}
process.exit(failures.size === 0 ? 0 : 1);
