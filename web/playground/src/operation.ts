import { useState } from "react";
import { saidOf, type Answer } from "./api";
import * as session from "./session";

/**
 * Does to the user's account what takes no form. Where the server asks for a proof first, it goes on after that. `then` shows
 * what has come of it.
 */
export function useOperation() {
  const [failure, setFailure] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const run = async <T>(operation: () => Promise<Answer<T>>, then: (data: T) => void | Promise<void>) => {
    session.tell(null);
    setBusy(true);
    const answer = await operation();
    session.learnFrom(answer, () => void run(operation, then));
    setFailure(saidOf(answer));
    if (answer.data && !answer.errors) await then(answer.data);
    setBusy(false);
  };
  return { failure, isBusy, run };
}
