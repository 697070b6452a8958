import { defineConfig } from "@playwright/test";
import type { PortcullisFixtures } from "portcullis-server/playwright";

const origin = new URL("http://localhost:41735");

export default defineConfig<object, PortcullisFixtures>({
  // Two workers, each with a server.
  fullyParallel: true,
  workers: 2,
  webServer: { command: `node front-end.mjs ${origin.port}`, url: origin.href },
  use: {
    baseURL: origin.href,
    launchOptions: { executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] },
    portcullisOptions: { env: { ALLOWED_ORIGINS: origin.origin } },
  },
});
