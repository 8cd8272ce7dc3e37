import { linearAttention } from "../../src/kernels/attention/linear-attention";
import { outputSize } from "../../src/kernels/conv/output-size";
import { candidates } from "../../src/kernels/conv/tuner-variants";
import { type ConvVariant, convShape } from "../../src/kernels/conv/variant";
import { choose } from "../../src/kernels/conv/variants";
import { type Dispatch, f32, type Tensor } from "../../src/kernels/dispatch";
import { channelNorm } from "../../src/kernels/norm/channel-norm";
import { chooseGroupNorm, groupNorm } from "../../src/kernels/norm/group-norm";
import { attention } from "../../src/kernels/product/attention";
import type { Target } from "../../src/kernels/target";
import { seeded } from "../../src/random";
import { type ConvCase, convData, convReference } from "../../src/reference/conv";
import {
  channelNorm as channelNormReference,
  groupNorm as groupNormReference,
  groupNormRows,
} from "../../src/reference/norm";
import { attentionReference, linearAttentionReference } from "../../src/reference/product";
import { convRun } from "../../src/tune/conv-run";

/** One kernel at one shape. */
export interface KernelCase {
  readonly name: string;
  /** Floating-point operations of the plain algorithm, however few the variant needs; 0 where memory is the limit. */
  readonly flops: number;
  /** Bytes that must be read and written, where memory is the limit. */
  readonly bytes?: number;
  build(target: Target): BuiltCase;
  /** The same under each variant that the tuner would try. */
  variants?(target: Target): KernelCase[];
}

export interface BuiltCase {
  readonly variant: string;
  readonly dispatches: readonly Dispatch[];
  readonly inputs: ReadonlyMap<Tensor, ArrayBufferView<ArrayBuffer>>;
  readonly y: Tensor;
  /** Selects what of y is compared, where its values mean little one by one. */
  view?(y: Float32Array): ArrayLike<number>;
  /** Expected values at flat indices of y, or of its view, and how far off they may be. */
  expected(points: readonly number[]): ArrayLike<number>;
  readonly tolerance: number;
}

/** A convolution; `variant` overrides the choice. */
function convCase(name: string, s: ConvCase, variant?: ConvVariant): KernelCase {
  const { n, c1, c2 = 0, oc, h, w, kernel } = s;
  const flops = 2 * n * oc * (c1 + c2) * kernel * kernel * outputSize(h, s) * outputSize(w, s);
  return {
    name,
    flops,
    build(target) {
      const chosen = variant ?? choose(convShape(s), target);
      const data = convData(s);
      return {
        variant: chosen.name,
        ...convRun(s, data, chosen, target),
        expected: (points) => convReference(s, data, points),
        tolerance: target.weights === "f16" ? 2e-2 : chosen.tolerance(target.weights),
      };
    },
    variants: (target) => candidates(convShape(s), target).map((v) => convCase(name, s, v)),
  };
}

/** (scale, offset) of rows (centre, scale, shift, 0): kernels may choose different centres for the same function. */
function affine(rows: Float32Array): number[] {
  const pairs: number[] = [];
  for (let i = 0; i < rows.length; i += 4) pairs.push(rows[i + 1]!, rows[i + 2]! - rows[i]! * rows[i + 1]!);
  return pairs;
}

function attentionCase(name: string, s: { n: number; c: number; h: number; w: number; heads: number }): KernelCase {
  const { n, c, h, w, heads } = s;
  return {
    name,
    flops: 4 * n * c * (h * w) ** 2,
    build(target) {
      const qkv = f32("qkv", n, 3 * c, h, w);
      const y = f32("y", n, c, h, w);
      const data = seeded(1, qkv.shape);
      return {
        variant: "products, softmax",
        dispatches: attention({ qkv, y }, { heads, order: "new", target }),
        inputs: new Map([[qkv, data]]),
        y,
        expected: (points) => attentionReference(data, { ...s, order: "new" }, points),
        tolerance: 1e-5,
      };
    },
  };
}

/** One of the two matrix products of attention with one head, without the softmax between them.
 *  scores[j, i] = k[:, j] . q[:, i]; values[e, i] = v[e, :] . scores[:, i] */
function productCase(name: string, which: "scores" | "values", c: number, side: number): KernelCase {
  const t = side * side;
  return {
    name,
    flops: 2 * c * t * t,
    build(target) {
      const qkv = f32("qkv", 1, 3 * c, side, side);
      const out = f32("y", 1, c, side, side);
      const all = attention({ qkv, y: out }, { heads: 1, order: "new", target });
      const middle = all.findIndex(({ shader }) => shader.includes("softmax"));
      const dispatches = which === "scores" ? all.slice(0, middle) : all.slice(middle + 1);
      const scores = all[middle]!.bindings[0]!.tensor;
      const [data, weights] = [seeded(1, qkv.shape), seeded(2, scores.shape)];
      const part = (index: number, row: number, column: number) => data[(index * c + row) * t + column]!;
      const dot = (terms: number, term: (l: number) => number) => {
        let total = 0;
        for (let l = 0; l < terms; l++) total += term(l);
        return total;
      };
      const at = (p: number): number => {
        const [row, i] = [Math.floor(p / t), p % t];
        if (which === "scores") return dot(c, (l) => part(1, l, row) * part(0, l, i));
        return dot(t, (l) => part(2, row, l) * weights[l * t + i]!);
      };
      return {
        variant: dispatches.map(({ shader }) => shader).join(", "),
        dispatches,
        inputs: new Map([[qkv, data], ...(which === "values" ? ([[scores, weights]] as const) : [])]),
        y: which === "scores" ? scores : out,
        expected: (points) => points.map(at),
        tolerance: 3e-5,
      };
    },
  };
}

/** Statistics only, as before a convolution that applies them itself, or applied with SiLU. */
function groupNormCase(name: string, shape: readonly [number, number, number, number], applied: boolean): KernelCase {
  const [n, c] = shape;
  const size = shape.reduce((a, b) => a * b, 1);
  return {
    name,
    flops: 0,
    bytes: applied ? 12 * size : 4 * size,
    build(target) {
      const x = f32("x", ...shape);
      const gamma = f32("gamma", c);
      const beta = f32("beta", c);
      const norm = f32("norm", n, c, 4);
      const y = f32("y", ...shape);
      const data = [seeded(1, shape), seeded(2, [c]), seeded(3, [c])] as const;
      const variant = chooseGroupNorm(shape[2] * shape[3], target);
      const options = { groups: 32, eps: 1e-6, silu: applied, variant };
      return {
        variant,
        dispatches: groupNorm({ x, gamma, beta, norm, ...(applied && { y }) }, options),
        inputs: new Map([
          [x, data[0]],
          [gamma, data[1]],
          [beta, data[2]],
        ]),
        y: applied ? y : norm,
        ...(!applied && { view: affine }),
        expected: (points) => {
          const all = applied
            ? groupNormReference(data[0], data[1], data[2], shape, options)
            : groupNormRows(data[0], data[1], data[2], shape, options);
          return points.map((p) => all[p]!);
        },
        tolerance: 1e-4,
      };
    },
  };
}

const same = (n: number, c: number, size: number, more: Partial<ConvCase> = {}): ConvCase => ({
  kernel: 3,
  n,
  c1: c,
  oc: c,
  h: size,
  w: size,
  ...more,
});

function linearAttentionCase(
  name: string,
  s: { n: number; c: number; h: number; w: number; heads: number },
): KernelCase {
  const { n, c, h, w, heads } = s;
  return {
    name,
    flops: (4 * n * c * c * h * w) / heads,
    build() {
      const [qkv, y] = [f32("qkv", n, 3 * c, h, w), f32("y", n, c, h, w)];
      const data = seeded(1, qkv.shape);
      return {
        variant: "keys, context, queries",
        dispatches: linearAttention({ qkv, y }, { heads }),
        inputs: new Map([[qkv, data]]),
        y,
        expected: (points) => {
          const all = linearAttentionReference(data, undefined, s);
          return points.map((p) => all[p]!);
        },
        tolerance: 1e-4,
      };
    },
  };
}

/** RMS norm over the channels of each pixel, with SiLU. */
function channelNormCase(name: string, shape: readonly [number, number, number, number]): KernelCase {
  return {
    name,
    flops: 0,
    bytes: 12 * shape.reduce((a, b) => a * b, 1),
    build(target) {
      const [x, gamma, y] = [f32("x", ...shape), f32("gamma", shape[1]), f32("y", ...shape)];
      const [values, gains] = [seeded(1, shape), seeded(2, [shape[1]])];
      const options = { kind: "rms", silu: true } as const;
      return {
        variant: target.adapterClass === "gpu" ? "tile" : "lanes",
        dispatches: channelNorm({ x, gamma, y }, options, target),
        inputs: new Map([
          [x, values],
          [gamma, gains],
        ]),
        y,
        expected: (points) => {
          const all = channelNormReference(values, gains, shape, options);
          return points.map((p) => all[p]!);
        },
        tolerance: 1e-4,
      };
    },
  };
}

/** Shapes that the shipped model (64, 32, 64 and 192 channels at 64, 32, 16 and 8 pixels) and the paper's models run. */
export const kernelCases: readonly KernelCase[] = [
  convCase("conv3x3 3->32@64", { kernel: 3, n: 1, c1: 3, oc: 32, h: 64, w: 64 }),
  convCase("conv3x3 64->3@64", { kernel: 3, n: 1, c1: 64, oc: 3, h: 64, w: 64, normN: 1, silu: true }),
  convCase("conv3x3 32->64@64", { kernel: 3, n: 1, c1: 32, oc: 64, h: 64, w: 64 }),
  convCase("conv3x3 64@64 norm+silu", same(1, 64, 64, { normN: 1, silu: true })),
  convCase("conv3x3 64+32->64@64 n2", { ...same(2, 64, 64), c2: 32, skipN: 1 }),
  convCase("conv3x3 32@32", same(1, 32, 32)),
  convCase("conv3x3 32@32 n2", same(2, 32, 32)),
  convCase("conv3x3 64@16", same(1, 64, 16)),
  convCase("conv3x3 64@16 norm+silu", same(1, 64, 16, { normN: 1, silu: true })),
  convCase("conv3x3 192@8", same(1, 192, 8)),
  convCase("conv3x3 192@8 n2", same(2, 192, 8)),
  convCase("conv3x3 192+192@8 n2", same(2, 192, 8, { c2: 192, skipN: 1 })),
  convCase("conv3x3 64@16 upsample", same(1, 64, 16, { upsample: true })),
  convCase("conv3x3 64@64 stride 2", same(1, 64, 64, { stride: 2 })),
  convCase("conv3x3 128@32", same(1, 128, 32)),
  convCase("conv3x3 256@16", same(1, 256, 16)),
  convCase("conv3x3 64@64", same(1, 64, 64)),
  convCase("conv3x3 512@8", same(1, 512, 8)),
  convCase("conv3x3 128@256", same(1, 128, 256)),
  convCase("conv1x1 64+32->64@64 skip", { kernel: 1, n: 1, c1: 64, c2: 32, oc: 64, h: 64, w: 64, skipN: 1 }),
  convCase("conv1x1 192->576@8 norm", { kernel: 1, n: 1, c1: 192, oc: 576, h: 8, w: 8, normN: 1 }),
  convCase("conv1x1 128->128@32", { kernel: 1, n: 1, c1: 128, oc: 128, h: 32, w: 32 }),
  convCase("conv1x1 256->768@16", { kernel: 1, n: 1, c1: 256, oc: 768, h: 16, w: 16 }),
  convCase("conv1x1 512->512@16", { kernel: 1, n: 1, c1: 512, oc: 512, h: 16, w: 16 }),
  groupNormCase("group norm 64@64", [1, 64, 64, 64], false),
  groupNormCase("group norm 128@32", [1, 128, 32, 32], false),
  groupNormCase("group norm 128@256", [1, 128, 256, 256], false),
  groupNormCase("group norm+silu 128@32 applied", [1, 128, 32, 32], true),
  groupNormCase("group norm+silu 128@256 applied", [1, 128, 256, 256], true),
  productCase("attention 512@16, scores", "scores", 512, 16),
  productCase("attention 512@16, values", "values", 512, 16),
  attentionCase("attention 192@8", { n: 1, c: 192, h: 8, w: 8, heads: 1 }),
  attentionCase("attention 256@16", { n: 1, c: 256, h: 16, w: 16, heads: 1 }),
  attentionCase("attention 512@16", { n: 1, c: 512, h: 16, w: 16, heads: 1 }),
  attentionCase("attention 512@16 8 heads", { n: 1, c: 512, h: 16, w: 16, heads: 8 }),
  linearAttentionCase("linear attention 128@32 4 heads", { n: 1, c: 128, h: 32, w: 32, heads: 4 }),
  linearAttentionCase("linear attention 128@64 4 heads", { n: 1, c: 128, h: 64, w: 64, heads: 4 }),
  channelNormCase("RMS norm 64@64", [1, 64, 64, 64]),
  channelNormCase("RMS norm 256@16", [1, 256, 16, 16]),
];
