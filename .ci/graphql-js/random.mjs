// Random valid documents over a schema, and random ones that are wrong in one thing.
import {
  Kind, getNamedType, isAbstractType, isCompositeType, isNonNullType, isObjectType, parse, print, visit,
} from 'graphql';

/** Numbers that a seed repeats. */
export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  below(end) {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  }

  chance(percent) {
    return this.below(100) < percent;
  }

  of(list) {
    return list[this.below(list.length)];
  }
}

const DEPTH_MAX = 6;
const FIELDS_MAX = 5;
const ALIASES_MAX = 6;
/** Pages inside each other: the server bounds the rows that a document can load. */
const PAGES_MAX = 2;
/** How many ways there are to give a field its arguments. */
const VARIANTS = 4;

/** What arguments are given, by their names: literals, which are JSON but for enums. */
function values(world) {
  const id = JSON.stringify(world.of(world.ids));
  return {
    after: [world.of(world.cursors), 'no cursor', null].map((it) => JSON.stringify(it)),
    before: [world.of(world.cursors), '', null].map((it) => JSON.stringify(it)),
    field: ['"Mutation.deleteUser"', '"Query.me"', '"Query.nothing"'],
    filter: ['{}', 'null', '{from:"2026-01-01T00:00:00Z"}', '{types:[SIGNED_IN]}', '{role:USER}', '{search:"a"}',
      '{isActive:true,role:ADMIN}'],
    first: ['1', '2', '2', '3', '0', '-1', '101'],
    id: [id, id, id, '"unknown"', '""', '7'],
    ids: [JSON.stringify(world.ids.slice(0, 4)), '[]', `[${id},"unknown"]`, id],
    last: ['1', '2', '-1'],
    name: ['"User"', '"Node"', '"Role"', '"Nothing"'],
    orderBy: ['{field:USERNAME,direction:ASC}', '{direction:DESC,field:CREATED_AT}', 'null'],
    includeDeprecated: ['true', 'false'],
  };
}

/** One document: `query`, `variables` and `operationName`. */
export function document(schema, random, world) {
  return new Writer(schema, random, world).document();
}

class Writer {
  constructor(schema, random, world) {
    Object.assign(this, { schema, random, aliases: 0, pages: 0, budget: 10 + random.below(50), fragments: new Map(), variables: new Map() });
    this.values = values({ ...world, of: (list) => random.of(list) });
    this.variants = new Map();
  }

  document() {
    const { random } = this;
    const set = this.set(this.schema.getQueryType(), 1, false);
    const definitions = [...this.variables].map(([name, { type, init }]) => `$${name}:${type}${init}`);
    const named = random.chance(70);
    const head = named || definitions.length > 0 ? `query ${named ? 'Main' : ''}` : '';
    const parts = [`${head}${definitions.length > 0 ? `(${definitions.join(',')})` : ''}${set}`];
    const several = named && random.chance(15);
    if (several) {
      parts.push('query Other{__typename}');
    }
    for (const { name, on, body } of this.fragments.values()) {
      parts.splice(random.below(parts.length + 1), 0, `fragment ${name} on ${on}${body}`);
    }
    const given = [...this.variables].filter(([, it]) => it.value !== undefined);
    const variables = Object.fromEntries(given.map(([name, { value }]) => [name, value]));
    return { query: parts.join('\n'), variables, operationName: several ? 'Main' : undefined };
  }

  set(type, depth, isAmongOthers) {
    const most = Math.max(1, Math.min(this.budget, depth === 1 ? FIELDS_MAX : FIELDS_MAX - 1));
    const count = 1 + this.random.below(most);
    const selections = Array.from({ length: count }, () => this.selection(type, depth, isAmongOthers));
    return `{${selections.join(' ')}}`;
  }

  selection(type, depth, isAmongOthers) {
    const { random } = this;
    if (isAbstractType(type) ? random.chance(60) : random.chance(18)) {
      return this.fragment(type, depth, isAmongOthers || isAbstractType(type));
    }
    return this.field(type, depth, isAmongOthers || isAbstractType(type));
  }

  fragment(type, depth, isAmongOthers) {
    const { random, schema } = this;
    const possible = isAbstractType(type) ? [type, ...schema.getPossibleTypes(type)] : [type, ...type.getInterfaces()];
    const on = random.of(possible);
    const known = [...this.fragments.values()].filter((it) => it.on === on.name && it.isAmongOthers === isAmongOthers);
    if (known.length > 0 && random.chance(40)) {
      return `...${random.of(known).name}${this.directives()}`;
    }
    const body = this.set(on, depth, isAmongOthers);
    if (random.chance(40)) {
      const name = `F${this.fragments.size}`;
      this.fragments.set(name, { name, on: on.name, body, isAmongOthers });
      return `...${name}${this.directives()}`;
    }
    const condition = on === type && random.chance(30) ? '' : ` on ${on.name}`;
    return `...${condition}${this.directives()}${body}`;
  }

  field(type, depth, isAmongOthers) {
    const { random } = this;
    const all = Object.values(type.getFields?.() ?? {});
    this.budget -= 1;
    const isDeep = depth >= DEPTH_MAX || this.budget <= 0;
    const isPage = (it) => it.args.some((arg) => arg.name === 'first');
    const fields = all.filter((it) => (isDeep ? !isCompositeType(getNamedType(it.type)) : this.pages < PAGES_MAX || !isPage(it)));
    if (fields.length === 0 || random.chance(8)) {
      return `${random.chance(20) ? this.alias('kind') : ''}__typename${this.directives()}`;
    }
    const field = random.of(fields);
    const required = field.args.some((arg) => isNonNullType(arg.type));
    const variant = field.args.length === 0 ? 0 : Number(required) + random.below(VARIANTS);
    // One key means one thing wherever it stands, so that any two may be merged.
    const prefix = isAmongOthers && isObjectType(type) && random.chance(30) ? `${type.name}_` : '';
    const key = `${prefix}${field.name}${variant > 0 ? `_${variant}` : ''}`;
    const alias = key === field.name ? '' : this.alias(key);
    const args = alias === '' && !required ? '' : this.arguments(type, field, variant);
    const named = getNamedType(field.type);
    const pages = Number(isPage(field));
    this.pages += pages;
    const set = isCompositeType(named) ? this.set(named, depth + 1, isAmongOthers) : '';
    this.pages -= pages;
    return `${alias}${field.name}${args}${this.directives()}${set}`;
  }

  alias(key) {
    this.aliases += 1;
    return this.aliases > ALIASES_MAX ? '' : `${key}:`;
  }

  arguments(type, field, variant) {
    const key = `${field.name}(${field.args.map((arg) => arg.type)})${variant}`;
    if (!this.variants.has(key)) {
      const given = field.args.filter((arg) => isNonNullType(arg.type) || this.random.chance(arg.name === 'first' ? 80 : 20));
      this.variants.set(key, given.map((arg) => `${arg.name}:${this.value(arg, key)}`));
    }
    const all = this.variants.get(key);
    return all.length === 0 ? '' : `(${all.join(',')})`;
  }

  value(arg) {
    const literal = this.random.of(this.values[arg.name] ?? ['null']);
    if (this.random.chance(60)) {
      return literal;
    }
    const name = `v${this.variables.size}`;
    const value = JSON.parse(literal.replace(/([{,])(\w+):/g, '$1"$2":').replace(/([:[])([A-Z_]+)\b/g, '$1"$2"'));
    const byDefault = this.random.chance(30);
    this.variables.set(name, { type: arg.type, init: byDefault ? `=${literal}` : '', value: byDefault ? undefined : value });
    return `$${name}`;
  }

  directives() {
    return this.random.chance(15) ? ` @${this.random.of(['skip', 'include'])}(if:${this.condition()})` : '';
  }

  condition() {
    const choice = this.random.of(['true', 'false', 'yes', 'no', 'init']);
    const init = choice === 'init';
    if (choice === 'true' || choice === 'false') {
      return choice;
    }
    this.variables.set(choice, { type: init ? 'Boolean' : 'Boolean!', init: init ? '=false' : '', value: init ? undefined : choice === 'yes' });
    return `$${choice}`;
  }
}

const name = (value) => ({ kind: Kind.NAME, value });
const field = (of) => ({ kind: Kind.FIELD, name: name(of) });
const condition = (of) => ({ kind: Kind.NAMED_TYPE, name: name(of) });
const truth = { kind: Kind.BOOLEAN, value: true };
const number = { kind: Kind.INT, value: '1' };
const directive = (of, args) => ({
  kind: Kind.DIRECTIVE,
  name: name(of),
  arguments: Object.entries(args).map(([key, value]) => ({ kind: Kind.ARGUMENT, name: name(key), value })),
});

/** What can be done to one node of a kind; each takes it and gives another in its place. */
const FAULTS = {
  [Kind.FIELD]: [
    (node) => ({ ...node, name: name('unknown') }),
    (node) => ({ ...node, alias: name('id') }),
    (node) => ({ ...node, arguments: [...node.arguments, { kind: Kind.ARGUMENT, name: name('unknown'), value: number }] }),
    (node) => ({ ...node, arguments: node.arguments.slice(1) }),
    (node) => ({ ...node, arguments: [...node.arguments, ...node.arguments.slice(0, 1)] }),
    (node) => ({ ...node, arguments: node.arguments.map((it) => ({ ...it, value: truth })) }),
    (node) => ({ ...node, arguments: node.arguments.map((it) => ({ ...it, value: { kind: Kind.VARIABLE, name: name('nobody') } })) }),
    (node) => ({ ...node, arguments: node.arguments.map((it) => ({ ...it, value: { kind: Kind.OBJECT, fields: [{ kind: Kind.OBJECT_FIELD, name: name('unknown'), value: number }] } })) }),
    (node) => ({ ...node, arguments: node.arguments.map((it) => ({ ...it, value: { kind: Kind.ENUM, value: 'UNKNOWN' } })) }),
    (node) => ({ ...node, selectionSet: node.selectionSet ? undefined : { kind: Kind.SELECTION_SET, selections: [field('id')] } }),
    (node) => ({ ...node, directives: [...node.directives, directive('unknown', {})] }),
    (node) => ({ ...node, directives: [...node.directives, directive('deprecated', {})] }),
    (node) => ({ ...node, directives: [directive('skip', { if: truth }), directive('skip', { if: truth })] }),
    (node) => ({ ...node, directives: [directive('skip', {})] }),
    (node) => ({ ...node, directives: [directive('skip', { if: number })] }),
    (node) => ({ ...node, directives: [directive('include', { if: truth, unknown: truth })] }),
  ],
  [Kind.INLINE_FRAGMENT]: [
    (node) => ({ ...node, typeCondition: condition('PageInfo') }),
    (node) => ({ ...node, typeCondition: condition('String') }),
    (node) => ({ ...node, typeCondition: condition('UserFilter') }),
    (node) => ({ ...node, typeCondition: condition('Unknown') }),
    (node) => ({ ...node, directives: [directive('unknown', {})] }),
  ],
  [Kind.FRAGMENT_SPREAD]: [
    (node) => ({ ...node, name: name('Unknown') }),
    (node) => ({ ...node, directives: [directive('unknown', {})] }),
  ],
  [Kind.FRAGMENT_DEFINITION]: [
    (node) => ({ ...node, typeCondition: condition('PageInfo') }),
    (node) => ({ ...node, typeCondition: condition('Role') }),
    (node) => ({ ...node, typeCondition: condition('Unknown') }),
    (node) => ({ ...node, name: name('Unused') }),
    (node) => ({ ...node, name: name('on1') }),
    (node) => ({ ...node, directives: [directive('skip', { if: truth })] }),
    (node) => ({ ...node, selectionSet: { ...node.selectionSet, selections: [...node.selectionSet.selections, { kind: Kind.FRAGMENT_SPREAD, name: node.name }] } }),
  ],
  [Kind.VARIABLE_DEFINITION]: [
    (node) => ({ ...node, type: condition('String') }),
    (node) => ({ ...node, type: condition('User') }),
    (node) => ({ ...node, type: condition('Unknown') }),
    (node) => ({ ...node, type: { kind: Kind.LIST_TYPE, type: node.type } }),
    (node) => ({ ...node, defaultValue: { kind: Kind.ENUM, value: 'UNKNOWN' } }),
    (node) => ({ ...node, variable: { ...node.variable, name: name('other') } }),
    (node) => ({ ...node, directives: [directive('unknown', {})] }),
  ],
  [Kind.OPERATION_DEFINITION]: [
    (node) => ({ ...node, operation: 'mutation' }),
    (node) => ({ ...node, operation: 'subscription' }),
    (node) => ({ ...node, directives: [directive('unknown', {})] }),
    (node) => ({ ...node, directives: [directive('skip', { if: truth })] }),
    (node) => ({ ...node, variableDefinitions: [...node.variableDefinitions, ...parse('query($unused:Int){a}').definitions[0].variableDefinitions] }),
    (node) => ({ ...node, variableDefinitions: [...node.variableDefinitions, ...node.variableDefinitions.slice(0, 1)] }),
  ],
  [Kind.DOCUMENT]: [
    (node) => ({ ...node, definitions: [...node.definitions, ...node.definitions.slice(0, 1)] }),
    (node) => ({ ...node, definitions: [...node.definitions, ...parse('{__typename}').definitions] }),
    (node) => ({ ...node, definitions: [...node.definitions, ...parse('type A{b:C}').definitions] }),
    (node) => ({ ...node, definitions: [...node.definitions, ...parse('fragment Unused on User{id}').definitions] }),
    (node) => ({ ...node, definitions: node.definitions.filter((it) => it.kind !== Kind.FRAGMENT_DEFINITION) }),
  ],
};

/** The same document with one fault, which in its place may be none. */
export function broken(call, random) {
  const document = parse(call.query);
  const kind = random.of(Object.keys(FAULTS));
  const nodes = [];
  visit(document, { enter: (node) => void (node.kind === kind && nodes.push(node)) });
  if (nodes.length === 0) {
    return call;
  }
  const [chosen, fault] = [random.of(nodes), random.of(FAULTS[kind])];
  // On leaving, so that what takes a node's place is not looked through again.
  const changed = visit(document, { leave: (node, ...at) => (at[3]?.length >= 0 && same(node, chosen) ? fault(node) : undefined) });
  return { ...call, query: print(changed) };
}

/** A node that was copied because of a change below it still stands where it stood. */
function same(one, other) {
  return one.kind === other.kind && one.loc === other.loc;
}
