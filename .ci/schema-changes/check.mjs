// Prints what changed from the schema RELEASED to NOW, and fails for what must not. What was deprecated in SETTLED, an older
// release, may be gone; without one, nothing may.
import { readFileSync } from 'node:fs';
import { ACCEPTED } from './accepted.mjs';
import { compare } from './compare.mjs';

const [now, released, settled] = process.argv.slice(2).map((file) => readFileSync(file, 'utf8'));
const NOTHING = 'type Query { nothing: Int }';

const { refused, dangerous, policy } = compare(released, settled ?? NOTHING, now);
const accepted = (change) => ACCEPTED.includes(change);
const failures = [
  ['REFUSED', refused.filter((change) => !accepted(change))],
  ['IN accepted.mjs AND NOT FOUND', ACCEPTED.filter((change) => !refused.includes(change))],
];
for (const [title, changes] of [
  ['policy changes', policy],
  ['changes that can surprise clients', dangerous],
  ['accepted', refused.filter(accepted)],
  ...failures,
]) {
  if (changes.length > 0) console.log([`${title}:`, ...changes].join('\n  '));
}
if (failures.some(([, changes]) => changes.length > 0)) process.exit(1);
console.log('nothing breaks');
