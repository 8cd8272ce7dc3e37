import { expect, test } from "vitest";
import { casesOf, runCase } from "./golden-runner/cases";
import { testDevice } from "./support/device";

/** Tensors computed with the official PyTorch code. `npm run golden -- DIR` runs a larger directory of the same kind. */
const folder = new URL("./golden", import.meta.url).pathname;

const cases = [folder, `${folder}/containers`, `${folder}/more`].flatMap((f) =>
  casesOf(f).map((name) => [name, f] as const),
);

test.each(cases)("golden: %s", { timeout: 300_000 }, async (name, from) => {
  const failures: string[] = [];
  let checks = 0;
  for await (const r of runCase(from, name, await testDevice())) {
    checks++;
    if (!r.ok) failures.push(`${r.id}: ${r.reason ?? `relative ${r.worstRel}, absolute ${r.worstAbs}`}`);
  }
  expect(failures).toEqual([]);
  expect(checks).toBeGreaterThan(0);
});
