import type { ConvUse } from "../graph/lower";
import { matrixVariants } from "../kernels/conv-matrix";
import { chooseTile } from "../kernels/conv-tile";
import { chooseConv1x1 } from "../kernels/conv1x1";
import { chooseConv3x3 } from "../kernels/conv3x3";
import { tileHeight } from "../kernels/packing";
import type { Conv1x1Variant, ConvShape, ConvVariant, DirectVariant, Target } from "../kernels/variants";

export type AnyVariant = ConvVariant | Conv1x1Variant;

/** What `tune: "quick"` times at most, for each shape. */
const MOST = 6;

/** Variants worth timing for a convolution here, the heuristic's own first: those that the heuristics choose for other
 *  kinds of adapter, other tiles, and subgroup matrices. All hold the target's precision and type of weights.
 *  @returns 3 to 6 where the shape allows as many, each valid for the device */
export function candidates({ kernel, shape, weights }: ConvUse, given: Target): AnyVariant[] {
  const { tuned: _, ...target } = { ...given, weights };
  const all = kernel === 3 ? of3x3(shape, target) : of1x1(shape, target);
  const distinct = new Map(all.map((variant) => [JSON.stringify(variant), variant]));
  return [...distinct.values()].slice(0, MOST);
}

const elsewhere = (target: Target): Target => ({
  ...target,
  adapterClass: target.adapterClass === "gpu" ? "software" : "gpu",
});

function of3x3(shape: ConvShape, target: Target): ConvVariant[] {
  const software: Target = { ...target, adapterClass: "software" };
  const winograd = chooseConv3x3(shape, software);
  const exact = chooseConv3x3(shape, { ...software, precision: "exact" });
  return [
    chooseConv3x3(shape, target),
    ...matrixVariants(shape.oc, target).slice(0, 1),
    chooseConv3x3(shape, elsewhere(target)),
    ...otherTile(shape, target),
    direct(shape, target),
    exact,
    ...(winograd.kind === "winograd" && winograd.tileN > 1 ? [{ ...winograd, tileN: winograd.tileN / 2 }] : []),
  ];
}

function of1x1(shape: ConvShape, target: Target): Conv1x1Variant[] {
  const software: Target = { ...target, adapterClass: "software" };
  const rows = chooseConv1x1(shape, software);
  return [
    chooseConv1x1(shape, target),
    ...matrixVariants(shape.oc, target).slice(0, 1),
    chooseConv1x1(shape, elsewhere(target)),
    ...otherTile(shape, target),
    ...(rows.kind === "quad" ? [{ ...rows, tileM: tileHeight(shape.oc, 16) }] : []),
    chooseConv1x1(shape, { ...software, subgroups: false }),
  ];
}

/** 64 channels a workgroup where the heuristic takes 128: twice the workgroups for small pictures. */
function otherTile({ oc }: ConvShape, { weights, adapterClass }: Target) {
  const tile = chooseTile(oc, weights);
  return adapterClass === "gpu" && tile.tileM === 128 ? [{ ...tile, tileM: 64 }] : [];
}

function direct({ oc }: ConvShape, { subgroups, weights }: Target): DirectVariant {
  const pair = weights === "f16" ? 2 : 1;
  const tileM = subgroups ? tileHeight(oc, 16, 4 * pair) : Math.min(8, Math.ceil(oc / pair) * pair);
  return { kind: "direct", weights, subgroups, tileM, tileY: 4 };
}
