// Who is signed in, with all that these pages show of them, and what the server is set up for.

import { createSession, type Config, type SignInProvider } from "@portcullis/client";
import { useSession } from "@portcullis/client/react";
import { href, language } from "@portcullis/ui";
import { createContext, useCallback, useContext, useEffect, useState } from "react";

export interface Passkey {
  id: string; name: string; userVerified: boolean; backedUp: boolean; createdAt: string; lastUsedAt: string | null;
}
export interface Identity {
  id: string; email: string | null; createdAt: string; lastUsedAt: string; provider: { id: string; name: string } | null;
}
/** The user, as they see themselves. */
export interface Me {
  id: string; username: string; fullName: string | null; email: string; emailVerified: boolean; avatarUrl: string | null;
  locale: "EN" | "DE" | null; createdAt: string; hasPassword: boolean; mayChooseUsername: boolean;
  pendingEmailChange: { newEmail: string; expiresAt: string } | null;
  secondFactors: { isOn: boolean; recoveryCodesLeft: number; totp: { confirmedAt: string; lastUsedAt: string | null; isLocked: boolean } | null };
  passkeys: Passkey[];
  identities: Identity[];
  leftovers: { takenBackAt: string; kinds: { kind: string; names: string[] }[] } | null;
}

const ME = `id username fullName email emailVerified avatarUrl locale createdAt hasPassword mayChooseUsername
pendingEmailChange{newEmail expiresAt} secondFactors{isOn recoveryCodesLeft totp{confirmedAt lastUsedAt isLocked}}
passkeys{id name userVerified backedUp createdAt lastUsedAt} identities{id email createdAt lastUsedAt provider{id name}}
leftovers{takenBackAt kinds{kind names}}`;

export const session = createSession<Me>({ endpoint: href("/graphql"), userFields: ME, locale: () => language });

/** The user, on pages that only users see. */
export function useMe(): Me {
  const { user } = useSession<Me>();
  if (!user) throw new Error("This page is for users only.");
  return user;
}

/** What the server is set up for. */
export interface Server extends Pick<Config, "features" | "registration" | "password" | "verificationRequired" | "secondFactorRequirement"> {
  providers: Pick<SignInProvider, "id" | "name" | "canReauthenticate">[];
}

const SERVER = `{config{features registration verificationRequired secondFactorRequirement password{lengthMin lengthMax}}
signInProviders{id name canReauthenticate}}`;

export async function askServer(): Promise<Server> {
  const { config, signInProviders } = await session.request(SERVER);
  return { ...config, providers: signInProviders };
}

export const ServerContext = createContext<Server | null>(null);
export function useServer(): Server {
  const server = useContext(ServerContext);
  if (!server) throw new Error("The server has not been asked yet.");
  return server;
}

/** Changes something about the user, with a proof where the server wants one, and shows them as they are then. */
export async function change<Data = any>(document: string, input?: object): Promise<Data> {
  const data = await session.run(() => session.request<Data>(document, input ? { input } : {}));
  await session.load();
  return data;
}

export type Loaded<Data> =
  | { data: Data; failure: null; reload: () => Promise<void> }
  | { data: null; failure: unknown; reload: () => Promise<void> };

/** Asks the server when a page is shown, and again by `reload`. Without a document there is nothing to ask yet. */
export function useLoaded<Data>(document: string | null, variables: Record<string, unknown> = {}): Loaded<Data> {
  const [answer, setAnswer] = useState<{ data: Data | null; failure: unknown }>({ data: null, failure: null });
  const key = JSON.stringify(variables);
  const reload = useCallback(async () => {
    if (!document) return;
    try {
      setAnswer({ data: await session.request<Data>(document, JSON.parse(key)), failure: null });
    } catch (failure) {
      setAnswer({ data: null, failure });
    }
  }, [document, key]);
  useEffect(() => void reload(), [reload]);
  return { ...answer, reload } as Loaded<Data>;
}
