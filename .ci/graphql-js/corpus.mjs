// Documents as real clients send them, and documents that graphql-js refuses. A `caller` other than the
// member of an organization is named.
import { getIntrospectionQuery } from 'graphql';

/** As GraphiQL sent it in 2016: arguments without deprecation, and subscriptions asked for. */
const OLD_INTROSPECTION = `
  query IntrospectionQuery {
    __schema {
      queryType { name } mutationType { name } subscriptionType { name }
      types { ...FullType }
      directives { name description locations args { ...InputValue } }
    }
  }
  fragment FullType on __Type {
    kind name description
    fields(includeDeprecated: true) {
      name description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason
    }
    inputFields { ...InputValue } interfaces { ...TypeRef }
    enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
    possibleTypes { ...TypeRef }
  }
  fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
  fragment TypeRef on __Type {
    kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
    ofType { kind name ofType { kind name } } } } } } }
  }`;

const CLIENTS = {
  'Apollo Client, with __typename everywhere': `query Tasks($first: Int = 2, $after: String) {
    myTasks(first: $first, after: $after) { edges { node { ...TaskFields __typename } cursor __typename }
      pageInfo { endCursor hasNextPage __typename } totalCount __typename } }
    fragment TaskFields on Task { id title isDone owner { id username __typename } __typename }`,
  'Apollo Client, a mutation': `mutation Rename($input: UpdateProfileInput!) {
    updateProfile(input: $input) { user { id fullName updatedAt __typename } __typename } }`,
  'Apollo Client, a union': `mutation Login($input: LoginInput!) { login(input: $input) {
    ... on AuthPayload { tokenType user { id __typename } __typename } __typename } }`,
  'Apollo Client, several fragments of one object': `query Me { me { ...A ...B __typename } }
    fragment A on User { id role permissions __typename }
    fragment B on User { username id permissionGrants { permission expiresAt __typename } __typename }`,
  'urql, with __typename last': `query ($id: ID!) { node(id: $id) { id ... on Organization { name myRole
    members(first: 2) { edges { node { user { username __typename } role __typename } __typename } __typename }
    __typename } __typename } }`,
  'Relay, a pagination container': `query MembersPaginationQuery($count: Int = 1, $cursor: String, $id: ID!) {
    node(id: $id) { __typename ...Members_organization_1G22uz id } }
    fragment Member_member on Membership { id role user { fullName username id } }
    fragment Members_organization_1G22uz on Organization { members(first: $count, after: $cursor) {
      edges { node { id ...Member_member __typename } cursor } pageInfo { endCursor hasNextPage } } id }`,
  'Relay, a refetchable fragment with @include': `query ViewerRefetchQuery($withSessions: Boolean!, $withTasks: Boolean = false) {
    viewer { ...Viewer_viewer } }
    fragment Viewer_viewer on Viewer { permissions user { id username
      sessions(first: 1) @include(if: $withSessions) { edges { node { id device current } cursor } totalCount }
      ...Sessions_user @include(if: $withTasks) } }
    fragment Sessions_user on User { sessions(first: 1) { edges { node { id browser __typename } cursor }
      pageInfo { endCursor hasNextPage } } }`,
  'Relay, an abstract type refined': `query NodesQuery($ids: [ID!]!) { nodes(ids: $ids) { __typename
    __isNode: __typename ... on User { username } ... on Task { title owner { id } } id } }`,
  'graphql-codegen, client preset': `query Dashboard { viewer { user { ...UserCard } } activeOrganization { ...OrganizationCard } }
    fragment UserCard on User { id fullName lastLoginAt }
    fragment OrganizationCard on Organization { id name invitations(first: 1) { totalCount edges { node { email role expiresAt } } } }`,
  'a dashboard that is partly refused': `query Overview { me { id } mine: myTasks(first: 1) { totalCount } all: tasks(first: 1) { totalCount } }`,
  'a list, in whose items something is refused': `query List { nodes(ids: ["unknown"]) { id } tasks(first: 2) { edges { node { owner { id }
    organization { invitations(first: 1) { totalCount } } } } } }`,
  'an access test of the playground': `query Can($a: String!, $b: String!) { viewer { a: can(field: $a) { allowed code reason rule }
    b: can(field: $b) { allowed code } } }`,
  'a field asked for twice, each time for something else': `{ me { id } me { username } viewer { user { id } } viewer { user { role } permissions } }`,
  'a fragment spread twice': `{ me { ...F username ...F } } fragment F on User { role id }`,
  'an object asked for twice, of which one part fails': `{ viewer { user { id } user { sessions(first: -1) { totalCount } } } }`,
  'what is skipped is as if it were not there': `query ($no: Boolean = false) { me @include(if: $no) { id } viewer { user @skip(if: true) { id } } }`,
  'nothing is left of the root': `{ me @skip(if: true) { id } }`,
  'a fragment on an interface, in an object': `{ me { ... on Node { id ... on User { username } } } }`,
  'an alias that another field has as its name': `{ me { id: username username: id } }`,
  'comments, commas and block strings': `# a comment\nquery { viewer { can(field: """Query.me"""), { allowed, } } }`,
  'a name that is a keyword': `query query { me { fragment: id on: username true: role } }`,
  'an escape in a string': `{ viewer { can(field: "Query.\\u006de") { allowed } } }`,
  'an escaped surrogate pair': `{ __type(name: "\\uD83D\\uDE00") { name } }`,
  'a list from one value': `query ($id: ID!) { nodes(ids: [$id]) { id } again: nodes(ids: "unknown") { id } }`,
  'a number for an id': `{ node(id: 7) { id } }`,
  'a default value': `query ($first: Int = 1) { myTasks(first: $first) { totalCount } }`,
};

/** The same documents mean nothing to a server without federation, subscriptions or @defer. */
const REFUSED = {
  'a gateway: _service': '{ _service { sdl } }',
  'a gateway: _entities': 'query ($representations: [_Any!]!) { _entities(representations: $representations) { __typename } }',
  'a subscription': 'subscription { me { id } }',
  '@defer': '{ me { id ... @defer { username } } }',
  '@stream': '{ nodes(ids: []) @stream(initialCount: 1) { id } }',
  '@connection': '{ myTasks(first: 1) @connection(key: "tasks") { totalCount } }',
  '@client': '{ me { id isLoggedIn @client } }',
  'nothing': '',
  'only a comment': '# nothing',
  'an empty selection': '{ me { } }',
  'a definition of a type': '{ me { id } } type A { b: String }',
  'an unknown field': '{ me { nothing } }',
  'an unknown argument': '{ me(id: 1) { id } }',
  'a missing argument': '{ user { id } }',
  'no selection': '{ me }',
  'a selection of a leaf': '{ me { id { id } } }',
  'a fragment that is not used': '{ me { id } } fragment F on User { id }',
  'a fragment that is not there': '{ me { ...F } }',
  'a fragment on a scalar': '{ me { ...F } } fragment F on String { id }',
  'a fragment on an input': '{ me { ...F } } fragment F on UserFilter { id }',
  'a fragment on an unknown type': '{ me { ...F } } fragment F on Nothing { id }',
  'a fragment that never applies': '{ me { ... on Task { title } } }',
  'two fragments of one name': '{ me { ...F } } fragment F on User { id } fragment F on User { username }',
  'a fragment that spreads itself': '{ me { ...F } } fragment F on User { id ...F }',
  'a fragment that spreads itself over another': '{ me { ...F } } fragment F on User { ...G } fragment G on User { ...F }',
  'a fragment called on': '{ me { ...on } } fragment on on User { id }',
  'two operations of one name': 'query A { me { id } } query A { me { username } }',
  'an anonymous operation beside another': '{ me { id } } query A { me { id } }',
  'an unused variable': 'query ($x: Int) { me { id } }',
  'an unknown variable': '{ user(id: $id) { id } }',
  'an unknown variable in a fragment': '{ ...F } fragment F on Query { user(id: $id) { id } }',
  'a variable twice': 'query ($id: ID!, $id: ID!) { user(id: $id) { id } }',
  'a variable of an output type': 'query ($x: User) { user(id: $x) { id } }',
  'a variable of an unknown type': 'query ($x: Nothing) { user(id: $x) { id } }',
  'a default value of a wrong type': 'query ($x: Int = "1") { myTasks(first: $x) { totalCount } }',
  'null by default where it may not be': 'query ($x: ID! = null) { user(id: $x) { id } }',
  'a nullable variable where null may not be': 'query ($id: ID) { user(id: $id) { id } }',
  'a nullable condition': 'query ($x: Boolean) { me { id @skip(if: $x) } }',
  'a string for a number': '{ myTasks(first: "1") { totalCount } }',
  'a float for a number': '{ myTasks(first: 1.0) { totalCount } }',
  'too large a number': '{ myTasks(first: 2147483648) { totalCount } }',
  'an unknown enum value': '{ users(filter: { role: NOBODY }) { totalCount } }',
  'an enum value as a string': '{ users(filter: { role: "USER" }) { totalCount } }',
  'an unknown field of an input': '{ users(filter: { nothing: 1 }) { totalCount } }',
  'a missing field of an input': '{ users(orderBy: { field: USERNAME }) { totalCount } }',
  'a field of an input twice': '{ users(filter: { role: USER, role: USER }) { totalCount } }',
  'null for what may not be null': '{ user(id: null) { id } }',
  'an argument twice': '{ user(id: "1", id: "1") { id } }',
  'an unknown directive': '{ me @nothing { id } }',
  'a directive of the schema': '{ me @auth { id } }',
  'a directive twice': '{ me @skip(if: false) @skip(if: false) { id } }',
  'a directive on an operation': 'query @skip(if: true) { me { id } }',
  'a directive without its argument': '{ me @skip { id } }',
  'a directive with an unknown argument': '{ me @skip(if: false, unless: true) { id } }',
  'a directive with a wrong argument': '{ me @skip(if: "true") { id } }',
  'an unknown directive on a variable': 'query ($x: Int @nothing) { myTasks(first: $x) { totalCount } }',
  'an unknown directive on a fragment': '{ me { ...F } } fragment F on User @nothing { id }',
  'two fields under one key': '{ me { id: username id } }',
  'one key with two arguments': '{ node(id: "1") { id } node(id: "2") { id } }',
  'two fields under one key, over a fragment': '{ me { id ...F } } fragment F on User { id: username }',
  'two fields under one key, over an inline fragment': '{ me { id ... on User { id: username } } }',
  'two fields under one key, further down': '{ me { id } me { id: username } }',
  'two arguments under one key, further down': '{ viewer { can(field: "Query.me") { code } } viewer { can(field: "Query.users") { code } } }',
  'an interface field that one type answers otherwise': '{ node(id: "1") { ... on Task { organization { id } } ... on Membership { organization { id } } } }',
  'a leaf and an object under one key': '{ node(id: "1") { ... on AuditEvent { organization } ... on Task { organization { id } } } }',
  '__typename with a selection': '{ __typename { id } }',
  '__typename with an unknown directive': '{ __typename @nothing }',
  '__typename with an argument': '{ __typename(x: 1) }',
  '__typename under a key that is taken': '{ me { id: __typename id } }',
  '__schema below the root': '{ me { __schema { description } } }',
  'an unknown type to introspect by number': '{ __type(name: 1) { name } }',
  '__type without a name': '{ __type { name } }',
};

/** What is wrong with what is sent beside a document. */
const CALLS = [
  { name: 'a variable that is missing', query: 'query ($id: ID!) { user(id: $id) { id } }', variables: {} },
  { name: 'a variable that is null', query: 'query ($id: ID!) { user(id: $id) { id } }', variables: { id: null } },
  { name: 'a variable that is an object', query: 'query ($id: ID!) { user(id: $id) { id } }', variables: { id: {} } },
  { name: 'a variable that is a Boolean', query: 'query ($id: ID!) { user(id: $id) { id } }', variables: { id: true } },
  { name: 'an id that is a number', query: 'query ($id: ID!) { node(id: $id) { id } }', variables: { id: 7 } },
  { name: 'an id that is a float', query: 'query ($id: ID!) { node(id: $id) { id } }', variables: { id: 7.5 } },
  { name: 'a number that is a string', query: 'query ($x: Int) { myTasks(first: $x) { totalCount } }', variables: { x: '1' } },
  { name: 'a number that is a whole float', query: 'query ($x: Int) { myTasks(first: $x) { totalCount } }', variables: { x: 1.0 } },
  { name: 'a number with a fraction', query: 'query ($x: Int) { myTasks(first: $x) { totalCount } }', variables: { x: 1.5 } },
  { name: 'a number that is too large', query: 'query ($x: Int) { myTasks(first: $x) { totalCount } }', variables: { x: 2147483648 } },
  { name: 'an enum value that is unknown', query: 'query ($x: UserFilter) { users(filter: $x) { totalCount } }', variables: { x: { role: 'NOBODY' } } },
  { name: 'a field of an input that is unknown', query: 'query ($x: UserFilter) { users(filter: $x) { totalCount } }', variables: { x: { nothing: 1 } } },
  { name: 'a field of an input that is missing', query: 'query ($x: UserOrder) { users(orderBy: $x) { totalCount } }', variables: { x: { field: 'USERNAME' } } },
  { name: 'a list with null in it', query: 'query ($x: [ID!]!) { nodes(ids: $x) { id } }', variables: { x: [null] } },
  { name: 'a value for a list', query: 'query ($x: [ID!]!) { nodes(ids: $x) { id } }', variables: { x: 'unknown' } },
  { name: 'a variable that nobody asked for', query: '{ me { id } }', variables: { x: 1 } },
  { name: 'a variable of a wrong type, not used where it is skipped', query: 'query ($x: Int) { myTasks(first: $x) @skip(if: true) { totalCount } }', variables: { x: 'a' } },
  { name: 'null for a condition that is true by default', query: 'query ($x: Boolean = true) { me { id @include(if: $x) } }', variables: { x: null } },
  { name: 'a variable within a list', query: 'query ($x: ID!) { nodes(ids: [$x, "unknown"]) { id } }', variables: { x: 'unknown' } },
  { name: 'a variable within an input', query: 'query ($x: Role) { users(filter: { role: $x }) { totalCount } }', variables: { x: 'USER' }, caller: 'admin' },
  { name: 'a variable within an input, of a wrong type', query: 'query ($x: String) { users(filter: { role: $x }) { totalCount } }', variables: { x: 'USER' }, caller: 'admin' },
  { name: 'a nullable variable within a list', query: 'query ($x: ID) { nodes(ids: [$x]) { id } }', variables: { x: 'unknown' } },
  { name: 'an operation that is chosen', query: 'query A { me { id } } query B { me { username } }', operationName: 'B' },
  { name: 'no operation that is chosen', query: 'query A { me { id } } query B { me { username } }' },
  { name: 'an operation that is not there', query: 'query A { me { id } }', operationName: 'B' },
  { name: 'a fault in the operation that is not chosen', query: 'query A { me { id } } query B { me { nothing } }', operationName: 'A' },
  { name: 'a subscription that is not chosen', query: 'query A { me { id } } subscription B { me { id } }', operationName: 'A' },
  { name: 'a variable of the operation that is not chosen', query: 'query A { me { id } } query B($id: ID!) { user(id: $id) { id } }', operationName: 'A' },
];

const VARIABLES = {
  input: undefined, first: 2, count: 1, withSessions: true, withTasks: true,
  a: 'Mutation.deleteUser', b: 'Query.me', ids: ['unknown'], id: 'unknown',
};

/** Each client's document with the variables that it declares. */
export function corpus(world) {
  const given = { ...VARIABLES, id: world.organization, ids: world.ids.slice(0, 6) };
  const inputs = { 'Apollo Client, a mutation': { fullName: 'Alice' }, 'Apollo Client, a union': { identifier: 'alice', password: 'wrong' } };
  const clients = Object.entries(CLIENTS).map(([name, query]) => {
    const all = { ...given, input: inputs[name] };
    const declared = Object.keys(all).filter((key) => new RegExp(`\\$${key}:`).test(query));
    return { name, query, variables: Object.fromEntries(declared.map((key) => [key, all[key]])) };
  });
  const introspections = [
    ['GraphiQL of 2016', OLD_INTROSPECTION],
    ['graphql-js by default', getIntrospectionQuery()],
    ['without descriptions', getIntrospectionQuery({ descriptions: false })],
    ['GraphiQL 3', getIntrospectionQuery({ schemaDescription: true, inputValueDeprecation: true, specifiedByUrl: true, directiveIsRepeatable: true })],
    ['Apollo Sandbox', getIntrospectionQuery({ schemaDescription: true, specifiedByUrl: true, directiveIsRepeatable: true })],
    ['with oneOf', getIntrospectionQuery({ oneOf: true })],
    ['a ping', '{ __schema { queryType { name } } }'],
    ['a type', '{ __type(name: "User") { kind name fields { name type { kind name ofType { name } } } interfaces { name } } no: __type(name: "Nothing") { name } }'],
  ].map(([name, query]) => ({ name: `introspection, ${name}`, query }));
  const everybody = clients.flatMap((call) => ['nobody', 'user', 'admin'].map((caller) => ({ ...call, caller })));
  const refused = Object.entries(REFUSED).map(([name, query]) => ({ name, query }));
  return [...everybody, ...introspections, ...refused, ...CALLS];
}
