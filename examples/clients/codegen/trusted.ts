// Sends ids of documents in the place of their texts: the server has them from the file that the code generator writes.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { TypedDocumentNode } from '@graphql-typed-document-node/core';
import { graphql } from './gql';

const url = process.env.PORTCULLIS_URL ?? 'http://127.0.0.1:8000/graphql';
const username = `user-${randomBytes(6).toString('hex')}`;
const password = randomBytes(16).toString('hex');
let token: string | null = null;

async function call<Data, Variables>(document: TypedDocumentNode<Data, Variables>, variables: Variables): Promise<Data> {
  // With `persistedDocuments` each generated document has the id that it has in the file.
  const { hash } = (document as { __meta__?: { hash: string } }).__meta__ ?? {};
  assert(hash);
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ documentId: hash, variables }),
  });
  const { data, errors } = (await response.json()) as { data: Data; errors?: object[] };
  assert.equal(errors, undefined);
  return data;
}

const JOIN = graphql(`
  mutation Join($input: RegisterInput!) { register(input: $input) { ... on AuthPayload { accessToken } } }
`);
const { register } = await call(JOIN, { input: { username, email: `${username}@example.com`, password } });
assert(register.accessToken);
token = register.accessToken;
console.log('signed in');

const FOUND = graphql(`
  mutation Found($name: String!) { createOrganization(input: { name: $name }) { organization { ...Organization } } }
`);
const LIST = graphql(`query List { myOrganizations(first: 10) { totalCount } }`);
await call(FOUND, { name: 'Ash' });
assert.equal((await call(LIST, {})).myOrganizations.totalCount, 1);
console.log('listed an organization');

await call(graphql(`mutation Leave { logout { sessionId } }`), {});
console.log('signed out');
