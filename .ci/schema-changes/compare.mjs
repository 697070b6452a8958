// What changed between two schemas, given as text, for clients and for who may do what.
import {
  DirectiveLocation,
  Kind,
  buildASTSchema,
  findBreakingChanges,
  findDangerousChanges,
  parse,
  print,
  visit,
} from 'graphql';

/** The directives that say who may use a field. */
const RULES = ['auth', 'member', 'owner', 'covers', 'fresh', 'needs', 'private', 'rateLimit'];

/** The directives that let more people use a field: they ask for nothing, or let somebody in who does not meet the rule. */
const OPENINGS = ['public', 'enrolling'];

/** Where a document can use a directive. */
const IN_DOCUMENTS = [
  DirectiveLocation.QUERY,
  DirectiveLocation.MUTATION,
  DirectiveLocation.SUBSCRIPTION,
  DirectiveLocation.FIELD,
  DirectiveLocation.FRAGMENT_DEFINITION,
  DirectiveLocation.FRAGMENT_SPREAD,
  DirectiveLocation.INLINE_FRAGMENT,
  DirectiveLocation.VARIABLE_DEFINITION,
];

/** Everything that can be deprecated, by its coordinate: `User.email`, `Query.users(first:)`, `Role.ADMIN`. */
function members(document) {
  const found = new Map();
  for (const type of document.definitions) {
    for (const member of type.fields ?? type.values ?? []) {
      const coordinate = `${type.name.value}.${member.name.value}`;
      found.set(coordinate, member);
      for (const argument of member.arguments ?? []) found.set(`${coordinate}(${argument.name.value}:)`, argument);
    }
  }
  return found;
}

const isDeprecated = (member) => member?.directives.some((used) => used.name.value === 'deprecated') ?? false;

/** The names of the types that can be reached from the roots. */
function reachable(document) {
  const reached = new Set();
  const next = ['Query', 'Mutation', 'Subscription'];
  while (next.length > 0) {
    const name = next.pop();
    if (reached.has(name)) continue;
    reached.add(name);
    for (const of of document.definitions) {
      if (of.name?.value === name) visit(of, { NamedType: (node) => void next.push(node.name.value) });
      if (of.interfaces?.some((used) => used.name.value === name)) next.push(of.name.value);
    }
  }
  return reached;
}

/** The released document without what may be gone: what clients have been told to leave, and types that only that had. */
function withoutLeft(released, settled, now) {
  const [kept, told] = [members(now), members(settled)];
  const left = new Set();
  for (const [coordinate, member] of members(released)) {
    if (!kept.has(coordinate) && isDeprecated(member) && isDeprecated(told.get(coordinate))) left.add(member);
  }
  const leave = (node) => (left.has(node) ? null : undefined);
  const rest = visit(released, { FieldDefinition: leave, InputValueDefinition: leave, EnumValueDefinition: leave });
  const [reached, before] = [reachable(rest), reachable(released)];
  const names = new Set(now.definitions.map((of) => of.name?.value));
  const mayGo = (name) => before.has(name) && !reached.has(name) && !names.has(name);
  return { ...rest, definitions: rest.definitions.filter((of) => !mayGo(of.name?.value)) };
}

/** A schema with those directives only that a document can use. */
function schema(document) {
  const isUsable = (of) => of.kind !== Kind.DIRECTIVE_DEFINITION || of.locations.some((at) => IN_DOCUMENTS.includes(at.value));
  return buildASTSchema({ ...document, definitions: document.definitions.filter(isUsable) }, { assumeValidSDL: true });
}

/** The rules of each field, by what tells them apart: limits by their names. */
function rules(document) {
  const found = new Map();
  for (const [coordinate, member] of members(document)) {
    const used = new Map();
    for (const directive of member.directives) {
      const name = directive.name.value;
      if (!RULES.includes(name) && !OPENINGS.includes(name)) continue;
      const limit = directive.arguments.find((given) => name === 'rateLimit' && given.name.value === 'name');
      used.set(limit ? `@${name}(${print(limit)})` : `@${name}`, print(directive));
    }
    found.set(coordinate, used);
  }
  return found;
}

/**
 * The changes of the access policy, and those among them that take a rule from a field that stays, or let callers use it who do
 * not meet its rule.
 */
function policyChanges(released, now) {
  const [changed, wider] = [[], []];
  const before = rules(released);
  for (const [coordinate, after] of rules(now)) {
    const was = before.get(coordinate);
    if (!was) continue;
    const [from, to] = [was, after].map((used) => [...used.values()].sort().join(' ') || 'no rule');
    if (from !== to) changed.push(`${coordinate}: ${from} became ${to}`);
    for (const rule of was.keys()) {
      if (!after.has(rule) && !isOpening(rule)) wider.push(`${coordinate} lost ${rule}`);
    }
    // `@public` takes the place of a rule, and then that one is lost.
    if (after.has('@enrolling') && !was.has('@enrolling')) wider.push(`${coordinate} gained @enrolling`);
  }
  return { changed, wider };
}

const isOpening = (rule) => OPENINGS.includes(rule.slice(1));

/** The depths of a field's lists at which it is null only with an error; `@semanticNonNull` alone says this of the field. */
function depths(member) {
  const used = member?.directives?.find((directive) => directive.name.value === 'semanticNonNull');
  if (!used) return [];
  const levels = used.arguments.find((given) => given.name.value === 'levels')?.value;
  if (!levels) return ['0'];
  return levels.kind === Kind.LIST ? levels.values.map(print) : [print(levels)];
}

/** Whether a type excludes null at a depth of its lists. */
function excludesNull(type, depth) {
  const bare = type.kind === Kind.NON_NULL_TYPE ? type.type : type;
  if (depth === 0) return type.kind === Kind.NON_NULL_TYPE;
  return bare.kind === Kind.LIST_TYPE && excludesNull(bare.type, depth - 1);
}

/** The fields that clients have treated as non-null and that may be null without an error now. */
function nullNow(released, now) {
  const [before, after] = [members(released), members(now)];
  return [...before].flatMap(([coordinate, member]) => {
    const stays = after.get(coordinate);
    if (!stays) return [];
    const told = depths(stays);
    const lost = depths(member).filter((depth) => !told.includes(depth) && !excludesNull(stays.type, Number(depth)));
    return lost.map((depth) => `${coordinate} lost @semanticNonNull${depth === '0' ? '' : ` at level ${depth}`}`);
  });
}

/**
 * What changed from the `released` schema to that of `now`. `settled` is one that was released long enough ago: what was
 * deprecated in it and still is may be gone.
 */
export function compare(released, settled, now) {
  const [before, told, after] = [released, settled, now].map((text) => parse(text, { noLocation: true }));
  const [from, to] = [schema(withoutLeft(before, told, after)), schema(after)];
  const { changed, wider } = policyChanges(before, after);
  return {
    /** Each of these fails. */
    refused: [
      ...findBreakingChanges(from, to).map((change) => change.description),
      ...nullNow(before, after),
      ...wider,
    ],
    dangerous: findDangerousChanges(from, to).map((change) => change.description),
    policy: changed,
  };
}
