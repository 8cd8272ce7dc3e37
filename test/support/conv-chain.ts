import { mergeBetween } from "../../src/kernels/conv/between";
import { conv, packConv } from "../../src/kernels/conv/conv";
import { outputSize, type Padding } from "../../src/kernels/conv/output-size";
import { convShape } from "../../src/kernels/conv/variant";
import { winograd } from "../../src/kernels/conv/winograd";
import { type Dispatch, f32, type Tensor } from "../../src/kernels/dispatch";
import { groupNorm } from "../../src/kernels/norm/group-norm";
import type { Target } from "../../src/kernels/target";
import { seeded } from "../../src/random";
import * as reference from "../../src/reference";
import { convReference } from "../../src/reference/conv";
import type { Data } from "./run";

/** How a convolution of a chain is computed: F(m,3), or with stride 2 by parts. */
interface Link {
  readonly m: 2 | 4;
  readonly stride?: 1 | 2;
  readonly pad?: Padding;
  readonly upsample?: boolean;
}

/** x, which a Winograd convolution of `c0` channels makes unless it is given, then group norm of [x, skip], if there are
 *  groups, then a Winograd convolution of that. */
export interface Chain {
  readonly n: number;
  /** of x */
  readonly h: number;
  readonly w: number;
  readonly c1: number;
  readonly first?: Link & { readonly c0: number; readonly tembN?: number; readonly residualN?: number };
  readonly c2?: number;
  readonly skipN?: number;
  readonly groups?: number;
  readonly filmN?: number;
  readonly silu?: boolean;
  readonly second: Link & { readonly oc: number };
}

export interface ChainRun {
  /** with a dispatch for each kernel, and with those merged that a GPU merges */
  readonly apart: readonly Dispatch[];
  readonly merged: readonly Dispatch[];
  readonly inputs: Map<Tensor, Data>;
  readonly x: Tensor;
  readonly y: Tensor;
  /** x and y in f64, which take long */
  expected(): readonly [x: ArrayLike<number>, y: ArrayLike<number>];
}

const target: Target = {
  adapterClass: "gpu",
  subgroups: true,
  precision: "fast",
  weights: "f32",
  maxBindingBytes: 2 ** 27,
};

/** The dispatches of a chain on seeded inputs, of which a sample has the same in any batch. */
export function chainRun(s: Chain): ChainRun {
  const { n, h, w, c1, c2 = 0, first, second } = s;
  const channels = c1 + c2;
  const inputs = new Map<Tensor, Data>();
  const given = (key: number, name: string, shape: readonly number[], scale = 1) => {
    const tensor = f32(name, ...shape);
    const data = seeded(key, shape).map((v) => scale * v);
    inputs.set(tensor, data);
    return { tensor, data };
  };
  const weights = (key: number, name: string, link: Link, ic: number, oc: number, sides: readonly [number, number]) => {
    const variant = winograd({ m: link.m, stride: link.stride ?? 1, product: "tile" });
    const { stride = 1, upsample = false } = link;
    const shape = convShape({ kernel: 3, n: 1, c1: ic, oc, h: sides[0], w: sides[1], stride, upsample });
    const data = seeded(key, [oc, ic, 3, 3]).map((v) => v * (ic * 9) ** -0.5);
    const tensor = variant.weight(name, shape, target);
    inputs.set(tensor, packConv(data, variant, shape, target));
    return { variant, tensor, data };
  };
  const optionsOf = ({ stride = 1, upsample = false, pad }: Link) => ({
    kernel: 3 as const,
    stride,
    upsample,
    ...(pad && { pad }),
  });

  const apart: Dispatch[] = [];
  let x: Tensor;
  let xs: () => ArrayLike<number>;
  if (first) {
    const { c0, tembN, residualN, stride = 1, upsample = false } = first;
    const [h0, w0] = [h, w].map((side) => (upsample ? side / 2 : stride * side)) as [number, number];
    const x0 = given(1, "x0", [n, c0, h0, w0]);
    const weight = weights(2, "weight1", first, c0, c1, [h0, w0]);
    const bias = given(3, "bias1", [c1]);
    const temb = tembN ? given(4, "temb", [tembN, c1 + 7]) : undefined;
    const residual = residualN ? given(5, "residual", [residualN, c1, h, w]) : undefined;
    x = f32("x", n, c1, h, w);
    const io = { x: x0.tensor, weight: weight.tensor, bias: bias.tensor, y: x };
    const added = {
      ...(temb && { temb: { tensor: temb.tensor, offset: 3 } }),
      ...(residual && { residual: residual.tensor }),
    };
    apart.push(...conv({ ...io, ...added }, optionsOf(first), weight.variant, target));
    const numbers = { x: x0.data, weight: weight.data, bias: bias.data };
    const after = {
      ...(temb && { temb: { data: temb.data, width: c1 + 7, offset: 3 } }),
      ...(residual && { residual: residual.data }),
    };
    const sizes = { n, c1: c0, oc: c1, h: h0, w: w0, ...(tembN && { tembN }), ...(residualN && { residualN }) };
    xs = () => convReference({ ...sizes, ...optionsOf(first) }, { ...numbers, ...after });
  } else {
    const it = given(1, "x", [n, c1, h, w]);
    x = it.tensor;
    xs = () => it.data;
  }

  const skip = c2 > 0 ? given(6, "skip", [s.skipN ?? n, c2, h, w], 3) : undefined;
  let rows: Tensor | undefined;
  let seen = (joined: ArrayLike<number>) => (s.silu ? Float64Array.from(joined, reference.silu) : joined);
  if (s.groups) {
    const gamma = given(7, "gamma", [channels]);
    const beta = given(8, "beta", [channels]);
    const film = s.filmN ? given(9, "film", [s.filmN, 2 * channels + 5]) : undefined;
    rows = f32("norm", n, channels, 4);
    const io = { x, ...(skip && { skip: skip.tensor }), gamma: gamma.tensor, beta: beta.tensor, norm: rows };
    const options = { groups: s.groups, eps: 1e-5, silu: s.silu ?? false };
    const scaled = film && { film: { tensor: film.tensor, offset: 2 } };
    apart.push(...groupNorm({ ...io, ...scaled }, { ...options, variant: "group" }));
    const asked = { ...options, ...(film && { film: { data: film.data, samples: s.filmN!, offset: 2 } }) };
    seen = (joined) => reference.groupNorm(joined, gamma.data, beta.data, [n, channels, h, w], asked);
  }

  const { oc } = second;
  const weight = weights(10, "weight2", second, channels, oc, [h, w]);
  const bias = given(11, "bias2", [oc]);
  const options = optionsOf(second);
  const sides = [outputSize(h, options), outputSize(w, options)] as const;
  const y = f32("y", n, oc, ...sides);
  const io = { x, ...(skip && { skip: skip.tensor }), ...(rows && { norm: rows }), weight: weight.tensor, y };
  apart.push(...conv({ ...io, bias: bias.tensor }, { ...options, silu: s.silu ?? false }, weight.variant, target));
  const expected = () => {
    const first = xs();
    const joined = skip ? reference.concat(first, skip.data, n, s.skipN ?? n) : first;
    const given = { x: Float32Array.from(seen(joined)), weight: weight.data, bias: bias.data };
    return [first, convReference({ n, c1: channels, oc, h, w, ...options }, given)] as const;
  };
  const merged = mergeBetween(apart, new Set()).filter((dispatch) => dispatch !== undefined);
  return { apart, merged, inputs, x, y, expected };
}
