// The first page: who the user is, and what they should look at.

import { Button, ButtonLink, Card, Failure, Notice, useAct } from "@portcullis/ui";
import { Heading, Sections } from "./frame";
import { change, useMe } from "./session";
import { VerificationNotice } from "./address";
import { words } from "./words";

/** With fewer it is time for new ones. */
export const FEW_CODES = 4;

export function Home() {
  const { username, fullName, email, emailVerified, pendingEmailChange, secondFactors, leftovers, mayChooseUsername } = useMe();
  const name = fullName || username;
  return (
    <>
      <Heading>{words.sections.home}</Heading>
      <Card>
        <div className="who">
          <div className="avatar" aria-hidden="true">{[...name][0]?.toUpperCase()}</div>
          <div><h2>{name}</h2><p className="quiet">{fullName ? `${username} · ${email}` : email}</p></div>
        </div>
      </Card>
      {leftovers && <Leftovers kinds={leftovers.kinds} />}
      {!emailVerified && <VerificationNotice />}
      {pendingEmailChange && (
        <Notice><p>{words.addressPending(pendingEmailChange.newEmail)}</p><ButtonLink small to="/account/address">{words.look}</ButtonLink></Notice>
      )}
      {mayChooseUsername && <Notice><p>{words.mayChoose(username)}</p><ButtonLink small to="/account/profile">{words.chooseUsername}</ButtonLink></Notice>}
      {secondFactors.isOn && secondFactors.recoveryCodesLeft < FEW_CODES && (
        <Notice kind="warning"><p>{words.codesLeft(secondFactors.recoveryCodesLeft)}</p><ButtonLink small to="/account/second-factors">{words.makeCodes}</ButtonLink></Notice>
      )}
      {!secondFactors.isOn && <Notice><p>{words.factorsOff}</p><ButtonLink small to="/account/second-factors">{words.setUpFactor}</ButtonLink></Notice>}
      <div className="home-sections"><Card><ul className="sections"><Sections withHome={false} /></ul></Card></div>
    </>
  );
}

/** What somebody else may have left in the account before its address was verified. */
function Leftovers({ kinds }: { kinds: { kind: string; names: string[] }[] }) {
  const { isBusy, failure, act } = useAct();
  return (
    <Notice kind="warning">
      <p>{words.leftovers}</p>
      {kinds.length > 0 && <ul>{kinds.map(({ kind, names }) => <li key={kind}>{kind}: {names.join(", ")}</li>)}</ul>}
      <div className="row">
        <Button small isBusy={isBusy} onClick={() => act(() => change("mutation{keepLeftovers{hadLeftovers}}"))}>{words.keepLeftovers}</Button>
        <Button small danger isBusy={isBusy} onClick={() => act(() => change("mutation{dropLeftovers{hadLeftovers}}"))}>{words.dropLeftovers}</Button>
      </div>
      <Failure failure={failure} />
    </Notice>
  );
}
