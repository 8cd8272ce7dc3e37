import { describe, expect, test } from "vitest";
import { UserError } from "../src/errors";
import { checkpointTargets } from "./fuzz-checkpoint";
import { fuzz } from "./fuzz-harness";
import { imageTargets } from "./fuzz-images";

describe("a short run of the fuzzer", () => {
  for (const target of checkpointTargets)
    test(`${target.name}: 400 mutated files are refused in one line, or right`, async () => {
      const { cases, accepted, refused } = await fuzz(target, { seed: 20260101, cases: 400 });
      expect(cases).toBe(400);
      expect(refused).toBeGreaterThan(200);
      expect(accepted).toBeGreaterThan(0);
    });
});

describe("a short run on pictures", () => {
  for (const target of imageTargets)
    test(`${target.name}: 100 mutated pictures are refused in one line, or decoded`, async () => {
      const { cases, refused } = await fuzz(target, { seed: 20260101, cases: 100 });
      expect(cases).toBe(100);
      expect(refused).toBeGreaterThan(10);
    });
});

describe("the fuzzer itself notices", () => {
  const target = (run: () => Promise<void>) => ({ name: "t", seeds: () => [new Uint8Array(64)], run });
  test.each([
    ["other errors", async () => Promise.reject(new TypeError("x")), /t --seed 1 --case 0: not a UserError/],
    ["two lines", async () => Promise.reject(new UserError("a\nb")), /not one line/],
    ["memory", async () => void new ArrayBuffer(200 * 2 ** 20), /allocated/],
  ])("%s", async (_, run, message) => {
    await expect(fuzz(target(run), { seed: 1, cases: 1 })).rejects.toThrow(message);
  });
});
