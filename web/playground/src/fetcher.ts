import { createGraphiQLFetcher, type Fetcher } from "@graphiql/toolkit";
import { getOperationAST, parse } from "graphql";
import { ENDPOINT } from "./api";
import { ask, identity, learnFrom } from "./session";
import { streamOf } from "./stream";

/**
 * Sends what the editor holds, for who is signed in. The headers of the editor win: with an Authorization of its own a
 * request is for whom that names, since the server takes one or the other.
 */
export function newFetcher(): Fetcher {
  const answers = createGraphiQLFetcher({ url: ENDPOINT, fetch: send });
  return (params, options) => (isSubscription(params) ? subscribe(params, options?.headers) : answers(params, options));
}

async function send(url: RequestInfo | URL, init?: RequestInit) {
  const headers = identified(init?.headers);
  const response = await fetch(url, { ...init, headers });
  if (isForUser(headers)) {
    response.clone().json().then(learnFrom, () => {});
    // It may have signed in or out, or changed what the page shows.
    if (/\bmutation\b/.test(String(init?.body))) void ask();
  }
  return response;
}

/** As server-sent events, a subscription is a request like any other, with the same headers and the same cookie. */
function subscribe(params: { query: string }, given?: HeadersInit) {
  const headers = identified(given);
  headers.set("content-type", "application/json");
  headers.set("accept", "text/event-stream");
  const open = (signal: AbortSignal) => fetch(ENDPOINT, { method: "POST", headers, body: JSON.stringify(params), signal });
  return streamOf(open, (answer) => {
    if (!isForUser(headers)) return;
    learnFrom(answer);
    // It tells what may have changed of what the page shows.
    if (/\bsessionEvents\b/.test(params.query)) void ask();
  });
}

function identified(given?: HeadersInit) {
  const headers = new Headers(given);
  if (headers.has("authorization")) return headers;
  for (const [name, value] of Object.entries(identity())) if (!headers.has(name)) headers.set(name, value);
  return headers;
}

const isForUser = (headers: Headers) => !headers.has("authorization") && headers.has("portcullis-token-mode");

function isSubscription({ query, operationName }: { query: string; operationName?: string | null }) {
  try {
    return getOperationAST(parse(query), operationName)?.operation === "subscription";
  } catch {
    // The server says what is wrong with it.
    return false;
  }
}
