import { ShapeError } from "../../src/errors";
import { outputSize } from "../../src/kernels/conv/output-size";
import { tile } from "../../src/kernels/conv/tile";
import { convVariants } from "../../src/kernels/conv/tuner-variants";
import { type ConvShape, type ConvVariant, convShape } from "../../src/kernels/conv/variant";
import { winograd } from "../../src/kernels/conv/winograd";
import { f32 } from "../../src/kernels/dispatch";
import { type Tile, tileName } from "../../src/kernels/product/tiles";
import type { Dtype, Target } from "../../src/kernels/target";
import { type ConvCase, type ConvData, convData, convReference } from "../../src/reference/conv";
import { convRun } from "../../src/tune/conv-run";
import { roundedWeights } from "../support/rounded-weights";
import type { Chance } from "./chance";
import type { KernelTrial } from "./kernel-trials";

const common = { maxBindingBytes: 2 ** 27, maxLanes: 256 } as const;

/** Every kind of target that the choice of a kernel can tell apart. */
export const targets = (weights: Dtype): Target[] =>
  (["fast", "exact"] as const).flatMap((precision): Target[] => [
    { ...common, adapterClass: "software", subgroups: true, precision, weights },
    { ...common, adapterClass: "software", subgroups: false, precision, weights },
    { ...common, adapterClass: "gpu", subgroups: true, precision, weights },
  ]);

const productTiles = [16, 32].flatMap((tileM) =>
  [16, 32].flatMap((tileN) => (tileM + tileN > 32 ? [1, 2, 4, 8].map((slices) => ({ tileM, tileN, slices })) : [])),
);
const largeTiles = [
  { tileM: 16, tileN: 64 },
  { tileM: 32, tileN: 16, slices: 4 },
  { tileM: 32, tileN: 32, slices: 2 },
  { tileM: 64, tileN: 64 },
  { tileM: 128, tileN: 128 },
];

/** Variants with other sizes than those that a choice leaves open. */
const sized: readonly ConvVariant[] = [
  ...[...largeTiles, ...productTiles].map((size) => tile({ tile: size as Tile })),
  tile({ splits: 3 }),
  ...([4, 2] as const).flatMap((m) =>
    (m === 4 ? ([1] as const) : ([1, 2] as const)).flatMap((stride) => [
      ...(["stationary", "quad", "any", "tile"] as const).flatMap((product) => [
        winograd({ m, stride, product, scratchBytes: 2 ** 13 }),
        winograd({ m, stride, product, tiles: 1 }),
      ]),
      ...productTiles.map((size) => winograd({ m, stride, product: "tile", tile: size as Tile })),
    ]),
  ),
];

/** Whatever might be chosen for a convolution anywhere, with a target that can run it. */
export function variantsOf(shape: ConvShape, pad: "same" | "asymmetric", weights: Dtype): [ConvVariant, Target][] {
  const fours = shape.kernel === 1 && [shape.h * shape.w, shape.c1, shape.c2].every((size) => size % 4 === 0);
  return [...convVariants, ...sized].flatMap((variant): [ConvVariant, Target][] => {
    // Small tiles are those of products straight from memory. Winograd pads all round where the stride is 1.
    if (
      variant.name.startsWith("tile") &&
      productTiles.some((size) => variant.name.endsWith(tileName(size as Tile))) &&
      !fours
    )
      return [];
    if (variant.name.startsWith("F(") && shape.stride === 1 && pad !== "same") return [];
    const target = targets(weights).find((t) => variant.runs(shape, t));
    return target ? [[variant, target]] : [];
  });
}

const MOST_TERMS = 6e5;

/** Convolutions of any shape that share a variant, and so what is compiled for it. */
export function convTrials(c: Chance): (c: Chance) => KernelTrial {
  const kernel = c.one([1, 3] as const);
  const stride = kernel === 3 && c.once(4) ? 2 : 1;
  const upsample = kernel === 3 && stride === 1 && c.once(5);
  const use: ConvUse = {
    kernel,
    stride,
    upsample,
    pad: stride === 2 ? c.one(["same", "asymmetric"] as const) : "same",
    joined: c.once(2),
    norm: c.once(2),
    silu: c.once(2),
  };
  const weights = c.one(["f32", "f32", "f16"] as const);
  const [c1, oc, h, w] = [channels(c), channels(c), side(c), side(c)];
  const c2 = use.joined ? channels(c) : 0;
  const shape = convShape({ kernel, n: 1, c1, c2, oc, h, w, stride, upsample });
  const [variant, target] = c.one(variantsOf(shape, use.pad, weights));
  return (c) => convTrial(c, use, variant, target);
}

interface ConvUse {
  readonly kernel: 1 | 3;
  readonly stride: 1 | 2;
  readonly upsample: boolean;
  readonly pad: "same" | "asymmetric";
  readonly joined: boolean;
  readonly norm: boolean;
  readonly silu: boolean;
}

function convTrial(c: Chance, use: ConvUse, variant: ConvVariant, target: Target): KernelTrial {
  for (;;) {
    const s = convCase(c, use);
    const shape = convShape({ ...use, n: s.n, c1: s.c1, c2: s.c2 ?? 0, oc: s.oc, h: s.h, w: s.w });
    if (!variantsOf(shape, use.pad, target.weights).some(([served]) => served === variant)) continue;
    const data = convData(s);
    try {
      const run = convRun(s, data, variant, target);
      const { dispatches, inputs, y } = c.once(2) ? transformedThere(run, data, shape, variant, target) : run;
      const transformed = variant.name.startsWith("F(");
      const values = convReference(s, target.weights === "f16" && !transformed ? roundedWeights(data) : data);
      const f32Only = variant.name.startsWith("F(4,3)") ? 1e-3 : transformed ? 1e-4 : 5e-5;
      const atol = transformed && target.weights === "f16" ? 2 * variant.tolerance("f16") : f32Only;
      return {
        name: `convolution ${JSON.stringify(s)} by ${variant.name}, ${target.weights}`,
        dispatches,
        inputs,
        expected: [{ tensor: y, values, rtol: atol, atol }],
      };
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error; // else the variant is for other shapes: pixels in fours, say
    }
  }
}

/** The same with filters that the device transforms, where it can. */
function transformedThere(
  run: ReturnType<typeof convRun>,
  data: ConvData,
  shape: ConvShape,
  variant: ConvVariant,
  { weights }: Target,
): ReturnType<typeof convRun> {
  if (!variant.transform || weights === "f16") return run;
  const weight = [...run.inputs.keys()].find(({ name }) => name === "weight")!;
  const filters = f32("filters", shape.oc, shape.c1 + shape.c2, 3, 3);
  const inputs = new Map(run.inputs).set(filters, Float32Array.from(data.weight));
  inputs.delete(weight);
  return { ...run, inputs, dispatches: [variant.transform(filters, weight, shape), ...run.dispatches] };
}

function convCase(c: Chance, { kernel, stride, upsample, pad, joined, norm, silu }: ConvUse): ConvCase {
  for (;;) {
    const n = c.whole(1, 4);
    const cycle = () => c.one([1, 2, 3, 4].filter((m) => n % m === 0));
    const s: ConvCase = {
      kernel,
      n,
      c1: channels(c),
      oc: channels(c),
      h: side(c),
      w: side(c),
      silu,
      ...(kernel === 3 && { stride, upsample, pad }),
      ...(joined && { c2: channels(c), skipN: cycle() }),
      ...(norm && { normN: cycle() }),
      ...(c.once(3) && { tembN: cycle() }),
      ...(c.once(3) && { residualN: cycle() }),
    };
    const outputs = n * s.oc * outputSize(s.h, s) * outputSize(s.w, s);
    if (outputs > 0 && outputs * (s.c1 + (s.c2 ?? 0)) * kernel ** 2 <= MOST_TERMS) return s;
  }
}

/** One pixel to five, as often as a power of two, as often as anything. */
export const side = (c: Chance): number =>
  c.one([() => c.whole(1, 5), () => 2 ** c.whole(0, 4), () => c.whole(1, 21)])();

/** One channel, few, a number around a multiple of 16, or anything. */
export const channels = (c: Chance): number =>
  c.one([
    () => 1,
    () => c.whole(2, 9),
    () => Math.max(1, 16 * c.whole(1, 6) + c.whole(-1, 1)),
    () => c.whole(1, 100),
  ])();
