// A fixture for Playwright: one server for each worker.

import { test as base } from "@playwright/test";
import { start } from "./index.js";

export { expect } from "@playwright/test";

export const test = base.extend({
  portcullisOptions: [{}, { scope: "worker", option: true }],
  portcullis: [
    async ({ portcullisOptions }, use) => {
      const server = await start(portcullisOptions);
      await use(server);
      await server.stop();
    },
    { scope: "worker" },
  ],
});
