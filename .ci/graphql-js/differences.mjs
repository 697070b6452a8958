// Where this server and graphql-js are known to differ, each with its reason. One that no document shows any
// more is a failure: it is to be removed. Those marked `preScan` are the library's omissions, which a check
// before execution can mend.
import { Kind, parse, validate, visit } from 'graphql';

/** The rules of graphql-js that are not kept here as a whole. */
const LACKING = ['OverlappingFieldsCanBeMergedRule', 'VariablesInAllowedPositionRule'];

/** Documents that are accepted here and break this rule of graphql-js, and no other that is kept here. */
const lacks = (rule) => ({ isRefused, theirs }) => !isRefused && theirs.refused !== undefined
  && theirs.rules.includes(rule) && theirs.rules.every((other) => other === rule || LACKING.includes(other));

/** The same, where the reason that graphql-js gives is such. */
const lacksWhere = (rule, reason) => (of) => lacks(rule)(of) && reason.test(of.theirs.refused);

/** Whether a document is valid but for what is written at a `__typename`. */
function isWrongAtTypename({ schema, call, isRefused, theirs }) {
  const isOfTheCall = theirs.rules?.some((rule) => ['syntax', 'operation', 'variables'].includes(rule));
  if (isRefused || theirs.refused === undefined || isOfTheCall) {
    return false;
  }
  const plain = visit(parse(call.query), {
    [Kind.FIELD]: (node) => (node.name.value === '__typename'
      ? { ...node, directives: [], arguments: [], selectionSet: undefined } : undefined),
  });
  return validate(schema, plain).every(({ message }) => /is never used/.test(message));
}

export const DIFFERENCES = [
  {
    name: 'fields that cannot be merged',
    preScan: true,
    reason: 'async-graphql compares the fields of one selection set under one type condition only',
    applies: lacks('OverlappingFieldsCanBeMergedRule'),
  },
  {
    name: 'what is written at __typename',
    preScan: true,
    reason: 'async-graphql looks at no directive, argument or selection of a __typename',
    applies: isWrongAtTypename,
  },
  {
    name: 'a variable that only a __typename uses',
    preScan: true,
    reason: 'the same, the other way round: the variable counts as unused',
    applies: ({ call, answer, isRefused, theirs }) => isRefused && theirs.refused === undefined
      && /__typename\s*@/.test(call.query) && answer.errors.every(({ message }) => /^Variable "\$\w+" is not used/.test(message)),
  },
  {
    name: 'a variable in a position that it may not have',
    preScan: true,
    reason: 'async-graphql compares the types of variables loosely: not within lists, inputs and directives',
    applies: lacks('VariablesInAllowedPositionRule'),
  },
  {
    name: 'a directive on a variable definition',
    preScan: true,
    reason: 'async-graphql does not look there',
    applies: (of) => lacks('KnownDirectivesRule')(of) && /\$\w+:[^,)$]*@/.test(of.call.query),
  },
  {
    name: 'a field of an input twice',
    preScan: true,
    reason: 'async-graphql takes the last one',
    applies: lacks('UniqueInputFieldNamesRule'),
  },
  {
    name: 'an enum value as a string',
    preScan: true,
    reason: 'async-graphql takes a literal for what a variable may be',
    applies: lacksWhere('ValuesOfCorrectTypeRule', /cannot represent non-enum value: "/),
  },
  {
    name: 'a number of more than 32 bits',
    preScan: true,
    reason: 'refused by the field instead, as BAD_USER_INPUT, with the data of others',
    applies: (of) => lacksWhere('ValuesOfCorrectTypeRule', /non 32-bit/)(of) || lacksWhere('variables', /non 32-bit/)(of),
  },
  {
    name: 'a variable that is missing',
    preScan: true,
    reason: 'refused by the field instead, as BAD_USER_INPUT, with the data of others',
    applies: lacksWhere('variables', /was not provided/),
  },
  {
    name: 'null for a condition that has a default',
    preScan: true,
    reason: 'refused as a request; graphql-js finds an error at the field',
    applies: ({ answer, isRefused, theirs }) => isRefused && theirs.refused === undefined
      && /Invalid value for argument "if"/.test(answer.errors[0].message),
  },
  {
    name: 'a fragment called on',
    preScan: true,
    reason: 'the parser of async-graphql takes any name',
    applies: lacksWhere('syntax', /Expected Name, found "}"|Unexpected Name "on"/),
  },
  {
    name: 'a subscription beside the operation that is chosen',
    preScan: false,
    reason: 'there is none in the schema; graphql-js says so from version 17 on',
    applies: ({ call, isRefused, theirs }) => isRefused && theirs.refused === undefined && /\bsubscription\b/.test(call.query),
  },
  {
    name: 'an escaped surrogate pair',
    preScan: false,
    reason: 'the specification of October 2021 has no surrogate pairs; graphql-js reads them',
    applies: ({ call, isRefused, theirs }) => isRefused && theirs.refused === undefined && /\\uD83D/.test(call.query),
  },
];
