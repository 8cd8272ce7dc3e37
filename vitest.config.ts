import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [
    {
      name: "wgsl",
      transform: (code: string, id: string) =>
        id.endsWith(".wgsl") ? `export default ${JSON.stringify(code)}` : undefined,
    },
  ],
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 240_000,
    hookTimeout: 240_000,
    pool: "forks", // Dawn is a native addon: one process per file
    maxWorkers: 2,
  },
});
