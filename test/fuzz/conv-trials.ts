import { ShapeError } from "../../src/errors";
import { outputSize } from "../../src/kernels/conv/output-size";
import type { ConvShape, Dtype, Target } from "../../src/kernels/conv/variants";
import { type ConvCase, convData, convReference } from "../../src/reference/conv";
import { type AnyVariant, candidates } from "../../src/tune/candidates";
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

/** Whatever might be chosen for a convolution anywhere, and the sizes that a choice leaves open. */
export function variantsOf(kernel: 1 | 3, shape: ConvShape, pad: "same" | "asymmetric", weights: Dtype): AnyVariant[] {
  const use = { kernel, shape, pad, weights, norm: false, silu: false };
  const all = targets(weights).flatMap((target) => candidates(use, target));
  // In fours a 1x1 is a product straight from memory.
  const fours = kernel === 1 && [shape.h * shape.w, shape.c1, shape.c2].every((size) => size % 4 === 0);
  const sized = all.flatMap((variant): AnyVariant[] => {
    if (variant.kind === "tile")
      return [
        ...largeTiles.map((tile) => ({ ...variant, tile }) as AnyVariant),
        ...(fours ? productTiles : []).map((tile) => ({ ...variant, tile }) as AnyVariant),
        { ...variant, splits: 3 },
      ];
    if (variant.kind !== "winograd") return [];
    const small = { ...variant, scratchBytes: 2 ** 13 };
    if (variant.product !== "tile") return [small, { ...variant, tiles: 1 }];
    return [small, ...productTiles.map((tile) => ({ ...variant, tile }) as AnyVariant)];
  });
  const distinct = new Map([...all, ...sized].map((variant) => [JSON.stringify(variant), variant]));
  return [...distinct.values()].filter((v) => kernel === 1 || fits(v, shape, pad));
}

/** A 3x3 Winograd variant is made for one stride, with padding all round where that is 1. */
const fits = (v: AnyVariant, { stride, upsample }: ConvShape, pad: "same" | "asymmetric"): boolean =>
  v.kind !== "winograd" ||
  ((v.stride ?? 1) === stride && !(upsample && stride === 2) && (pad === "same" || stride === 2));

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
  const variant = c.one(variantsOf(kernel, { n: 1, c1, c2, oc, h, w, stride, upsample }, use.pad, weights));
  return (c) => convTrial(c, use, variant);
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

function convTrial(c: Chance, use: ConvUse, variant: AnyVariant): KernelTrial {
  for (;;) {
    const s = convCase(c, use);
    const data = convData(s);
    try {
      const { dispatches, inputs, y } = convRun(s, data, variant);
      const values = convReference(s, variant.weights === "f16" ? roundedWeights(data) : data);
      const atol = variant.kind !== "winograd" ? 5e-5 : variant.m === 4 ? 1e-3 : 1e-4;
      return {
        name: `convolution ${JSON.stringify(s)} by ${JSON.stringify(variant)}`,
        dispatches,
        inputs,
        expected: [{ tensor: y, values, rtol: atol, atol }],
      };
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error; // else the variant is for other shapes: pixels in fours, say
    }
  }
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
