// Where the user is signed in.

import { signOutEverywhere } from "@portcullis/client";
import { Button, Card, Dialog, Failure, icons, Skeleton, Time, useAct } from "@portcullis/ui";
import { useState } from "react";
import { Heading } from "./frame";
import { session, useLoaded } from "./session";
import { words } from "./words";

interface Held { id: string; device: string | null; ip: string | null; createdAt: string; lastUsedAt: string; current: boolean }
// A user has at most 100 sessions.
const SESSIONS = "{me{sessions(first:100){nodes{id device ip createdAt lastUsedAt current}}}}";
const END = "mutation($input:RevokeSessionInput!){revokeSession(input:$input){session{id}}}";
const END_OTHERS = "mutation{revokeOtherSessions{endedSessions}}";

export function Sessions() {
  const { data, failure, reload } = useLoaded<{ me: { sessions: { nodes: Held[] } } }>(SESSIONS);
  const { isBusy, failure: notEnded, act } = useAct();
  const [ending, setEnding] = useState("");
  const [isAsking, setAsking] = useState(false);
  const all = [...(data?.me.sessions.nodes ?? [])].sort((one, other) => Number(other.current) - Number(one.current));
  const end = (id: string) => {
    setEnding(id);
    void act(async () => {
      await session.request(END, { input: { id } });
      await reload();
    });
  };
  return (
    <>
      <Heading>{words.sections.sessions}</Heading>
      <Card>
        {failure ? <><Failure failure={failure} /><Button onClick={reload}>{words.tryAgain}</Button></> : !data ? <Skeleton lines={4} /> : (
          <ul className="list">
            {all.map(({ id, device, ip, createdAt, lastUsedAt, current }) => (
              <li key={id}>
                <div className="what with-icon">
                  {/android|iphone|ipad/i.test(device ?? "") ? <icons.Phone /> : <icons.Device />}
                  <div>
                    <p><strong>{device ?? words.unknownDevice}</strong> {current && <span className="badge badge-good">{words.thisDevice}</span>}</p>
                    <p className="small quiet">{ip && `${ip} · `}{words.signedIn} <Time at={createdAt} /> · {words.lastUsed} <Time at={lastUsedAt} /></p>
                  </div>
                </div>
                {!current && <Button small isBusy={isBusy && ending === id} onClick={() => end(id)} aria-label={words.endNamed(device ?? words.unknownDevice)}>{words.end}</Button>}
              </li>
            ))}
          </ul>
        )}
        <Failure failure={notEnded} />
      </Card>
      {data && <Card title={words.endMany} about={words.endManyWhy}>
        <div className="row">
          <Button isBusy={isBusy && ending === "others"} onClick={() => {
            setEnding("others");
            void act(async () => {
              await session.request(END_OTHERS);
              await reload();
            });
          }}>{words.endOthers}</Button>
          <Button danger onClick={() => setAsking(true)}>{words.endAll}</Button>
        </div>
      </Card>}
      {isAsking && <EndAll close={() => setAsking(false)} />}
    </>
  );
}

function EndAll({ close }: { close: () => void }) {
  const { isBusy, failure, act } = useAct();
  return (
    <Dialog title={words.endAll} about={words.endAllWhy} close={close}>
      <Failure failure={failure} />
      <div className="row">
        <Button main danger isBusy={isBusy} onClick={() => act(() => session.run(() => signOutEverywhere(session)))}>{words.endAll}</Button>
        <Button quiet onClick={close}>{words.cancel}</Button>
      </div>
    </Dialog>
  );
}
