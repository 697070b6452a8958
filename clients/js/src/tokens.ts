// Token mode, for apps and for pages on another site than the server.

import { isRefusal } from "./errors.js";
import type { AnySession } from "./session.js";
import { LOGOUT, REFRESH, type Issued, type Mode, type Transport } from "./transport.js";

/**
 * Where the refresh token and the device token are kept, as one text. An app gives the secure storage of its system.
 * If several tabs share a storage, each must read what another has written last: IndexedDB does, and localStorage does
 * not.
 */
export interface TokenStorage {
  /** Returns the text that was written last, or null. */
  read(): string | null | Promise<string | null>;
  /** Keeps a text. A refresh is sent only after this has been done. */
  write(text: string): void | Promise<void>;
}

interface Kept {
  refreshToken?: string | undefined;
  /** The random bytes of a refresh whose answer has not arrived. */
  attempt?: string | undefined;
  deviceToken?: string | undefined;
}

interface Access {
  token: string;
  /** The refresh token that came with it. */
  pair: string;
  organizationId: string | null;
  /** When it is replaced, by both clocks: in milliseconds. */
  until: readonly [number, number];
}

/**
 * Both clocks of a device. The first can be set; the second does not run everywhere while the device sleeps. So a token is
 * used while neither says that it has expired.
 */
const clocks = () => [Date.now(), performance.now()] as const;

const random = () => {
  const text = String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16)));
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};

/** Keeps tokens for as long as the page or the program is there. */
export const memoryStorage = (): TokenStorage => {
  let kept: string | null = null;
  return { read: () => kept, write: (text) => void (kept = text) };
};

/**
 * Keeps tokens in IndexedDB, which all tabs of an origin share: a reload or another tab stays signed in. Every script of
 * the origin can read them there, so prefer the cookie wherever it works.
 */
export function indexedDbStorage(name = "portcullis"): TokenStorage {
  let opened: Promise<IDBDatabase> | undefined;
  const settled = <T>(request: IDBRequest<T>) =>
    new Promise<T>((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  const open = () => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("tokens");
    return settled(request);
  };
  const store = async (mode: IDBTransactionMode) => {
    const database = await (opened ??= open());
    // Strict: an attempt has to be there after the browser was killed, too.
    return database.transaction("tokens", mode, { durability: "strict" }).objectStore("tokens");
  };
  return {
    read: async () => (await settled((await store("readonly")).get(0))) ?? null,
    write: async (text) => {
      const into = await store("readwrite");
      const committed = new Promise<void>((resolve, reject) => {
        into.transaction.oncomplete = () => resolve();
        into.transaction.onabort = () => reject(into.transaction.error);
      });
      into.put(text, 0);
      await committed;
    },
  };
}

/**
 * Token mode: `createSession({ endpoint, mode: tokens() })`. The access token stays in memory, and the refresh token in
 * the storage, by default in memory too.
 *
 * Tabs that share a storage refresh one at a time, by a Web Lock. Browsers have Web Locks on https and on localhost only;
 * elsewhere a warning says once that tabs are not coordinated.
 */
export function tokens({ storage = memoryStorage() }: { storage?: TokenStorage } = {}): Mode {
  return (endpoint, post) => {
    let access: Access | null = null;
    let renewing: Promise<Access | null> | undefined;
    let queue: Promise<unknown> = Promise.resolve();
    let isWarned = false;

    const read = async (): Promise<Kept> => JSON.parse((await storage.read()) ?? "{}");
    const write = (kept: Kept) => storage.write(JSON.stringify(kept));

    function alone<T>(work: () => Promise<T>): Promise<T> {
      const { locks } = globalThis.navigator ?? {};
      if (locks) return locks.request(`portcullis ${endpoint}`, work) as Promise<T>;
      if (globalThis.document && !isWarned) console.warn("Without Web Locks, tabs may refresh the same token at once.");
      isWarned = true;
      const turn = queue.then(work, work);
      queue = turn.catch(() => {});
      return turn;
    }

    const isUsable = (organizationId: string | null) => {
      const now = clocks();
      return access?.organizationId === organizationId && access.until.every((until, clock) => now[clock]! < until);
    };

    function take({ accessToken, expiresIn, refreshToken }: Issued, organizationId: string | null) {
      const seconds = expiresIn ?? 0;
      // A call takes time to arrive, too.
      const lifetime = (seconds - Math.min(30, seconds / 4)) * 1000;
      const [wall, steady] = clocks();
      return (access = {
        token: accessToken!, pair: refreshToken!, organizationId, until: [wall + lifetime, steady + lifetime],
      });
    }

    /** Exchanges the refresh token, unless another tab or an earlier call has replaced the stale access token. */
    async function renew(organizationId: string | null, stale?: string): Promise<Access | null> {
      const kept = await read();
      if (!kept.refreshToken) return (access = null);
      const isCurrent = access?.pair === kept.refreshToken && access.token !== stale;
      if (isCurrent && isUsable(organizationId)) return access;
      const attempt = kept.attempt ?? random();
      if (!kept.attempt) await write({ ...kept, attempt });
      const { refreshToken, deviceToken } = kept;
      try {
        const input = { refreshToken, attempt, ...(organizationId && { organizationId }) };
        const issued: Issued = (await post(REFRESH, { input })).refreshToken;
        await write({ refreshToken: issued.refreshToken!, deviceToken });
        return take(issued, organizationId);
      } catch (error) {
        // Only the server ends a session: any other failure leaves it as it is.
        if (!isRefusal(error, "INVALID_TOKEN")) throw error;
        await write({ deviceToken });
        return (access = null);
      }
    }

    const renewed = (organizationId: string | null, stale?: string) =>
      (renewing ??= alone(() => renew(organizationId, stale)).finally(() => (renewing = undefined)));

    async function current(organizationId: string | null): Promise<Access | null> {
      if (isUsable(organizationId)) return access;
      const found = await renewed(organizationId);
      // The refresh under way may have been for another organization.
      return found && found.organizationId !== organizationId ? current(organizationId) : found;
    }

    const transport: Transport = {
      credentials: "omit",
      guest: {},
      async headers(organizationId) {
        const found = await current(organizationId);
        return found ? { authorization: `Bearer ${found.token}` } : {};
      },
      async renewed(sent, organizationId) {
        const stale = sent.get("authorization")?.slice(7);
        if (!stale) return false;
        return (await renewed(organizationId, stale)) !== null;
      },
      alone,
      async device() {
        const { deviceToken } = await read();
        return deviceToken ? { deviceToken } : {};
      },
      async keep(issued, as) {
        const { refreshToken, deviceToken } = await read();
        await write({ refreshToken: issued.refreshToken!, deviceToken: issued.deviceToken ?? deviceToken });
        take(issued, null);
        // The session before is over, as that of a cookie would be. Nobody waits for it.
        if (refreshToken && as === "guest") post(LOGOUT, { input: { refreshToken } }).catch(() => {});
      },
      end: () =>
        alone(async () => {
          const { refreshToken, deviceToken } = await read();
          if (refreshToken) await post(LOGOUT, { input: { refreshToken } });
          await write({ deviceToken });
          access = null;
        }),
      forget: () => void (access = null),
      accessToken: async (organizationId) => (await current(organizationId))?.token ?? null,
    };
    return transport;
  };
}

/**
 * An access token for another service that trusts this server, or null if nobody is signed in. Portcullis itself is
 * called with `session.fetch` and `session.request`.
 */
export async function accessToken(session: AnySession): Promise<string | null> {
  const { transport, organizationId } = session;
  if (transport.accessToken) return transport.accessToken(organizationId);
  try {
    return (await session.request<any>(REFRESH, { input: { organizationId } })).refreshToken.accessToken;
  } catch (error) {
    if (isRefusal(error, "UNAUTHENTICATED")) return null;
    throw error;
  }
}
