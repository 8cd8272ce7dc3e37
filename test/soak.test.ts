import { expect, test } from "vitest";
import { soak } from "./soak-harness";

test("20 seconds of mixed work, bad input, cancels, disposals and losses: nothing leaks, nothing is wrong", async () => {
  const report = await soak({ seconds: 20, seed: 1 });
  expect(report).toMatchObject({ leaked: 0, wrong: [] });
  expect(report.runs).toBeGreaterThan(0);
}, 600_000);
