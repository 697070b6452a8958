// Which page an address shows, and to whom.

import { useSession } from "@portcullis/client/react";
import { Button, Failure, site, Skeleton, useAct, usePath } from "@portcullis/ui";
import { useEffect, useState, type ComponentType, type ReactNode } from "react";
import { Address } from "./address";
import { DeleteAndExport } from "./data";
import { Factors } from "./factors";
import { FinishRegistration } from "./finish-registration";
import { Frame, Heading, Shell } from "./frame";
import { Home } from "./home";
import { Identities } from "./identities";
import { AcceptInvitation } from "./invitation";
import { JoinOrganization } from "./join-organization";
import { UndoEmailChange, VerifyEmail } from "./links";
import { Organization } from "./organization";
import { Organizations } from "./organizations";
import { Passkeys } from "./passkeys";
import { Password } from "./password";
import { Profile } from "./profile";
import { Recover } from "./recover";
import { Register } from "./register";
import { ComeBack } from "./return";
import { askServer, ServerContext, type Me, type Server } from "./session";
import { Sessions } from "./sessions";
import { SignIn, SignInPage } from "./sign-in";
import { StepUpDialog } from "./step-up";
import { words } from "./words";

/** The pages that mails lead to. */
const LINKS: Record<string, ComponentType> = {
  "/account/verify-email": VerifyEmail,
  "/account/reset-password": Recover,
  "/account/undo-email-change": UndoEmailChange,
  "/account/accept-invitation": AcceptInvitation,
  "/account/accept-organization-invitation": JoinOrganization,
  "/account/finish-registration": FinishRegistration,
};
const FOR_ALL: Record<string, ComponentType> = {
  "/account/sign-in": SignInPage,
  "/account/register": Register,
  "/account/recover": Recover,
  "/account/return": ComeBack,
};
const FOR_USERS: Record<string, ComponentType> = {
  "/account": Home,
  "/account/profile": Profile,
  "/account/password": Password,
  "/account/address": Address,
  "/account/sessions": Sessions,
  "/account/second-factors": Factors,
  "/account/passkeys": Passkeys,
  "/account/identities": Identities,
  "/account/organizations": Organizations,
  "/account/data": DeleteAndExport,
};

export function App() {
  const [server, setServer] = useState<Server | null>(null);
  const { session, status, failure: unreached } = useSession<Me>();
  const { failure, act, isBusy } = useAct();
  const load = () => act(async () => {
    const [asked] = await Promise.all([askServer(), session.state.failure ? session.load() : session.ready()]);
    setServer(asked);
  });
  useEffect(() => void load(), []);
  const problem = failure ?? (status === "unknown" ? unreached : null);
  if (problem) {
    return (
      <Frame>
        <Heading>{words.unavailable}</Heading>
        <Failure failure={problem} />
        <Button main isBusy={isBusy} onClick={load}>{words.tryAgain}</Button>
      </Frame>
    );
  }
  if (!server || status === "unknown") return <Frame isLoading><Skeleton lines={5} /></Frame>;
  return <ServerContext value={server}><Page /><StepUpDialog /></ServerContext>;
}

function Page() {
  const path = usePath();
  const forAll = LINKS[path] ?? (site.isWhole ? FOR_ALL[path] : undefined);
  if (forAll) {
    const Shown = forAll;
    return <Shown key={path} />;
  }
  const organization = /^\/account\/organizations\/([\w-]+)$/.exec(path)?.[1];
  const ForUsers = FOR_USERS[path];
  if (!ForUsers && !organization) {
    return <Frame><Heading>{words.notFound}</Heading><p>{words.notFoundWhy}</p></Frame>;
  }
  return <UsersOnly>{organization ? <Organization key={organization} id={organization} /> : ForUsers && <ForUsers key={path} />}</UsersOnly>;
}

/** Shows a page to users, and to others how to sign in first. */
function UsersOnly({ children }: { children: ReactNode }) {
  const { status } = useSession();
  // Somebody who signs in may have something to read before the page is shown: recovery codes.
  const [isSigningIn, setSigningIn] = useState(status === "guest");
  if (status === "guest" && !isSigningIn) setSigningIn(true);
  if (isSigningIn || status !== "user") return <SignIn done={() => setSigningIn(false)} />;
  return <Shell>{children}</Shell>;
}
