// The rules of a graph as its gateway keeps them: each field as nobody, as a user and as an admin.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { examples } from '../../web/playground/src/documents.mjs';
import { is } from './calls.mjs';

const REFUSED = 'UNAUTHORIZED_FIELD_OR_TYPE';
const scopesOf = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).scope?.split(' ') ?? [];

/** Tries the fields of the other service by the script of docs/how-to/federation-policy.md, and those of the server. */
export async function policyThrough({ folder, binary, url, callers, through }) {
  const place = join(folder, 'policy');
  for (const name of ['documents', 'tokens', 'subgraphs', 'bin']) mkdirSync(join(place, name), { recursive: true });
  symlinkSync(binary, join(place, 'bin/portcullis'));
  copyFileSync(join(folder, 'reviews.graphql'), join(place, 'subgraphs/reviews.graphql'));
  await byTheScript({ place, url, callers });
  await ofTheServer({ folder, binary, callers, through });
}

const DOCUMENTS = {
  'Query.reviews': '{ reviews { text } }',
  'Query.reviewCount': '{ reviewCount }',
  'Query.reviewerCount': '{ reviewerCount }',
  'Mutation.deleteReviews': 'mutation { deleteReviews }',
};

async function byTheScript({ place, url, callers }) {
  const page = readFileSync(new URL('../../docs/how-to/federation-policy.md', import.meta.url), 'utf8');
  const [, script] = /^```bash\n(#![^]*?)^```/m.exec(page);
  writeFileSync(join(place, 'try.sh'), script);
  for (const [field, document] of Object.entries(DOCUMENTS)) writeFileSync(join(place, `documents/${field}.graphql`), document);
  for (const caller of ['user', 'admin']) {
    const token = await callers[caller]();
    writeFileSync(join(place, 'tokens', caller), token);
    writeFileSync(join(place, `tokens/${caller}.scopes`), scopesOf(token).map((scope) => `${scope}\n`).join(''));
  }
  is('the script of the documentation finds each rule kept', await outcome(place, url), { status: 0, said: '' });
  writeFileSync(join(place, 'tokens/user.scopes'), 'users:read\n');
  const said = 'Query.reviewerCount (the scope users:read) as user: refused, expected: admitted\n';
  is('and says where it is not as expected', await outcome(place, url), { status: 1, said });
}

/** What comes of the script. It calls services of this process, so nothing here may wait for it. */
async function outcome(place, url) {
  const env = { ...process.env, ROUTER: url, PATH: `${join(place, 'bin')}:${process.env.PATH}` };
  const script = spawn('bash', ['try.sh'], { cwd: place, env, stdio: ['ignore', 'pipe', 'inherit'] });
  const [said, [status]] = await Promise.all([text(script.stdout), once(script, 'exit')]);
  return { status, said };
}

async function ofTheServer({ folder, binary, callers, through }) {
  const sdl = execFileSync(binary, ['schema'], { cwd: folder, encoding: 'utf8' });
  const fields = new Map(examples(sdl).filter(({ name, operation }) => /^\w+$/.test(name) && operation !== 'subscription')
    .map((each) => [`${each.rule.type}.${each.name}`, each]));
  const wrong = [];
  for (const [field, { query, variables, rule }] of fields) {
    for (const [caller, signIn] of Object.entries(callers)) {
      // A session of its own for each, since many fields end it.
      const token = await signIn();
      const scope = rule.permission?.toLowerCase().replace('_', ':');
      const isAdmitted = rule.isPublic || (token && (!scope || scopesOf(token).includes(scope)));
      const { asked, codes } = await through(query, { token, variables });
      const isRefused = asked === 0 && codes.includes(REFUSED);
      if (isRefused !== !isAdmitted) wrong.push(`${field} as ${caller}: ${codes}, asked ${asked}`);
    }
  }
  is(`${fields.size} fields of the server, each as ${Object.keys(callers).join(', ')}`, wrong, []);
  is('which are many', fields.size > 50, true);
}
