// graphql-js as the judge of a document and its answer: it validates the document, and executes it with
// resolvers that say what the answer says, at the same places. What then differs is form.
import {
  GraphQLError, execute, getNamedType, getNullableType, getOperationAST, isAbstractType, isLeafType, isListType,
  isNonNullType, parse, specifiedRules, validate,
} from 'graphql';
import { collectSubfields } from 'graphql/execution/collectFields.js';
import { introspected } from './introspected.mjs';

/** Stands for an object of which nothing is known but that an error lies below it. */
class Ghost {
  constructor(path) {
    this.path = path;
  }
}

const pathOf = (path) => (path === undefined ? [] : [...pathOf(path.prev), path.key]);
const keyOf = (path) => JSON.stringify(path);
const isBelow = (path, above) => path.length > above.length && above.every((step, index) => path[index] === step);

/** What the rules say of a document. One of them throws for a directive at a root field of a subscription whose variable it does not have. */
function problems(schema, document, rules) {
  try {
    return validate(schema, document, rules);
  } catch (error) {
    if (error instanceof GraphQLError) return [error];
    throw error;
  }
}

/** Why the document is refused, or what it is answered. */
export function judge(schema, call, answer) {
  let document;
  try {
    document = parse(call.query);
  } catch (error) {
    return { refused: error.message, rules: ['syntax'] };
  }
  const errors = problems(schema, document);
  if (errors.length > 0) {
    const rules = specifiedRules.filter((rule) => problems(schema, document, [rule]).length > 0);
    return { refused: errors[0].message, rules: rules.map((rule) => rule.name) };
  }
  const operation = getOperationAST(document, call.operationName);
  if (!operation || !schema.getRootType(operation.operation)) {
    return { refused: 'there is nothing to execute', rules: ['operation'] };
  }
  const replay = new Replay(answer);
  const result = execute({
    schema,
    document,
    variableValues: call.variables,
    operationName: call.operationName,
    rootValue: answer.data ?? new Ghost([]),
    fieldResolver: (...given) => replay.field(...given),
    typeResolver: (...given) => replay.type(...given),
  });
  if (!('data' in result)) {
    return { refused: result.errors[0].message, rules: ['variables'] };
  }
  return { data: result.data, errors: result.errors ?? [], types: replay.types };
}

class Replay {
  constructor(answer) {
    this.failed = new Map((answer.errors ?? []).map((error) => [keyOf(error.path), error]));
    this.paths = (answer.errors ?? []).map((error) => error.path ?? []);
    /** The type at every place that was looked at. */
    this.types = new Map();
  }

  field(source, _arguments, _context, info) {
    const path = pathOf(info.path);
    this.types.set(keyOf(path), info.returnType);
    const failed = this.failed.get(keyOf(path));
    if (failed) {
      throw new GraphQLError(failed.message);
    }
    if (source instanceof Ghost) {
      return this.value(undefined, info.returnType, path);
    }
    if (!(info.path.key in source)) {
      return new GraphQLError(`the answer has no ${keyOf(path)}`);
    }
    return this.value(source[info.path.key], info.returnType, path);
  }

  /** The same, but where an error below has left null: there is something after all. */
  value(value, type, path) {
    const below = this.paths.filter((it) => isBelow(it, path));
    if (Array.isArray(value)) {
      const of = getNullableType(type).ofType;
      return value.map((item, index) => this.item(item, of, [...path, index]));
    }
    if (value !== null && value !== undefined) {
      return value;
    }
    if (below.length > 0) {
      return this.ghost(type, path, below);
    }
    return value === undefined && isNonNullType(type) ? this.ghost(type, path, below) : null;
  }

  item(value, type, path) {
    this.types.set(keyOf(path), type);
    const failed = this.failed.get(keyOf(path));
    return failed ? new GraphQLError(failed.message) : this.value(value, type, path);
  }

  ghost(type, path, below) {
    const nullable = getNullableType(type);
    if (isListType(nullable)) {
      const length = Math.max(0, ...below.map((it) => it[path.length] + 1));
      return Array.from({ length }, (_, index) => this.item(undefined, nullable.ofType, [...path, index]));
    }
    if (!isLeafType(nullable)) {
      return new Ghost(path);
    }
    // What is null in the end has any value meanwhile.
    const any = { Int: 0, Float: 0, Boolean: false };
    return any[nullable.name] ?? nullable.getValues?.()[0].name ?? '';
  }

  /** The object whose keys an answer has; of a ghost, one that has the field below which the error lies. */
  type(value, _context, info, abstract) {
    const isGhost = value instanceof Ghost;
    const next = isGhost ? this.paths.filter((it) => isBelow(it, value.path)).map((it) => it[value.path.length]) : [];
    const keysOf = (type) => {
      const { schema, fragments, variableValues, fieldNodes } = info;
      return [...collectSubfields(schema, fragments, variableValues, type, fieldNodes).keys()];
    };
    const nameIn = (type) => {
      const { schema, fragments, variableValues, fieldNodes } = info;
      for (const [key, [node]] of collectSubfields(schema, fragments, variableValues, type, fieldNodes)) {
        if (node.name.value === '__typename' && value[key] !== type.name) {
          return false;
        }
      }
      return true;
    };
    const possible = info.schema.getPossibleTypes(abstract);
    const fits = possible.find((type) => (isGhost
      ? next.every((key) => keysOf(type).includes(key))
      : nameIn(type) && keyOf(keysOf(type)) === keyOf(Object.keys(value))));
    const alike = possible.find((type) => !isGhost && nameIn(type)
      && keyOf(keysOf(type).sort()) === keyOf(Object.keys(value).sort()));
    return (fits ?? alike ?? possible[0]).name;
  }
}

/** The first place where two answers differ, if there is one; `types` says what may be null. */
export function difference(ours, theirs, types, path = []) {
  if (ours === null || theirs === null || typeof ours !== 'object' || typeof theirs !== 'object') {
    if (ours === theirs) {
      return undefined;
    }
    return `${keyOf(path)}: ours ${JSON.stringify(ours)}, theirs ${JSON.stringify(theirs)}`;
  }
  // graphql-js asks no resolver of ours about the schema.
  if (path.length === 1 && !types.has(keyOf(path))) {
    const found = introspected(ours, theirs);
    return found && `${keyOf(path)}${found}`;
  }
  if (isLeaf(path, types)) {
    return JSON.stringify(ours) === JSON.stringify(theirs) ? undefined : `${keyOf(path)}: another value`;
  }
  const [keys, others] = [Object.keys(ours), Object.keys(theirs)];
  if (Array.isArray(ours) !== Array.isArray(theirs) || keyOf(keys) !== keyOf(others)) {
    return `${keyOf(path)}: ours has ${keys}, theirs ${others}`;
  }
  for (const key of keys) {
    const step = Array.isArray(ours) ? Number(key) : key;
    const found = difference(ours[key], theirs[key], types, [...path, step]);
    if (found) {
      return found;
    }
  }
  return undefined;
}

function isLeaf(path, types) {
  const type = types.get(keyOf(path));
  return type !== undefined && !isListType(getNullableType(type)) && isLeafType(getNamedType(type))
    && !isAbstractType(getNamedType(type));
}
