import { expect, test } from "vitest";
import { dispatchesOf, lower } from "../src/graph/lower";
import { networkOps } from "../src/model/ops";
import { modelPresets } from "../src/model/presets";
import { unet } from "../src/model/unet";
import { targets } from "./fuzz/conv-trials";

// Float additions do not commute: a sample has the same bytes alone and in any batch only if the order of the additions is
// the same. test/fuzz/networks.ts compares bytes; here the constants that decide the order are compared, for large networks.

/** Constants that divide a sum into parts. */
const dividing = ["SPLITS", "SLICES", "STEP", "DEPTH", "UNIT", "UNITS", "LANES", "HELD", "WIDE"];

function orders(name: keyof typeof modelPresets, batch: number, target: ReturnType<typeof targets>[number]): string[] {
  const lowered = lower(unet(modelPresets[name].config, batch).graph, target, networkOps);
  const all = dispatchesOf(lowered).map(({ label, shader, constants }) => {
    const parts = dividing.flatMap((key) => (key in constants ? [`${key} ${constants[key]}`] : []));
    return `${label.replace(/(tiles|sums)\d+$/, "$1")}: ${[shader, ...parts].join(", ")}`; // scratch may come in chunks
  });
  return [...new Set(all)];
}

for (const name of ["celebahq", "ffhq"] as const)
  for (const target of [...targets("f32"), ...targets("f16")])
    test(`${name}, ${target.adapterClass}, ${target.precision}, ${target.weights}, subgroups ${target.subgroups}: sums are the same in any batch`, () => {
      const alone = orders(name, 1, target);
      for (const batch of [2, 3, 8]) expect(orders(name, batch, target)).toEqual(alone);
    });
