export interface StartOptions {
  /** Flags of `portcullis serve`, such as `["--registration=invite"]`. */
  args?: string[];
  /** Settings of Portcullis, such as `{ REGISTRATION: "invite" }`. The server inherits no others from this process. */
  env?: Record<string, string>;
  /** The port on 127.0.0.1. Without one, or with 0, the server gets a free one. */
  port?: number;
  /** Another binary of Portcullis, such as a program with an extension. */
  binary?: string;
  /** How long the start may take. Default: 30 seconds. */
  timeoutMs?: number;
  /** Gets what the server logs, piece by piece. */
  onLog?: (text: string) => void;
}

export interface Mail {
  id: string;
  /** Which mail it is, such as `verify-email` or `password-reset`. */
  kind: string;
  from: string;
  to: string;
  subject: string;
  text: string;
  html: string;
  /** The link that stands on a line of its own. */
  link: string | null;
  /** The token in that link. */
  token: string | null;
  /** The code of the mail `enrollment-code`. */
  code: string | null;
  /** The file as it is. */
  raw: string;
}

/** Only mails whose fields have these values. */
export type MailFilter = Partial<Pick<Mail, "kind" | "to" | "subject">>;

export interface Server {
  /** Where it listens, such as `http://localhost:49152`. GraphQL is at `/graphql`. */
  readonly url: string;
  readonly port: number;
  /** The folder with the database and the mails. `stop` deletes it. */
  readonly dataDir: string;
  readonly pid: number;
  /** Resolves when the server has ended, by `stop` or by itself. */
  readonly ended: Promise<void>;
  /** The end of what the server has logged. */
  log(): string;
  /** The mails so far, the oldest first. A mail is written within a second of the call that causes it. */
  mails(wanted?: MailFilter): Promise<Mail[]>;
  /** The newest such mail, as soon as there is one. */
  waitForMail(wanted?: MailFilter, options?: { timeoutMs?: number }): Promise<Mail>;
  /** Runs another verb of the binary on the same data, such as `["admin", "list"]`, and resolves to its output. */
  run(verb: string[], options?: { input?: string }): Promise<string>;
  /** Stops the server and deletes its data. */
  stop(): Promise<void>;
}

/** Starts a server, and resolves when it takes requests. */
export function start(options?: StartOptions): Promise<Server>;
