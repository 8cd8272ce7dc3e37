import type { Ops } from "../graph/lower";
import { anyConv, anyConvSize, anyConvWeight, packAnyConv } from "../kernels/conv/any";
import { packed } from "../kernels/conv/packing";
import { dims4, f32 } from "../kernels/dispatch";
import { channelNorm } from "../kernels/norm/channel-norm";
import { chooseGroupNorm, groupNorm } from "../kernels/norm/group-norm";
import { type Activation, activation } from "../kernels/pointwise/activation";
import { add } from "../kernels/pointwise/add";
import { addRow } from "../kernels/pointwise/add-row";
import { affine } from "../kernels/pointwise/affine";
import { avgPool2 } from "../kernels/pointwise/avg-pool2";
import { concat } from "../kernels/pointwise/concat";
import { spaceToDepth } from "../kernels/pointwise/space-to-depth";
import { timeEmbedding } from "../kernels/pointwise/time-embedding";
import { upsample2x } from "../kernels/pointwise/upsample2x";
import { chooseLinear, linear, linearWeight } from "../kernels/product/linear";
import { type AttentionOp, attentionOps, type FoldedAttentionOp } from "./ops-attention";
import { type ConvOp, convOps } from "./ops-conv";

/** Operations of a U-Net. Shapes follow from the inputs: sample n of a node reads sample n modulo theirs, so that one
 *  skip or embedding serves a larger batch. Weights are named by checkpoint keys without `.weight` and `.bias`. */
export type NetworkOp =
  | ConvOp
  | AttentionOp
  /** time step of the row, or `labels` as the numbers they are -> sinusoids [N, channels] */
  | {
      readonly kind: "timeEmbedding";
      readonly channels: number;
      readonly order: "sin-cos" | "cos-sin";
      readonly shift: number;
      /** checkpoint tensor of channels / 2 frequencies, in place of the formula's */
      readonly frequencies?: string;
    }
  /** [N, I] -> [N, O]; several layers that read the same input run as one, rows in the order of `layers` */
  | {
      readonly kind: "linear";
      readonly layers: readonly { readonly layer: string; readonly rows: number }[];
      readonly siluIn?: boolean;
      readonly siluOut?: boolean;
    }
  /** adds row `labels[n]` of an embedding table */
  | { readonly kind: "label"; readonly layer: string; readonly rows: number }
  /** [N, C, H, W] -> (mean, scale, shift, 0) [N, C, 4] for the conv that follows, or the normalised tensor if `apply` */
  | {
      readonly kind: "groupNorm";
      readonly layer: string;
      readonly groups: number;
      readonly eps: number;
      readonly apply?: boolean;
      readonly silu?: boolean;
      /** ADM: first column of this layer's scale, then shift, in the `film` input */
      readonly filmOffset?: number;
    }
  /** [N, C, H, W] -> the same, normalised over the channels of each pixel, `film` as for groupNorm; `residual` is added */
  | {
      readonly kind: "channelNorm";
      readonly layer: string;
      readonly norm: "rms" | "layer";
      readonly eps: number;
      readonly silu?: boolean;
      readonly filmOffset?: number;
    }
  /** convolution of any kernel size, zeros all round */
  | {
      readonly kind: "anyConv";
      readonly layer: string;
      readonly channels: number;
      readonly kernel: number;
      readonly stride: number;
      readonly pad: number;
    }
  | { readonly kind: "activation"; readonly activation: Activation }
  /** scale x + shift */
  | { readonly kind: "affine"; readonly scale: number; readonly shift: number }
  /** x + y, sample by sample */
  | { readonly kind: "add" }
  /** [N, C, H, W] -> [N, 4C, H / 2, W / 2] */
  | { readonly kind: "spaceToDepth" }
  | { readonly kind: "upsample2x" }
  | { readonly kind: "avgPool2" }
  /** [N, C1, H, W] and `skip` [N, C2, H, W] -> [N, C1 + C2, H, W] */
  | { readonly kind: "concat" };

/** Kernels of the network's operations, and of those that lowering puts in their place. */
export const networkOps: Ops<NetworkOp | FoldedAttentionOp> = {
  ...convOps,
  ...attentionOps,

  timeEmbedding({ channels, order, shift, frequencies }, io, context) {
    const labels = io.optional("labels");
    const from = labels ? { labels } : { steps: io.input("steps") };
    const y = f32(io.name, (labels ?? io.input("steps")).shape[0]!, channels);
    const given = frequencies ? context.parameter(frequencies, channels / 2) : undefined;
    return { dispatches: timeEmbedding({ ...from, frequencies: given, y }, { order, shift }), output: y };
  },

  linear({ layers, siluIn = false, siluOut = false }, io, context) {
    const x = io.input("x");
    const [n, i] = x.shape as [number, number];
    const o = layers.reduce((sum, l) => sum + l.rows, 0);
    const first = layers[0]!.layer;
    const name = `${first}.weight*${layers.length}`;
    const stored = linearWeight(name, o, i, context.targetFor(name).weights);
    const half = stored.dtype === "f16";
    const weight = context.weight(
      stored,
      layers.map(({ layer, rows }) => ({ key: `${layer}.weight`, elements: rows * i })),
      half ? (all) => packed(all, "f16") : undefined,
    );
    const bias = context.weight(
      f32(`${first}.bias*${layers.length}`, o),
      layers.map(({ layer, rows }) => ({ key: `${layer}.bias`, elements: rows })),
    );
    const y = f32(io.name, n, o);
    const options = { siluIn, siluOut, variant: chooseLinear(i, context.target) };
    return { dispatches: linear({ x, weight, bias, y }, options), output: y, macs: n * i * o };
  },

  label({ layer, rows }, io, context) {
    const x = io.input("x");
    const labels = io.input("labels");
    const table = context.parameter(`${layer}.weight`, rows, x.shape[1]!);
    const y = f32(io.name, ...x.shape);
    return { dispatches: addRow({ x, table, labels, y }), output: y };
  },

  groupNorm({ layer, groups, eps, apply = false, silu = false, filmOffset = 0 }, io, context) {
    const x = io.input("x");
    const skip = io.optional("skip");
    const film = io.optional("film");
    const [n, c1, h, w] = dims4(x);
    const c = c1 + (skip?.shape[1] ?? 0);
    const gamma = context.parameter(`${layer}.weight`, c);
    const beta = context.parameter(`${layer}.bias`, c);
    const norm = f32(apply ? `${io.name}/norm` : io.name, n, c, 4);
    const y = apply ? io.output(n, c, h, w) : undefined;
    const tensors = {
      x,
      ...(skip && { skip }),
      gamma,
      beta,
      ...(film && { film: { tensor: film, offset: filmOffset } }),
      norm,
      ...(y && { y }),
    };
    const variant = chooseGroupNorm(h * w, context.target);
    return { dispatches: groupNorm(tensors, { groups, eps, silu, variant }), output: y ?? norm };
  },

  channelNorm({ layer, norm: kind, eps, silu = false, filmOffset = 0 }, io, context) {
    const x = io.input("x");
    const film = io.optional("film");
    const gamma = context.parameter(`${layer}.g`, 1, x.shape[1]!, 1, 1);
    const y = io.output(...x.shape);
    const tensors = {
      x,
      gamma,
      film: film && { tensor: film, offset: filmOffset },
      residual: io.optional("residual"),
      y,
    };
    return { dispatches: channelNorm(tensors, { kind, eps, silu }, context.target), output: y };
  },

  anyConv(op, io, context) {
    const { layer, channels, kernel } = op;
    const x = io.input("x");
    const [n, c, h, w] = dims4(x);
    const weight = context.weight(
      anyConvWeight(`${layer}.weight`, channels, c, op),
      [{ key: `${layer}.weight`, elements: channels * c * kernel ** 2 }],
      (all) => packAnyConv(all, channels, c, kernel),
    );
    const bias = context.parameter(`${layer}.bias`, channels);
    const y = io.output(n, channels, anyConvSize(h, op), anyConvSize(w, op));
    const macs = kernel ** 2 * c * y.shape.reduce((a, b) => a * b, 1);
    return { dispatches: anyConv({ x, weight, bias, y }, op), output: y, macs };
  },

  activation({ activation: kind }, io) {
    const x = io.input("x");
    const y = io.output(...x.shape);
    return { dispatches: activation({ x, y }, kind), output: y };
  },

  affine({ scale, shift }, io) {
    const x = io.input("x");
    const y = io.output(...x.shape);
    return { dispatches: affine({ x, y }, { scale, shift }), output: y };
  },

  add(_, io) {
    const a = io.input("x");
    const y = io.output(...a.shape);
    return { dispatches: add({ a, b: io.input("y"), y }), output: y };
  },

  spaceToDepth(_, io) {
    const x = io.input("x");
    const [n, c, h, w] = dims4(x);
    const y = io.output(n, 4 * c, h / 2, w / 2);
    return { dispatches: spaceToDepth({ x, y }), output: y };
  },

  upsample2x(_, io) {
    const x = io.input("x");
    const [n, c, h, w] = dims4(x);
    const y = io.output(n, c, 2 * h, 2 * w);
    return { dispatches: upsample2x({ x, y }), output: y };
  },

  avgPool2(_, io) {
    const x = io.input("x");
    const [n, c, h, w] = dims4(x);
    const y = io.output(n, c, h >> 1, w >> 1);
    return { dispatches: avgPool2({ x, y }), output: y };
  },

  concat(_, io) {
    const x = io.input("x");
    const skip = io.input("skip");
    const [n, c, h, w] = dims4(x);
    const y = io.output(n, c + skip.shape[1]!, h, w);
    return { dispatches: concat({ x, skip, y }), output: y };
  },
};
