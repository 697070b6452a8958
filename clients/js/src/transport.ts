// How calls authenticate: the interface between a session and its mode, the cookie or tokens.

/** The credentials that a sign-in answers. In cookie mode they are null. */
export interface Issued {
  accessToken?: string | null;
  /** Seconds. */
  expiresIn?: number | null;
  refreshToken?: string | null;
  deviceToken?: string | null;
  user?: { id: string };
}

/** Sends a mutation to the endpoint. A refusal is thrown as `PortcullisError`, a lost answer as `NetworkError`. */
export type Post = (query: string, variables: object, headers?: Record<string, string>) => Promise<Record<string, any>>;

/** How calls authenticate. Only tokens need the optional members. */
export interface Transport {
  /** Whether `fetch` sends cookies. */
  readonly credentials: RequestCredentials;
  /** The headers of a call for nobody that may begin a session. */
  readonly guest: Record<string, string>;
  /** The headers by which a call acts for the user, in an organization or in none. */
  headers(organizationId: string | null): Promise<Record<string, string>>;
  /** Ends the session. */
  end(): Promise<unknown>;
  /**
   * Whether a call that was refused as `UNAUTHENTICATED` can be sent again, after what it was sent with has been
   * replaced.
   */
  renewed?(sent: Headers, organizationId: string | null): Promise<boolean>;
  /** Runs what begins or replaces a session: alone among all tabs that share its storage. */
  alone?<T>(work: () => Promise<T>): Promise<T>;
  /** Keeps what a sign-in answered to a guest, or a proof to the caller. It acts in no organization. */
  keep?(issued: Issued, as: "guest" | "caller"): Promise<void>;
  /** Forgets what this tab remembers, after another has replaced it. */
  forget?(): void;
  /** The input of a sign-in by a password that marks a known device. */
  device?(): Promise<{ deviceToken?: string }>;
  /** A valid access token, or null. */
  accessToken?(organizationId: string | null): Promise<string | null>;
}

/** Makes the transport of a session. */
export type Mode = (endpoint: string, post: Post) => Transport;

export const LOGOUT = "mutation($input:LogoutInput){logout(input:$input){sessionId}}";
export const REFRESH =
  "mutation($input:RefreshTokenInput){refreshToken(input:$input){accessToken expiresIn refreshToken}}";

const MODE = { "portcullis-token-mode": "cookie" };

/** The session is a cookie, which the browser keeps and no script can read. */
export const cookie: Mode = (_endpoint, post) => ({
  credentials: "include",
  guest: MODE,
  headers: async (organizationId) => (organizationId ? { ...MODE, "portcullis-organization": organizationId } : MODE),
  end: () => post(LOGOUT, {}, MODE),
});
