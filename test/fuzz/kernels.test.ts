import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { type Plan, runTrials } from "./children";

const run = promisify(execFile);

test("a short run of fuzz:kernels", async () => {
  const { stdout } = await run("node", ["esbuild.mjs", "test/fuzz/kernels.ts", "--count", "80", "--seed", "20260101"]);
  expect(stdout).toMatch(/^seed 20260101: 80 of 80 passed/m);
});

describe("the fuzzers notice", () => {
  /** A child of which trial 2 does something. */
  const plan = (deed: string): Plan => ({
    command: [
      process.execPath,
      "--input-type=module",
      "--eval",
      `const { values } = (await import("node:util")).parseArgs({ options: { first: { type: "string" }, trials: { type: "string" } }, strict: false });
       for (let i = +values.first; i < +values.first + +values.trials; i++) {
         console.log("> " + i);
         if (i === 2) { ${deed} }
         console.log("+ some/shader");
         console.log("= " + i);
       }`,
      "--",
    ],
    first: 0,
    count: 5,
    batch: 4,
    seconds: 10,
  });

  test.each([
    ["a trial that fails", `console.log("! 2 off by 3"); continue;`, /^off by 3$/],
    ["a crash", "process.abort();", /^died of SIGABRT.*behind 2 others; alone: died of SIGABRT/],
    ["an exit", "process.exit(3);", /^died of exit status 3/],
    ["a stall", "await new Promise((resolve) => setTimeout(resolve, 30_000));", /^no answer in 10 s/],
    ["a crash that needs those before", "if (+values.first < 2) process.abort();", /alone: passes/],
  ])("%s", async (_, deed, reason) => {
    const { passed, failures, seen } = await runTrials(plan(deed));
    expect(failures).toEqual([{ trial: 2, reason: expect.stringMatching(reason) }]);
    expect(passed).toBe(4);
    expect(seen.get("some/shader")).toBe(4);
  });
});
