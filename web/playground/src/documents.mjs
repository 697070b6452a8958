// An example for every operation of the schema, made from the schema and a few sample values. Plain
// JavaScript: the tests run each of them.

import {
  buildASTSchema, getNamedType, isEnumType, isInputObjectType, isInterfaceType, isLeafType, isListType, isNonNullType,
  isObjectType, isUnionType, OperationTypeNode, parse,
} from "graphql";
import { rules } from "./rules.mjs";

/**
 * Where each operation of the server itself belongs. Those of an extension belong to the object that they name, and all
 * subscriptions to the streams.
 */
export const GROUPS = {
  "Sign in": ["login", "completeSignIn", "startPasskeySignIn", "finishPasskeySignIn", "refreshToken", "logout", "startPasskeyProof", "reauthenticate"],
  "Registration": ["config", "usernameAvailability", "register", "requestEmailVerification", "verifyEmail", "acceptUserInvitation"],
  "A forgotten password": ["requestPasswordReset", "resetPassword"],
  "Your account": ["me", "viewer", "updateProfile", "changePassword", "changeEmail", "undoEmailChange", "exportMyData", "deactivateAccount", "deleteAccount", "keepLeftovers", "dropLeftovers"],
  "Other providers": ["signInProviders", "startSignIn", "finishSignIn", "startIdTokenSignIn", "signInWithIdToken", "startLink", "finishLink", "unlinkIdentity", "startReauthentication", "finishReauthentication", "chooseUsername", "setPassword"],
  "Your second factors": ["startTotpEnrollment", "confirmTotpEnrollment", "disableTotp", "enableSecondFactor", "disableSecondFactor", "regenerateRecoveryCodes"],
  "Your passkeys": ["startPasskeyRegistration", "finishPasskeyRegistration", "renamePasskey", "deletePasskey"],
  "Your sessions": ["revokeSession", "revokeOtherSessions", "revokeAllSessions"],
  "Organizations": ["myOrganizations", "organization", "activeOrganization", "createOrganization", "switchOrganization", "updateOrganization", "deleteOrganization"],
  "Members": ["inviteMember", "invitations", "myInvitations", "revokeInvitation", "acceptInvitation", "setMemberRole", "removeMember", "leaveOrganization", "transferOwnership"],
  "Users": ["users", "user", "inviteUser", "userInvitations", "revokeUserInvitation", "updateUserMetadata", "setUserRole", "grantPermission", "revokePermission", "deactivateUser", "reactivateUser", "endUserSessions", "resetSecondFactors", "deleteUser"],
  "Audit": ["auditEvents"],
  "Streams": ["sessionEvents", "auditEvents"],
  "Any object": ["node", "nodes"],
};

const PASSWORD = "correct horse battery";
const TOKEN = "pco_…token from the link in the mail";

/** Sample values by argument or field of an input, or by operation and that where it is not enough. */
const SAMPLES = {
  "register.input": { username: "alice", email: "alice@example.com", password: PASSWORD, fullName: "Alice Liddell" },
  "login.input": { identifier: "alice", password: PASSWORD },
  "refreshToken.refreshToken": null,
  "refreshToken.organizationId": null,
  "logout.refreshToken": null,
  "acceptUserInvitation.username": "visitor",
  "acceptUserInvitation.fullName": null,
  "updateProfile.input": { fullName: "Alice Liddell" },
  "updateUserMetadata.publicMetadata": { plan: "pro" },
  "setUserRole.role": "ADMIN",
  "grantPermission.permission": "USERS_READ",
  "grantPermission.expiresAt": null,
  "revokePermission.permission": "USERS_READ",
  "inviteUser.role": "USER",
  "inviteUser.email": "visitor@example.com",
  "createOrganization.input": { name: "Acme" },
  "updateOrganization.name": "Acme & Sons",
  "switchOrganization.id": null,
  "inviteMember.email": "visitor@example.com",
  "inviteMember.role": "MEMBER",
  "setMemberRole.role": "ADMIN",
  "users.filter": { isActive: true },
  "users.orderBy": { field: "USERNAME", direction: "ASC" },
  "auditEvents.filter": { types: ["SIGNED_IN", "SIGN_IN_REFUSED"] },
  "verifyEmail.password": PASSWORD,
  "verifyEmail.newPassword": null,
  "verifyEmail.username": null,
  "completeSignIn.proof": { totp: "123456" },
  "startPasskeyProof.challenge": null,
  "renamePasskey.name": "My telephone",
  "startSignIn.returnTo": null,
  "startSignIn.verificationToken": null,
  "finishSignIn.user": null,
  "confirmTotpEnrollment.code": "123456",
  providerId: "google",
  returnTo: null,
  flow: "pcf_…flow from the call that started it",
  code: "…code from the fragment of the URL",
  state: "…state from the fragment of the URL",
  iss: null,
  idToken: "…ID token from the provider",
  proof: { password: PASSWORD },
  challenge: "…challenge from SecondFactorRequired",
  enrollment: null,
  mailedCode: null,
  ceremony: "pcw_…ceremony from the call that started it",
  credential: { id: "…", rawId: "…", type: "public-key", response: {}, clientExtensionResults: {} },
  currentPassword: PASSWORD,
  newPassword: "another horse battery",
  password: PASSWORD,
  username: "alice",
  email: "alice@example.com",
  newEmail: "alice@example.org",
  identifier: "alice",
  token: TOKEN,
  ids: ["00000000-0000-7000-8000-000000000000"],
  first: 10,
  id: "00000000-0000-7000-8000-000000000000",
  organizationId: "00000000-0000-7000-8000-000000000000",
  userId: "00000000-0000-7000-8000-000000000000",
};

/** Arguments of pages that an example leaves out. */
const LEFT_OUT = ["after", "before", "last"];
const DEPTH_MAX = 4;

/** Sample values by type, for what an extension asks. */
const OF_TYPE = { ID: SAMPLES.id, String: "Something", Int: 1, Float: 1.5, Boolean: true, DateTime: "2026-11-28T09:30:00Z", Date: "2026-11-28" };

/** A sample value of an argument, or of a field of an input; undefined for one that is left out. */
function sample(field, argument) {
  const own = `${field.name}.${argument.name}`;
  if (own in SAMPLES) return SAMPLES[own];
  if (argument.name in SAMPLES) return SAMPLES[argument.name];
  const named = getNamedType(argument.type);
  if (argument.name === "input" && isInputObjectType(named)) {
    const given = Object.values(named.getFields()).map((it) => [it.name, sample(field, it)]);
    return Object.fromEntries(given.filter(([, value]) => value !== undefined));
  }
  return isNonNullType(argument.type) ? ofType(argument.type) : undefined;
}

/** A sample value of a type. */
function ofType(type) {
  if (isNonNullType(type)) return ofType(type.ofType);
  if (isListType(type)) return [ofType(type.ofType)];
  if (isEnumType(type)) return type.getValues()[0].name;
  if (!isInputObjectType(type)) return OF_TYPE[type.name];
  return Object.fromEntries(Object.values(type.getFields()).map((field) => [field.name, ofType(field.type)]));
}

/** The group of an operation: of an extension's the longest name of an object with an id that its own name holds. */
function groupOf(field, schema) {
  const own = Object.keys(GROUPS).find((group) => GROUPS[group].includes(field.name));
  if (own) return own;
  const nodes = schema.getPossibleTypes(schema.getType("Node")).map(({ name }) => name);
  const named = nodes.filter((name) => field.name.toLowerCase().includes(name.toLowerCase()));
  return named.sort((one, other) => other.length - one.length)[0] ?? "Other";
}

/** The fields that cannot stand beside those of the same name in an earlier member of a union: their types differ. */
function conflicting(union, member) {
  const members = union.getTypes();
  const earlier = members.slice(0, members.indexOf(member));
  return Object.values(member.getFields()).filter(({ name, type }) =>
    earlier.some((other) => name in other.getFields() && String(other.getFields()[name].type) !== String(type)));
}

/**
 * The fields of a type that an example asks for, under other names those that would be in conflict.
 * @returns {string}
 */
function selection(type, schema, indent, depth = 0, renamed = []) {
  const named = getNamedType(type);
  if (isLeafType(named)) return "";
  const inner = `${indent}  `;
  const lines = [];
  if (isUnionType(named)) {
    lines.push(`${inner}__typename`);
    for (const member of named.getTypes()) {
      lines.push(`${inner}... on ${member.name}${selection(member, schema, inner, depth + 1, conflicting(named, member))}`);
    }
  } else if (isObjectType(named) || isInterfaceType(named)) {
    for (const field of Object.values(named.getFields())) {
      // What has a rule of its own is refused of some objects, and takes the others along.
      const hasRule = field.astNode?.directives?.some((directive) => directive.name.value === "auth");
      if (field.args.length > 0 || hasRule) continue;
      const to = getNamedType(field.type);
      const isDeep = !isLeafType(to);
      // An actor of an event, and the like: one more level of everything says little.
      if (isDeep && (depth >= DEPTH_MAX || (depth > 0 && named.name === "AuditEvent"))) continue;
      const alias = renamed.includes(field) ? `${named.name[0].toLowerCase()}${named.name.slice(1)}${capital(field.name)}: ` : "";
      lines.push(`${inner}${alias}${field.name}${isDeep ? selection(field.type, schema, inner, depth + 1) : ""}`);
    }
  }
  return ` {\n${lines.join("\n")}\n${indent}}`;
}

const capital = (name) => name[0].toUpperCase() + name.slice(1);

function example(operation, field, schema) {
  const given = field.args.filter((argument) => !LEFT_OUT.includes(argument.name) && sample(field, argument) !== undefined);
  const missing = field.args.filter((argument) => isNonNullType(argument.type) && !given.includes(argument));
  if (missing.length > 0) throw new Error(`no sample for ${field.name}(${missing[0].name})`);
  const declared = given.map((argument) => `$${argument.name}: ${argument.type}`).join(", ");
  const passed = given.map((argument) => `${argument.name}: $${argument.name}`).join(", ");
  const variables = Object.fromEntries(given.map((argument) => [argument.name, sample(field, argument)]));
  // An event is read at a glance, before the next takes its place.
  const depth = operation === "subscription" ? DEPTH_MAX : 0;
  const query = `${operation} ${capital(field.name)}${declared && `(${declared})`} {\n  ${field.name}${passed && `(${passed})`}${selection(field.type, schema, "  ", depth)}\n}\n`;
  return { query, variables };
}

/** What is read of one's own account beside its fields, and asked before one acts. */
const MORE = [
  {
    group: "Your account", name: "viewer { access }", of: ["Query", "viewer"],
    query: "query MayI {\n  viewer {\n    access(fields: [\"Query.users\", \"Mutation.deleteUser\"]) { field allowed code rule }\n  }\n}\n",
  },
  {
    group: "Your second factors", name: "me { secondFactors }", of: ["User", "secondFactors"],
    query: "query MySecondFactors {\n  me {\n    secondFactors {\n      isOn\n      totp { confirmedAt lastUsedAt isLocked }\n      recoveryCodesLeft\n    }\n  }\n}\n",
  },
  {
    group: "Your passkeys", name: "me { passkeys }", of: ["User", "passkeys"],
    query: "query MyPasskeys {\n  me {\n    passkeyUserHandle\n    passkeys { id name userVerified backupEligible backedUp createdAt lastUsedAt }\n  }\n}\n",
  },
  {
    group: "Your sessions", name: "me { sessions }", of: ["User", "sessions"],
    query: "query MySessions {\n  me {\n    sessions(first: 10) {\n      totalCount\n      edges {\n        node { id device browser ip createdAt lastUsedAt current }\n      }\n    }\n  }\n}\n",
  },
  {
    group: "Your account", name: "me { securityEvents }", of: ["User", "securityEvents"],
    query: "query MySecurityEvents {\n  me {\n    securityEvents(first: 10) {\n      edges {\n        node { createdAt type outcome ip userAgent }\n      }\n    }\n  }\n}\n",
  },
  {
    group: "Members", name: "organization { members }", of: ["Organization", "members"],
    query: "query Members($id: ID!) {\n  organization(id: $id) {\n    name\n    myRole\n    members(first: 10) {\n      totalCount\n      edges {\n        node { role createdAt user { id username fullName } }\n      }\n    }\n  }\n}\n",
    variables: { id: "00000000-0000-7000-8000-000000000000" },
  },
];

/**
 * The examples of a schema, in the order of their groups.
 * @param {string} sdl
 */
export function examples(sdl) {
  const schema = buildASTSchema(parse(sdl), { assumeValid: true });
  const policy = rules(sdl);
  const made = [];
  for (const operation of Object.values(OperationTypeNode)) {
    const type = schema.getRootType(operation);
    for (const field of Object.values(type?.getFields() ?? {})) {
      const group = operation === "subscription" ? "Streams" : groupOf(field, schema);
      const rule = policy.find((rule) => rule.type === type.name && rule.name === field.name);
      made.push({ group, name: field.name, operation, rule, ...example(operation, field, schema) });
    }
  }
  for (const { of: [type, name], ...more } of MORE) {
    const rule = policy.find((rule) => rule.type === type && rule.name === name);
    if (rule) made.push({ variables: {}, ...more, operation: "query", rule });
  }
  // Those of an extension come last, each object's together.
  const groups = [...new Set([...Object.keys(GROUPS), ...made.map(({ group }) => group)])];
  const rank = ({ group, name }) => {
    const place = GROUPS[group]?.indexOf(name) ?? 0;
    return groups.indexOf(group) * 100 + (place < 0 ? 99 : place);
  };
  return made.sort((one, other) => rank(one) - rank(other));
}
