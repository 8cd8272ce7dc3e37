import { expect, test } from "vitest";
import type { NetworkOptions } from "../src/model/network";
import { casesOf, runCase } from "./golden-runner/cases";
import { testDevice } from "./support/device";

/** Tensors computed with the official PyTorch code. `npm run golden -- DIR` runs a larger directory of the same kind. */
const folder = new URL("./golden", import.meta.url).pathname;

const cases = [folder, `${folder}/containers`, `${folder}/more`].flatMap((f) =>
  casesOf(f).map((name) => [name, f] as const),
);

test.each(cases)("golden: %s", { timeout: 300_000 }, (name, from) => expectCase(from, name, {}));

/** Forwards and whole runs, of every family of networks. */
const networks = cases.filter(([name]) => /^(ddpm_tiny|adm_|traj_|luc_v2|unet_)/.test(name));

test.each(networks)("golden, weights in f16: %s", { timeout: 600_000 }, (name, from) =>
  expectCase(from, name, { dtype: "f16" }),
);

test.for(networks)(
  "golden, weights and activations in f16: %s",
  { timeout: 600_000 },
  async ([name, from], { skip }) => {
    skip(!(await testDevice()).has("shader-f16"), "this adapter lacks shader-f16");
    await expectCase(from, name, { dtype: "f16", activations: "f16" });
  },
);

async function expectCase(from: string, name: string, options: NetworkOptions): Promise<void> {
  const failures: string[] = [];
  let checks = 0;
  for await (const r of runCase(from, name, await testDevice(), options)) {
    checks++;
    if (!r.ok) failures.push(`${r.id}: ${r.reason ?? `relative ${r.worstRel}, absolute ${r.worstAbs}`}`);
  }
  expect(failures).toEqual([]);
  expect(checks).toBeGreaterThan(0);
}
