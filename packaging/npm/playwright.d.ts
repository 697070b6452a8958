import type { TestType, PlaywrightTestArgs, PlaywrightTestOptions, PlaywrightWorkerArgs, PlaywrightWorkerOptions } from "@playwright/test";
import type { Server, StartOptions } from "./index.js";

export { expect } from "@playwright/test";

export interface PortcullisFixtures {
  /** The server of this worker. */
  portcullis: Server;
  /** How it is started: `test.use({ portcullisOptions: { env: { REGISTRATION: "invite" } } })`. */
  portcullisOptions: StartOptions;
}

export const test: TestType<PlaywrightTestArgs & PlaywrightTestOptions, PlaywrightWorkerArgs & PlaywrightWorkerOptions & PortcullisFixtures>;
