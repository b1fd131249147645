// Browser tests against a running demo. `SYCEE_READY` names the ready file of
// one that already runs; without it a demo is started for the tests.
import { defineConfig } from "@playwright/test";
import { BROWSER } from "./browser.mjs";

export default defineConfig({
  testDir: "tests",
  outputDir: "results",
  globalSetup: "./demo.ts",
  timeout: 30_000,
  workers: 1,
  forbidOnly: true,
  reporter: "list",
  use: {
    launchOptions: BROWSER,
    viewport: { width: 1440, height: 1000 },
    timezoneId: "Asia/Shanghai",
    trace: "off",
  },
});
