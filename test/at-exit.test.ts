import { execFile } from "node:child_process";
import { expect, test } from "vitest";
import { ownLines } from "./support/own-lines";

// Memcheck of Valgrind found reads of freed tables in a thread that compiles after
// such an exit, before devices were destroyed first.
test.each([
  ["while pipelines are being compiled", "compiling", /^destroyed while [1-9]\d* compile/],
  ["after they were compiled", "idle", /^destroyed while 0 compile/],
  ["after its device was disposed of, which waits for them", "disposed", /^destroyed while [1-9]\d* compile/],
])("a process that exits %s destroys its device first, and keeps its exit status", async (_, how, said) => {
  const { code, stdout, stderr } = await new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) =>
    execFile("node", ["esbuild.mjs", "test/support/exits.ts", how], (error, stdout, stderr) =>
      resolve({ code: error?.code, stdout, stderr: ownLines(stderr) }),
    ),
  );
  expect({ code, stderr }).toEqual({ code: 7, stderr: "" });
  expect(stdout).toMatch(said);
  expect(stdout.trim().split("\n").at(-1)).toBe("exit");
});
