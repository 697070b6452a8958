// What a subscription answers, as server-sent events: GraphQL over SSE with one request a stream.

import type { Answer } from "./api";

type Listener = {
  next: (answer: Answer<unknown>) => void;
  error: (failure: { message: string }) => void;
  complete: () => void;
};

/** A stream as GraphiQL takes it: what listens opens it, and whoever stops listening closes it. */
export const streamOf = (open: (signal: AbortSignal) => Promise<Response>, heed: (answer: Answer<unknown>) => void) => ({
  subscribe({ next, error, complete }: Listener) {
    const stop = new AbortController();
    const tell = (answer: Answer<unknown>) => (heed(answer), next(answer));
    open(stop.signal)
      .catch(() => { throw new Error("The server cannot be reached. Please try again in a moment."); })
      .then((response) => read(response, tell))
      // What was stopped breaks off too, and nobody is to be told.
      .then(complete, ({ message }: Error) => stop.signal.aborted || error({ message }));
    return { unsubscribe: () => stop.abort() };
  },
});

/** Tells each answer as it comes, until the server says that there are no more. */
async function read(response: Response, tell: (answer: Answer<unknown>) => void) {
  // Refused before it was looked at, as when there are too many.
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return tell(await response.json());
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const brokenOff = () => { throw new Error("The stream was interrupted. Run it again to continue."); };
  let text = "";
  for (;;) {
    const { done, value } = await reader.read().catch(brokenOff);
    if (done) return brokenOff();
    const events = (text + value).split("\n\n");
    text = events.pop()!;
    for (const event of events) {
      if (event.startsWith("event: complete")) return;
      // Anything else is a comment, which shows that the server is there.
      if (event.startsWith("event: next")) tell(JSON.parse(event.slice(event.indexOf("data: ") + 6)));
    }
  }
}
