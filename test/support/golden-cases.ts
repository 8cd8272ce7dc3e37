import { expect } from "vitest";
import type { NetworkOptions } from "../../src/model/network";
import { casesOf, runCase } from "../golden-runner/cases";
import { testDevice } from "./device";

const folder = new URL("../golden", import.meta.url).pathname;

/** Tensors computed with the official PyTorch code, by name and folder. `npm run golden -- DIR` runs a larger directory of the
 *  same kind. */
export const goldenCases = [folder, `${folder}/containers`, `${folder}/more`].flatMap((f) =>
  casesOf(f).map((name) => [name, f] as const),
);

/** Runs every check of a case. */
export async function expectCase(name: string, from: string, options: NetworkOptions = {}): Promise<void> {
  const failures: string[] = [];
  let checks = 0;
  for await (const r of runCase(from, name, await testDevice(), options)) {
    checks++;
    if (!r.ok) failures.push(`${r.id}: ${r.reason ?? `relative ${r.worstRel}, absolute ${r.worstAbs}`}`);
  }
  expect(failures).toEqual([]);
  expect(checks).toBeGreaterThan(0);
}
