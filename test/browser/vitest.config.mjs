import { defineConfig, mergeConfig } from "vitest/config";
import base from "../../vitest.config.ts";

/** `npm run test:browser`: one file after the other, for each drives a browser of its own. */
export default mergeConfig(
  defineConfig({ plugins: base.plugins ?? [] }),
  defineConfig({
    test: {
      include: ["test/browser/*.browser.ts"],
      fileParallelism: false,
      pool: "forks",
      testTimeout: 600_000,
      hookTimeout: 600_000,
    },
  }),
);
