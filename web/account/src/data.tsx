// What the server keeps about the user, and the end of the account.

import { NetworkError } from "@portcullis/client";
import { Button, Card, Failure, href, Link, navigate, save, useAct } from "@portcullis/ui";
import { useState } from "react";
import { Ask } from "./factors";
import { Heading } from "./frame";
import { session, useMe } from "./session";
import { words } from "./words";

const EXPORT = "mutation{exportMyData{export{ticket}}}";
const FILE = "my-data.json";
const DEACTIVATE = "mutation{deactivateAccount{user{id}}}";
const DELETE = "mutation{deleteAccount{deletedUserId}}";

export function DeleteAndExport() {
  const { emailVerified } = useMe();
  const { isBusy, failure, act } = useAct();
  const [asking, ask] = useState<"deactivate" | "delete" | null>(null);
  const end = async (document: string) => {
    await session.run(() => session.request(document));
    // Nobody's session has ended by itself.
    await session.signOut();
    navigate("/account/sign-in");
  };
  return (
    <>
      <Heading>{words.sections.data}</Heading>
      <Card title={words.exportData} about={words.exportWhat}>
        <div className="stack">
          <div>
            <Button isBusy={isBusy} onClick={() => act(async () => {
              const { exportMyData } = await session.run(() => session.request(EXPORT));
              // The ticket opens everything, so it stands in no address.
              const headers = { authorization: `Bearer ${exportMyData.export.ticket}` };
              const response = await fetch(href("/export"), { headers, credentials: "omit" });
              if (!response.ok) throw new NetworkError("The export was refused.");
              save(await response.blob(), FILE);
            })}>{words.download}</Button>
          </div>
          <Failure failure={failure} />
        </div>
      </Card>
      <Card title={words.deactivate} about={words.deactivateWhat} danger>
        {emailVerified
          ? <Button danger onClick={() => ask("deactivate")}>{words.deactivate}</Button>
          : <p>{words.deactivateNot} <Link to="/account/address">{words.sections.address}</Link></p>}
      </Card>
      <Card title={words.deleteAccount} about={words.deleteWhat} danger>
        <Button danger onClick={() => ask("delete")}>{words.deleteAccount}</Button>
      </Card>
      {asking === "deactivate" && <Ask title={words.deactivate} why={words.deactivateEffect} close={() => ask(null)} act={() => end(DEACTIVATE)} />}
      {asking === "delete" && <Ask title={words.deleteAccount} why={words.deleteEffect} close={() => ask(null)} act={() => end(DELETE)} />}
    </>
  );
}
