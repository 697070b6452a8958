// Writes src/schema.ts, the types of schema.graphql. With --check it only says whether the file is fresh.

import { readFileSync, writeFileSync } from "node:fs";
import { buildSchema, isEnumType, isInputObjectType, isListType, isNonNullType, isObjectType, isUnionType } from "graphql";

const root = new URL("../../../", import.meta.url);
const file = new URL("../src/schema.ts", import.meta.url);
const schema = buildSchema(readFileSync(new URL("schema.graphql", root), "utf8"));

const SCALARS = {
  ID: "string", String: "string", Int: "number", Float: "number", Boolean: "boolean",
  DateTime: "string", JSON: "unknown", Metadata: "Record<string, unknown>",
};

const comment = (text, indent = "") => {
  if (!text) return "";
  const lines = text.trim().replaceAll("*/", "*\\/").split("\n");
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd()).join("\n")}\n${indent} */\n`;
};

function nullable(type) {
  if (isNonNullType(type)) return required(type.ofType);
  return `${required(type)} | null`;
}

function required(type) {
  if (isListType(type)) return `readonly ${/^readonly | \|/.test(nullable(type.ofType)) ? `(${nullable(type.ofType)})` : nullable(type.ofType)}[]`;
  const scalar = SCALARS[type.name];
  if (!scalar && !isEnumType(type) && !isInputObjectType(type) && !isObjectType(type) && !isUnionType(type)) {
    throw new Error(`there is no TypeScript type for ${type.name}`);
  }
  return scalar ?? type.name;
}

const member = (field, how) => `${comment(field.description, "  ")}  ${field.name}${how(field)};\n`;
const output = (field) => `: ${nullable(field.type)}`;
const input = (field) => {
  const isOptional = !isNonNullType(field.type) || field.defaultValue !== undefined;
  return `${isOptional ? "?" : ""}: ${nullable(field.type)}${isOptional ? " | undefined" : ""}`;
};
/** Exactly one member of such an input is given. */
const oneOf = (type) => Object.values(type.getFields()).map((field) => `  | { ${field.name}: ${required(field.type)} }`).join("\n");

function declaration(type) {
  const fields = () => Object.values(type.getFields());
  if (isEnumType(type)) return `export type ${type.name} =\n${type.getValues().map(({ name }) => `  | "${name}"`).join("\n")};\n`;
  if (isUnionType(type)) return `export type ${type.name} =\n${type.getTypes().map(({ name }) => `  | ({ __typename: "${name}" } & ${name})`).join("\n")};\n`;
  if (isInputObjectType(type) && type.isOneOf) return `export type ${type.name} =\n${oneOf(type)};\n`;
  if (isInputObjectType(type)) return `export interface ${type.name} {\n${fields().map((field) => member(field, input)).join("")}}\n`;
  return `export interface ${type.name} {\n${fields().map((field) => member(field, output)).join("")}}\n`;
}

/** The types that the client's own API is made of, and what they consist of. */
const ROOTS = [
  "ErrorCode", "FieldErrorCode", "UnauthenticatedReason", "Factor", "Access", "Permission", "Role", "Config", "ServerFeature",
  "LoginResult", "Proof", "SignInProvider", "User", "Identity", "Passkey", "SecondFactors", "Organization",
];
const ROOT_INPUTS = /^(Login|Register|AcceptUserInvitation|ConfirmTotpEnrollment|VerifyEmail|ResetPassword|UndoEmailChange|ChangePassword|SetPassword|ChangeEmail|SignInWithIdToken|StartTotpEnrollment|RequestPasswordReset|RequestEmailVerification)(Input|Payload)$/;

const named = (type) => (type.ofType ? named(type.ofType) : type);
const kept = new Set();
function keep(type) {
  if (SCALARS[type.name] || kept.has(type)) return;
  kept.add(type);
  if (isUnionType(type)) for (const each of type.getTypes()) keep(each);
  else if (type.getFields) for (const field of Object.values(type.getFields())) keep(named(field.type));
}
for (const [name, type] of Object.entries(schema.getTypeMap())) if (ROOTS.includes(name) || ROOT_INPUTS.test(name)) keep(type);

const types = [...kept].filter((type) => isEnumType(type) || isUnionType(type) || isInputObjectType(type) || isObjectType(type));
types.sort((one, other) => (one.name < other.name ? -1 : 1));
const text = `// The types of schema.graphql that the client is made of. Written by \`npm run types\`.\n\n${
  types.map((type) => comment(type.description) + declaration(type)).join("\n")}`;

if (process.argv[2] !== "--check") writeFileSync(file, text);
else if (readFileSync(file, "utf8") !== text) throw new Error("src/schema.ts is stale: run `npm run types` in clients/js");
