import { chooseConv1x1 } from "../kernels/conv/conv1x1";
import { chooseConv3x3, outputSides, suitsWinograd, winogradOnGpu } from "../kernels/conv/conv3x3";
import { matrixVariants } from "../kernels/conv/matrix";
import { tileHeight } from "../kernels/conv/packing";
import { tileVariant } from "../kernels/conv/tile";
import type { Conv1x1Variant, ConvShape, ConvUse, ConvVariant, DirectVariant, Target } from "../kernels/conv/variants";
import type { Tile } from "../kernels/product/tiles";

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

function of3x3(shape: ConvShape, target: Target): ConvVariant[] {
  return target.adapterClass === "gpu" ? of3x3OnGpu(shape, target) : of3x3OnCpu(shape, target);
}

/** The choice, tensor cores, the implicit product and transformed ones, and other tiles. */
function of3x3OnGpu(shape: ConvShape, target: Target): ConvVariant[] {
  const { weights, precision } = target;
  const transformed = !suitsWinograd(shape, weights)
    ? []
    : shape.stride === 2
      ? [{ ...winogradOnGpu(2, target), stride: 2 } as const]
      : (precision === "fast" ? ([4, 2] as const) : ([2] as const)).map((m) => winogradOnGpu(m, target));
  return [
    chooseConv3x3(shape, target),
    ...matrixVariants(shape.oc, pixelsOf(shape), target).slice(0, 3),
    tileVariant(target),
    ...transformed,
    ...others.flatMap((tile) => transformed.slice(0, 1).map((variant) => ({ ...variant, tile }))),
    ...others.map((tile) => ({ ...tileVariant(target), tile })),
    direct(shape, target),
  ];
}

/** The choice, and what suits other adapters or half the columns. */
function of3x3OnCpu(shape: ConvShape, target: Target): ConvVariant[] {
  const chosen = chooseConv3x3(shape, target);
  const exact = chooseConv3x3(shape, { ...target, precision: "exact" });
  return [
    chosen,
    tileVariant(target),
    direct(shape, target),
    exact,
    ...(chosen.kind === "winograd" && chosen.product === "stationary" ? [{ ...chosen, product: "quad" } as const] : []),
  ];
}

function of1x1(shape: ConvShape, target: Target): Conv1x1Variant[] {
  const { weights } = target;
  const chosen = chooseConv1x1(shape, target);
  const any = chooseConv1x1(shape, { ...target, adapterClass: "software", subgroups: false });
  if (target.adapterClass === "gpu")
    // No quads: NVIDIA's compiler takes seconds over each, and tiles are twice as fast.
    return [
      chosen,
      ...matrixVariants(shape.oc, pixelsOf(shape), target).slice(0, 3),
      ...others.map((tile) => ({ ...tileVariant(target), tile })),
      any,
    ];
  return [
    chosen,
    tileVariant(target),
    ...(chosen.kind === "stationary" && (shape.c2 === 0 || shape.c1 % 4 === 0)
      ? [{ kind: "quad", weights, tileM: tileHeight(shape.oc, 16) } as const]
      : []),
    any,
  ];
}

/** Tiles for larger or smaller pictures than the heuristic takes them for. */
const others: readonly Tile[] = [
  { tileM: 64, tileN: 64 },
  { tileM: 32, tileN: 32, slices: 2 },
];

/** Of the output, over all samples. */
function pixelsOf(shape: ConvShape): number {
  const [oh, ow] = outputSides(shape);
  return shape.n * oh * ow;
}

function direct({ oc }: ConvShape, { subgroups, weights }: Target): DirectVariant {
  const pair = weights === "f16" ? 2 : 1;
  const tileM = subgroups ? tileHeight(oc, 16, 4 * pair) : Math.min(8, Math.ceil(oc / pair) * pair);
  return { kind: "direct", weights, subgroups, tileM, tileY: 4 };
}
