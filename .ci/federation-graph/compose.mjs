// Composes the schema of SUBGRAPH, served at URL, with that of a service of reviews at REVIEWS, and writes the
// SUPERGRAPH. With --policies the schema also has the rules that a router evaluates. Both composers, Apollo's and The Guild's, must accept them and keep every rule and every cost.
import { readFileSync, writeFileSync } from 'node:fs';
import { composeServices as apollo } from '@apollo/composition';
import { composeServices as guild } from '@theguild/federation-composition';
import { Kind, parse, print, visit } from 'graphql';
import { is, verdict } from './calls.mjs';

const [subgraph, url, reviews, supergraph, mode] = process.argv.slice(2);
const hasPolicies = mode === '--policies';
const read = (file) => parse(readFileSync(file, 'utf8'));
const ours = read(subgraph);
const theirs = read(new URL('reviews.graphql', import.meta.url));

const RULES = ['authenticated', 'policy', 'requiresScopes'];
const COSTS = ['cost', 'listSize'];

/** A directive with its arguments in one order, as composers have others. */
const printed = (directive) =>
  print({ ...directive, arguments: directive.arguments.toSorted((a, b) => (a.name.value < b.name.value ? -1 : 1)) });

/** The fields of objects that have some directives, each with those: `Query.users` with `@requiresScopes(…)`. */
function ruled(schema, names) {
  const found = {};
  for (const type of schema.definitions) {
    if (![Kind.OBJECT_TYPE_DEFINITION, Kind.OBJECT_TYPE_EXTENSION].includes(type.kind)) continue;
    for (const field of type.fields ?? []) {
      const used = field.directives.filter((directive) => names.includes(directive.name.value));
      if (used.length > 0) found[`${type.name.value}.${field.name.value}`] = used.map(printed).sort();
    }
  }
  return found;
}

const rules = (schema) => ruled(schema, RULES);
const costs = (schema) => ruled(schema, COSTS);

/** How often a rule stands anywhere in a schema. */
function uses(schema) {
  let count = 0;
  visit(schema, {
    Directive: (directive) => {
      if (RULES.includes(directive.name.value)) count += 1;
    },
  });
  return count;
}

const sorted = (object) => Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));

const expected = sorted(rules(ours));
// So that a schema without any rule does not pass.
for (const [field, rule] of [
  ['Query.me', '@authenticated'],
  ['Query.activeOrganization', '@authenticated'],
  ['User.sessions', '@authenticated'],
  ['Query.users', '@requiresScopes(scopes: [["users:read"]])'],
  ['Query.auditEvents', '@requiresScopes(scopes: [["audit:read"]])'],
  ['Mutation.deleteUser', '@requiresScopes(scopes: [["users:write"]])'],
  ['Mutation.grantPermission', '@requiresScopes(scopes: [["permissions:grant"]])'],
  ['Mutation.login', undefined],
]) {
  const own = expected[field]?.filter((used) => !used.startsWith('@policy'));
  is(`${field} of the subgraph has ${rule ?? 'no rule'}`, own, rule && [rule]);
}
for (const [field, policies] of [
  ['Query.invitations', '["orgRole:ADMIN"]'],
  ['User.sessions', '["owner"]'],
  ['Mutation.setUserRole', '["role:ADMIN", "covers"]'],
  ['Mutation.setMemberRole', '["member:ADMIN", "covers"]'],
  ['Mutation.deleteUser', '["covers"]'],
  ['Query.users', undefined],
]) {
  const stated = expected[field]?.find((used) => used.startsWith('@policy'));
  const due = hasPolicies && policies ? `@policy(policies: [${policies}])` : undefined;
  is(`${field} of the subgraph has ${due ?? 'no policy'}`, stated, due);
}
is('all rules of the subgraph are on fields of objects', uses(ours), Object.values(expected).flat().length);
const all = sorted({ ...expected, ...rules(theirs) });

is('users are pages of 20', print(ours).includes('@cost(weight: 51) @listSize(assumedSize: 20, slicingArguments: ["first", "last"]'), true);

const services = [
  { name: 'portcullis', url, typeDefs: ours },
  { name: 'reviews', url: reviews, typeDefs: theirs },
];
for (const [composer, compose] of Object.entries({ apollo, guild })) {
  const composed = compose(services);
  is(`${composer} composes it`, (composed.errors ?? []).map(String), []);
  if (!composed.supergraphSdl) continue;
  const whole = parse(composed.supergraphSdl);
  is(`${composer} keeps all ${Object.keys(all).length} rules`, sorted(rules(whole)), all);
  is(`${composer} adds no rule`, uses(whole), uses(ours) + uses(theirs));
  is(`${composer} keeps all costs`, sorted(costs(whole)), sorted(costs(ours)));
  // What a gateway must know, or not start.
  const links = whole.definitions
    .filter((definition) => definition.kind === Kind.SCHEMA_DEFINITION)
    .flatMap((schema) => schema.directives.map(print))
    .filter((link) => link.includes('for: SECURITY'));
  is(`${composer} tells the gateway of all kinds of rules`, links.length, hasPolicies ? 3 : 2, links);
  writeFileSync(supergraph, composed.supergraphSdl);
}
process.exitCode = verdict();
