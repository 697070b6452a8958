// Errors: the server refuses a call, or no answer arrives.

import type { ErrorCode, Factor, FieldErrorCode, UnauthenticatedReason } from "./schema.js";

/** A refused part of the input. */
export interface FieldError {
  /** Where the value stands in the variables, for example `input.newPassword`. */
  readonly path: string;
  /** The kind of fault, for programs. */
  readonly code: FieldErrorCode;
  /** A sentence for the user, in the language of the call. */
  readonly message: string;
  /** The numbers in the message, for example `{ min: 8 }`. */
  readonly params: Readonly<Record<string, number>>;
}

/** An entry of `errors` in an answer, as it arrives. */
interface GraphQLFailure {
  message: string;
  path?: readonly (string | number)[];
  extensions?: Record<string, any>;
}

/** The body of an answer. */
export interface Answer {
  data?: Record<string, any> | null;
  errors?: readonly GraphQLFailure[];
}

/** The server refused a call. `message` is a sentence for the user, in the language of the call. */
export class PortcullisError extends Error {
  override readonly name: string = "PortcullisError";
  /** The kind of refusal, for programs. Extensions of a server can have codes of their own. */
  readonly code: ErrorCode;
  /** Tells apart several causes of one code, for example `UNKNOWN_PASSKEY`; otherwise null. */
  readonly reason: UnauthenticatedReason | (string & {}) | null;
  /** The refused parts of the input; empty unless the code is `BAD_USER_INPUT` or `CONFLICT`. */
  readonly fields: readonly FieldError[];
  /** With `STEP_UP_REQUIRED`, the proofs that the user can give. */
  readonly factors: readonly Factor[];
  /** With `STEP_UP_REQUIRED`, how many seconds old the last proof may be. */
  readonly maxAgeSeconds: number | null;
  /** With `RATE_LIMITED` and `SERVICE_UNAVAILABLE`, how many seconds to wait before another call. */
  readonly retryAfterSeconds: number | null;
  /** By this id the operator finds the call in the log. */
  readonly requestId: string | null;
  /** With `FORBIDDEN`, the rule that the caller does not meet, as the schema spells it. */
  readonly rule: string | null;
  /** With `FORBIDDEN`, the feature that the server is not set up for. */
  readonly feature: string | null;

  /** Reads an entry of `errors`, and what only the headers of its response say. */
  constructor(failure: GraphQLFailure, headers?: Headers) {
    super(failure.message);
    const known = failure.extensions ?? {};
    this.code = known.code ?? "INTERNAL_SERVER_ERROR";
    this.reason = known.reason ?? null;
    this.fields = (known.fields ?? []).map((field: FieldError) => ({ ...field, params: field.params ?? {} }));
    this.factors = known.factors ?? [];
    this.maxAgeSeconds = known.maxAgeSeconds ?? null;
    const wait = known.retryAfter ?? headers?.get("retry-after");
    this.retryAfterSeconds = wait == null ? null : Number(wait);
    this.requestId = known.requestId ?? headers?.get("x-request-id") ?? null;
    this.rule = known.rule ?? null;
    this.feature = known.feature ?? null;
  }

  /** The error of one input of a form, by its name: `newPassword` finds `input.newPassword`. */
  field(name: string): FieldError | undefined {
    return this.fields.find(({ path }) => path === name || path.endsWith(`.${name}`));
  }
}

/**
 * No answer of the server arrived: the network is away, a proxy answered in its place, or the time was over. A mutation
 * may have run all the same. Nobody is signed out by it. `cause` has what `fetch` threw, if it did.
 */
export class NetworkError extends Error {
  override readonly name: string = "NetworkError";
}

/** Whether the server refused a call with this code. */
export const isRefusal = (thrown: unknown, code: ErrorCode): thrown is PortcullisError =>
  thrown instanceof PortcullisError && thrown.code === code;

/**
 * Finds the refusal in what a GraphQL client throws or returns: a `PortcullisError`, the `errors` of an answer, or an
 * error of Apollo Client, urql, Relay or graphql-request. Null if it holds none.
 */
export function errorIn(thrown: any): PortcullisError | null {
  if (thrown instanceof PortcullisError) return thrown;
  const { errors, graphQLErrors, response, source, error } = thrown ?? {};
  const failure = (errors ?? graphQLErrors ?? response?.errors ?? source?.errors)?.[0];
  if (failure?.extensions?.code) return new PortcullisError(failure);
  return error ? errorIn(error) : null;
}
