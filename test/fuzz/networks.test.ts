import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("a short run of fuzz:networks", async () => {
  const command = ["esbuild.mjs", "test/fuzz/networks.ts", "--count", "3", "--seed", "12"];
  const env = { ...process.env, FUZZ_KERNELS: "software" }; // test/gpu-network.test.ts has those of a GPU
  const { stdout } = await promisify(execFile)("node", command, { env });
  expect(stdout).toMatch(/^seed 12: 3 of 3 passed/m);
});
