// Every document that the package sends for a form is one of schema.graphql, with the variables that it takes.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buildSchema, getVariableValues, parse, validate } from "graphql";
import { root, test } from "./support.mjs";

const schema = buildSchema(readFileSync(join(root, "../../schema.graphql"), "utf8"));
const token = "pco_1", password = "correct horse battery";
const proof = { totp: "123456" };

/** What each function is called with. */
const SAMPLES = {
  signIn: [{ identifier: "alice", password }],
  register: [{ username: "alice", email: "alice@example.com", password, fullName: "Alice", locale: "DE" }],
  acceptUserInvitation: [{ token, username: "alice", password }],
  completeSignIn: ["challenge", proof],
  startTotpEnrollment: ["enrollment"],
  confirmTotpEnrollment: [{ code: "123456", enrollment: "enrollment", mailedCode: "1234 5678" }],
  startIdTokenSignIn: [],
  signInWithIdToken: [{ providerId: "google", idToken: "eyJ", flow: "flow" }],
  signOutEverywhere: [],
  requestEmailVerification: ["alice@example.com"],
  verifyEmail: [{ token, newPassword: password, username: "alice" }],
  requestPasswordReset: ["alice"],
  resetPassword: [{ token, newPassword: password }],
  undoEmailChange: [token],
  changePassword: [{ currentPassword: password, newPassword: password }],
  setPassword: [{ newPassword: password }],
};
/** What these are made of. */
const PARTS = ["mutation", "call", "begin", "enroll"];

export async function contractTests() {
  const { createSession, errorIn, NetworkError } = await import("@portcullis/client");
  const { PARTS: _, ...functions } = await import(join(root, "dist/sign-in.js"));
  await test("a refusal is found in what clients throw and return, and nowhere else", async () => {
    const errors = [{ message: "No.", extensions: { code: "FORBIDDEN", rule: "@auth" } }];
    const shapes = [
      { errors }, { graphQLErrors: errors }, { response: { errors } }, { error: { graphQLErrors: errors } },
      // Relay, where an answer has no data.
      Object.assign(new Error("No data returned"), { source: { errors } }),
    ];
    for (const shape of shapes) {
      const { code, rule, message } = errorIn(shape);
      assert.deepEqual([code, rule, message], ["FORBIDDEN", "@auth", "No."]);
    }
    for (const other of [null, undefined, "no", new NetworkError("away"), { data: { me: null } }, { errors: [] }, { error: null }]) {
      assert.equal(errorIn(other), null);
    }
  });

  await test("every function sends a document of the schema", async () => {
    const names = Object.keys(functions).filter((name) => !PARTS.includes(name));
    assert.deepEqual(names.sort(), Object.keys(SAMPLES).sort());
    const fields = new Set();
    const send = async (_, { body }) => {
      const { query, variables } = JSON.parse(body);
      const document = parse(query);
      assert.deepEqual(validate(schema, document), [], query);
      const [{ variableDefinitions, selectionSet }] = document.definitions;
      assert.deepEqual(getVariableValues(schema, variableDefinitions, variables).errors, undefined, query);
      const [{ name }] = selectionSet.selections;
      fields.add(name.value);
      return Response.json({ data: { [name.value]: { reason: "MISSING_TOKEN", user: null } } });
    };
    const session = createSession({ endpoint: "http://localhost/graphql", fetch: send });
    for (const [name, sample] of Object.entries(SAMPLES)) await functions[name](session, ...sample);
    assert.ok(fields.size >= names.length, [...fields].join());
  });
}
