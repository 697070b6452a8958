// graphql-eslint over schema.graphql, or over the documents of the program that DOCUMENTS names: all its rules, but for those
// that are excused here.
import graphql from '@graphql-eslint/eslint-plugin';

const { configs, parser, processor } = graphql;
const of = (name) => configs[`flat/${name}`].rules;
const rule = (name) => `@graphql-eslint/${name}`;
const language = { parser, parserOptions: { graphQLConfig: { schema: 'schema.graphql', documents: process.env.DOCUMENTS } } };

// Objects without an identity: values, and what is left of a call.
const VALUES = [
  'Access', 'DataExport', 'EnrollmentRequired', 'Leftover', 'Leftovers', 'PageInfo', 'PasswordRules', 'PendingEmailChange',
  'PermissionGrant', 'SecondFactorRequired', 'SessionEvent', 'Totp', 'UsernameAvailability', 'VerificationRequired',
];

export default [
  {
    files: ['schema.graphql'],
    languageOptions: language,
    plugins: { '@graphql-eslint': graphql },
    rules: {
      ...of('schema-recommended'),
      ...of('schema-all'),
      ...of('schema-relay'),
      // The library sorts the file, and neither by the case of letters nor by kinds.
      [rule('alphabetize')]: 'off',
      // It forbids the root types that one names to it.
      [rule('no-root-type')]: 'off',
      // `username` is a word.
      [rule('no-typename-prefix')]: 'off',
      // `nodes`, and lists that are short by nature, have no edges.
      [rule('relay-edge-types')]: ['error', { listTypeCanWrapOnlyEdgeType: false }],
      // A payload has what a mutation has changed. A query asks for the rest.
      [rule('require-field-of-type-query-in-mutation-result')]: 'off',
      [rule('strict-id-in-types')]: ['error', { exceptions: { types: VALUES, suffixes: ['Connection', 'Edge', 'Payload'] } }],
    },
  },
  { files: ['**/main.mjs'], processor },
  {
    files: ['**/main.mjs/*.graphql'],
    languageOptions: language,
    plugins: { '@graphql-eslint': graphql },
    rules: {
      ...of('operations-recommended'),
      // An example selects what it shows, also where a cache would need an id.
      [rule('require-selections')]: 'off',
    },
  },
];
