// Runs the server audits of graphql-http against URL, and fails for whatever is not expected.
import { auditServer } from 'graphql-http';

const results = await auditServer({ url: process.argv[2] });
// Without introspection those that ask for a type by name get the refusal they should.
const allowed = (process.argv[3] ?? '').split(',').filter(Boolean);
const failed = results.filter((result) => result.status !== 'ok');
const unexpected = failed.filter((result) => !allowed.includes(result.id));
const missing = allowed.filter((id) => !failed.some((result) => result.id === id));
for (const { id, name, status, reason } of unexpected) {
  console.error(`${status}: ${id} ${name}: ${reason}`);
}
for (const id of missing) {
  console.error(`unexpectedly ok: ${id}`);
}
console.log(`${results.length - failed.length} of ${results.length} audits are ok`);
process.exitCode = unexpected.length + missing.length > 0 ? 1 : 0;
