import { execFile } from "node:child_process";
import { expect, test } from "vitest";
import { ownLines } from "./support/own-lines";

const run = (...args: string[]) =>
  new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) =>
    execFile("node", ["esbuild.mjs", "test/support/worker-exits.ts", ...args], (error, stdout, stderr) =>
      resolve({ code: error?.code, stdout, stderr: ownLines(stderr) }),
    ),
  );

test("two workers at once give the bytes that the main thread gives alone", { timeout: 400_000 }, async () => {
  const lines = [0, 1].map((i) => `${i} true true true\n`);
  expect(await run("equal")).toEqual({ code: undefined, stdout: lines.join(""), stderr: "" });
});

// Dawn ends the process with status 134 when a worker is torn down while one of its promises is pending.
test.each([["0"], ["150"], ["700"]])(
  "a process that exits %s ms into a worker's run keeps its exit status",
  { timeout: 200_000 },
  async (ms) => {
    expect(await run("exit", ms)).toEqual({ code: 7, stdout: "", stderr: "" });
  },
);
