// The dialog that asks for a proof before something that matters, and then goes on with it.

import { useStepUp } from "@portcullis/client/react";
import { Button, Dialog } from "@portcullis/ui";
import { Proofs } from "./proofs";
import { session } from "./session";
import { words } from "./words";

export function StepUpDialog() {
  const request = useStepUp();
  if (!request) return null;
  const { factors, prove, giveUp } = request;
  return (
    <Dialog title={words.proveAgain} about={factors.length > 0 ? words.proveAgainWhy : words.signInAgainWhy} close={giveUp}>
      {factors.length > 0
        ? <Proofs factors={factors} prove={prove} />
        : <Button main wide onClick={() => void session.signOut().finally(giveUp)}>{words.signOut}</Button>}
      <Button quiet wide onClick={giveUp}>{words.cancel}</Button>
    </Dialog>
  );
}
