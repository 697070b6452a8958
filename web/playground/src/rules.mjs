// What the schema says of who may do what. Plain JavaScript: the tests read it too.

import { parse } from "graphql";

/** @param {import("graphql").FieldDefinitionNode} field @param {string} name */
const directive = (field, name) => field.directives?.find((used) => used.name.value === name);

/** @param {import("graphql").DirectiveNode | undefined} used @param {string} name */
const argument = (used, name) => {
  const value = used?.arguments?.find((given) => given.name.value === name)?.value;
  if (!value) return undefined;
  return value.kind === "ListValue" ? value.values.map((each) => each.value) : value.value;
};

/**
 * Every field that says who may use it: its type, its rule and what else is asked of a caller.
 * @param {string} sdl
 */
export function rules(sdl) {
  const rows = [];
  for (const type of parse(sdl).definitions) {
    if (type.kind !== "ObjectTypeDefinition") continue;
    for (const field of type.fields ?? []) {
      const auth = directive(field, "auth");
      const isPublic = Boolean(directive(field, "public"));
      if (!auth && !isPublic) continue;
      const role = /** @type {string | undefined} */ (argument(auth, "role"));
      const permission = /** @type {string | undefined} */ (argument(auth, "permission"));
      const orgRole = /** @type {string | undefined} */ (argument(auth, "orgRole"));
      const limits = (field.directives ?? []).filter((used) => used.name.value === "rateLimit");
      rows.push({
        type: type.name.value,
        name: field.name.value,
        field,
        isPublic,
        role,
        permission,
        orgRole,
        description: field.description?.value ?? "",
        member: /** @type {string | undefined} */ (argument(directive(field, "member"), "role")),
        owner: owner(directive(field, "owner")),
        covers: covers(directive(field, "covers")),
        features: /** @type {string[]} */ ([argument(directive(field, "needs"), "features") ?? []].flat()),
        isEnrolling: Boolean(directive(field, "enrolling")),
        freshSeconds: Number(argument(directive(field, "fresh"), "maxAgeSeconds") ?? 0),
        isFreshIfSecondFactor: argument(directive(field, "fresh"), "ifSecondFactor") === true,
        limits: limits.map(limit),
      });
    }
  }
  return rows;
}

/** Whose object a field is about, in words. @param {import("graphql").DirectiveNode | undefined} used */
function owner(used) {
  if (!used) return "";
  const permission = argument(used, "orPermission");
  return permission ? `only the caller's own; with ${permission} anybody's` : "only the caller's own";
}

/** How a caller's rights compare with those of whom a call is about. @param {import("graphql").DirectiveNode | undefined} used */
function covers(used) {
  if (!used) return "";
  const others = argument(used, "others") === true ? ", and not the caller's own" : "";
  return `only accounts and members with no more rights than the caller's${others}`;
}

/** A limit in words. @param {import("graphql").DirectiveNode} used */
function limit(used) {
  const seconds = Number(argument(used, "windowSeconds"));
  const span = seconds % 3600 === 0 ? `${seconds / 3600} h` : seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
  const what = argument(used, "distinct") ? " different names" : argument(used, "failed") ? " failures" : "";
  const nouns = { IP: "address", IDENTIFIER: "name", USER: "user", SESSION: "session", DEVICE: "device" };
  const whom = [argument(used, "by")].flat().map((by) => nouns[/** @type {keyof nouns} */ (by)]);
  return `${argument(used, "max")}${what} in ${span} for one ${whom.join(" and one ")}`;
}

/** The kinds of callers, in rising order. */
export const CALLERS = ["anybody", "user", "admin"];

/** Whether a kind of caller passes a rule. Users may hold permissions; admins hold all. @param {ReturnType<typeof rules>[number]} rule @param {string} caller */
export function mayCall(rule, caller) {
  if (rule.isPublic) return true;
  if (caller === "anybody") return false;
  return (rule.role !== "ADMIN" && !rule.permission) || caller === "admin";
}

/** Who may call, in a word. @param {ReturnType<typeof rules>[number]} rule */
export function audience(rule) {
  if (rule.isPublic) return "anybody";
  if (rule.permission) return `permission ${rule.permission}`;
  if (rule.orgRole) return `organization ${rule.orgRole}`;
  return rule.role === "ADMIN" ? "admins" : "signed in";
}

/**
 * The directive by which a gateway enforces the rule in a federated graph; null for what is public. The server writes it:
 * src/graphql/policy/subgraph.rs.
 * @param {ReturnType<typeof rules>[number]} rule
 */
export function gateway({ isPublic, permission }) {
  if (isPublic) return null;
  // The token names the permission so: AUDIT_READ is the scope audit:read.
  return permission ? `@requiresScopes(scopes: [["${permission.toLowerCase().replace("_", ":")}"]])` : "@authenticated";
}
