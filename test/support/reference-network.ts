// Slow, obvious, f64: what a whole step graph should compute, node by node, each input normalised where it is read.
import type { StepGraph, StepNode } from "../../src/inject/ops";
import { anyConvSize } from "../../src/kernels/conv/any";
import { MIX, type MixRule, STEP, STEP_FLOATS } from "../../src/kernels/step/step-row";
import type { ConvOp } from "../../src/model/ops-conv";
import * as reference from "../../src/reference";

type Numbers = ArrayLike<number>;

export interface Values {
  readonly shape: readonly number[];
  readonly data: Numbers;
}

/** Every tensor of a graph by name.
 *  @param weights a checkpoint tensor, by its key @param given graph inputs; `steps` as rows of f32 */
export function referenceGraph(
  graph: StepGraph,
  weights: (key: string) => Numbers,
  given: Readonly<Record<string, Numbers>>,
): Map<string, Values> {
  const tensors = new Map<string, Values>();
  for (const [name, { shape }] of Object.entries(graph.inputs)) tensors.set(name, { shape, data: given[name]! });
  for (const node of graph.nodes) {
    const input = (role: string): Values => tensors.get(node.inputs[role]!)!;
    const optional = (role: string): Values | undefined => (node.inputs[role] ? input(role) : undefined);
    tensors.set(node.output, evaluate(node, { input, optional, weights, tensors }));
  }
  return tensors;
}

interface Context {
  readonly input: (role: string) => Values;
  readonly optional: (role: string) => Values | undefined;
  readonly weights: (key: string) => Numbers;
  readonly tensors: Map<string, Values>;
}

function evaluate(node: StepNode, { input, optional, weights, tensors }: Context): Values {
  const { op } = node;
  switch (op.kind) {
    case "timeEmbedding": {
      const times = optional("labels")?.data ?? rowsOf(input("steps")).map((row) => row[STEP.T]!);
      const given = op.frequencies === undefined ? undefined : weights(op.frequencies);
      const data = reference.timeEmbedding(times, op.channels, op.order, op.shift, given);
      return { shape: [times.length, op.channels], data };
    }
    case "linear": {
      const x = input("x");
      const parts = op.layers.map(({ layer }) => ({ w: weights(`${layer}.weight`), b: weights(`${layer}.bias`) }));
      const [n, columns] = x.shape as [number, number];
      const rows = op.layers.reduce((sum, { rows }) => sum + rows, 0);
      const from = op.siluIn ? Array.from(x.data, reference.silu) : x.data;
      const samples = Array.from({ length: n }, (_, i) =>
        parts.flatMap(({ w, b }) =>
          Array.from(b, (bias, row) => bias + dot(w, row * columns, from, i * columns, columns)),
        ),
      );
      const data = samples.flat();
      return { shape: [n, rows], data: op.siluOut ? data.map(reference.silu) : data };
    }
    case "label": {
      const [x, labels] = [input("x"), input("labels")];
      const [table, columns] = [weights(`${op.layer}.weight`), x.shape[1]!];
      const row = (i: number) => labels.data[Math.floor(i / columns)]! * columns + (i % columns);
      return { shape: x.shape, data: Array.from(x.data, (v, i) => v + table[row(i)]!) };
    }
    case "groupNorm": {
      const x = joined(input("x"), optional("skip"));
      const [gamma, beta] = [weights(`${op.layer}.weight`), weights(`${op.layer}.bias`)];
      const norm = affineOf(x, gamma, beta, op.groups, op.eps, optional("film"), op.filmOffset ?? 0);
      return op.apply ? applied(x, norm, op.silu ?? false) : norm;
    }
    case "conv":
      return convolution(op, { input, optional, weights, tensors });
    case "channelNorm": {
      const [x, film, residual] = [input("x"), optional("film"), optional("residual")];
      const data = reference.channelNorm(x.data, weights(`${op.layer}.g`), x.shape as Shape4, {
        kind: op.norm,
        eps: op.eps,
        silu: op.silu ?? false,
        ...(film && { film: { data: film.data, samples: film.shape[0]!, offset: op.filmOffset ?? 0 } }),
        ...(residual && { residual: { data: residual.data, samples: residual.shape[0]! } }),
      });
      return { shape: x.shape, data };
    }
    case "anyConv": {
      const x = input("x");
      const [n, c, h, w] = x.shape as Shape4;
      const sizes = { n, c, oc: op.channels, h, w, kernel: op.kernel, stride: op.stride, pad: op.pad };
      const data = reference.anyConvReference(
        x.data,
        weights(`${op.layer}.weight`),
        weights(`${op.layer}.bias`),
        sizes,
      );
      return { shape: [n, op.channels, anyConvSize(h, op), anyConvSize(w, op)], data };
    }
    case "linearAttention": {
      const qkv = input("qkv");
      const [n, c3, h, w] = qkv.shape as Shape4;
      const s = { n, c: c3 / 3, h, w, heads: op.heads, divided: op.divided };
      const memory = op.memory && weights(op.memory.key);
      return { shape: [n, c3 / 3, h, w], data: reference.linearAttentionReference(qkv.data, memory, s) };
    }
    case "spaceToDepth": {
      const x = input("x");
      const [n, c, h, w] = x.shape as Shape4;
      return { shape: [n, 4 * c, h / 2, w / 2], data: reference.spaceToDepth(x.data, [n, c, h, w]) };
    }
    case "activation":
      return { ...input("x"), data: Array.from(input("x").data, reference.activations[op.activation]) };
    case "affine":
      return { ...input("x"), data: Array.from(input("x").data, (v) => op.scale * v + op.shift) };
    case "add": {
      const [x, y] = [input("x"), input("y")];
      return { shape: x.shape, data: Array.from(x.data, (v, i) => v + y.data[i % y.data.length]!) };
    }
    case "attention":
      return attention(input("qkv"), op.heads, op.order, op.memory && weights(op.memory.key));
    case "upsample2x":
    case "avgPool2": {
      const x = input("x");
      const [n, c, h, w] = x.shape as Shape4;
      return op.kind === "upsample2x"
        ? { shape: [n, c, 2 * h, 2 * w], data: reference.upsample2x(x.data, [n, c, h, w]) }
        : { shape: [n, c, h >> 1, w >> 1], data: reference.avgPool2(x.data, [n, c, h, w]) };
    }
    case "concat":
      return joined(input("x"), input("skip"));
    case "stack": {
      const [a, b] = [input("a"), input("b")];
      return { shape: [a.shape[0]! + b.shape[0]!, ...a.shape.slice(1)], data: [...toArray(a), ...toArray(b)] };
    }
    case "mix": {
      const [h, content, mask, rows] = [input("h"), input("content"), optional("mask"), rowsOf(input("steps"))];
      const rules = Object.fromEntries(Object.entries(MIX).map(([rule, number]) => [number, rule as MixRule]));
      const data = rows.flatMap((row, n) => [
        ...reference.mix(
          sampleOf(h, n),
          sampleOf(content, n),
          mask && sampleOf(mask, n),
          rules[row[STEP.RULE + op.slot]!]!,
          row[STEP.GAMMA + op.slot]!,
        ),
      ]);
      return { shape: h.shape, data };
    }
    case "predictX0": {
      const [x, eps, rows] = [input("x"), input("eps"), rowsOf(input("steps"))];
      const samples = Array.from({ length: eps.shape[0]! }, (_, j) => {
        const from = sampleOf(x, j);
        return [
          ...reference.predictX0(scalarsOf(rows[j % rows.length]!), from, sampleOf(eps, j).slice(0, from.length)),
        ];
      });
      return { shape: [eps.shape[0]!, ...x.shape.slice(1)], data: samples.flat() };
    }
    case "moments": {
      const x = input("x");
      const all = Array.from({ length: x.shape[0]! }, (_, n) => reference.moments(sampleOf(x, n)));
      return { shape: [x.shape[0]!, 2], data: all.flat() };
    }
    case "calibrate": {
      const [x, eps, rows] = [input("x"), input("eps"), rowsOf(input("steps"))];
      const [masks, omegas] = [optional("masks"), optional("omegas")];
      const regions = Array.from(omegas?.data ?? [], (omega, r) => ({ mask: sampleOf(masks!, r), omega }));
      const samples = rows.map((row, n) => {
        const from = sampleOf(x, n);
        const e = (j: number) => sampleOf(eps, j).slice(0, from.length);
        return [...reference.calibrate(scalarsOf(row), from, e(n), e(rows.length + n), regions)];
      });
      return { shape: x.shape, data: samples.flat() };
    }
    case "ddim": {
      const [x, eps, noise, rows] = [input("x"), input("eps"), optional("noise"), rowsOf(input("steps"))];
      const before = optional("before");
      const count = x.data.length / rows.length;
      const each = rows.map((row, n) => {
        const e = (j: number) => sampleOf(eps, j).slice(0, count);
        const injected = e(op.asymmetric ? rows.length + n : n);
        const z = noise ? sampleOf(noise, n) : [...reference.gaussianNoise(keyOf(row), count)];
        return {
          next: [...reference.ddim(scalarsOf(row), sampleOf(x, n), e(n), injected, z, before && sampleOf(before, n))],
          x0: [...reference.predictX0(scalarsOf(row), sampleOf(x, n), injected)],
        };
      });
      const x0 = node.sideOutputs?.x0;
      if (x0) tensors.set(x0, { shape: x.shape, data: each.flatMap((sample) => sample.x0) });
      return { shape: x.shape, data: each.flatMap(({ next }) => next) };
    }
    case "retrace": {
      const [x, eps, before, rows] = [input("x"), input("eps"), input("before"), rowsOf(input("steps"))];
      const count = x.data.length / rows.length;
      const each = rows.map((row, n) => {
        const e = (j: number) => sampleOf(eps, j).slice(0, count);
        const injected = e(op.asymmetric ? rows.length + n : n);
        return reference.retrace(scalarsOf(row), sampleOf(x, n), e(n), injected, sampleOf(before, n));
      });
      const moved = node.sideOutputs?.moved;
      if (moved) tensors.set(moved, { shape: x.shape, data: each.flatMap((sample) => [...sample.moved]) });
      return { shape: x.shape, data: each.flatMap(({ rest }) => [...rest]) };
    }
    case "diffuse": {
      const [x, z, rows] = [input("x"), input("z"), rowsOf(input("steps"))];
      const samples = rows.map((row, n) => {
        const { SQRT_ALPHA: signal, SQRT_ONE_MINUS_ALPHA: noise } = scalarsOf(row);
        const drawn = sampleOf(z, n);
        return sampleOf(x, n).map((v, i) => signal * v + noise * drawn[i]!);
      });
      return { shape: x.shape, data: samples.flat() };
    }
    case "gaussian": {
      const { shape } = input("like");
      const rows = rowsOf(input("steps"));
      const count = size(shape) / rows.length;
      return { shape, data: rows.flatMap((row) => [...reference.gaussianNoise(keyOf(row), count)]) };
    }
    case "nonFinite":
      return { shape: [1], data: [toArray(input("x")).every(Number.isFinite) ? 0xffffffff : 0] };
    default:
      return op satisfies never;
  }
}

type Shape4 = [n: number, c: number, h: number, w: number];

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const toArray = ({ data }: Values): number[] => Array.from(data);

/** Sample n, round and round. */
const sampleOf = ({ shape, data }: Values, n: number): number[] => reference.sample(data, shape[0]!, n);

function dot(a: Numbers, aStart: number, b: Numbers, bStart: number, count: number): number {
  let sum = 0;
  for (let k = 0; k < count; k++) sum += a[aStart + k]! * b[bStart + k]!;
  return sum;
}

const rowsOf = ({ shape, data }: Values): Float32Array[] =>
  Array.from({ length: shape[0]! }, (_, n) => (data as Float32Array).slice(n * STEP_FLOATS, (n + 1) * STEP_FLOATS));

const scalarsOf = (row: Float32Array): reference.Scalars => ({
  SQRT_ALPHA: row[STEP.SQRT_ALPHA]!,
  SQRT_ONE_MINUS_ALPHA: row[STEP.SQRT_ONE_MINUS_ALPHA]!,
  SQRT_ALPHA_NEXT: row[STEP.SQRT_ALPHA_NEXT]!,
  DIRECTION: row[STEP.DIRECTION]!,
  SIGMA: row[STEP.SIGMA]!,
  OMEGA: row[STEP.OMEGA]!,
  RESCALE: row[STEP.RESCALE]!,
  X0_X: row[STEP.X0_X]!,
  X0_O: row[STEP.X0_O]!,
  EPS_X: row[STEP.EPS_X]!,
  EPS_O: row[STEP.EPS_O]!,
  CLIP: row[STEP.CLIP]!,
});

function keyOf(row: Float32Array): { seed: number; stream: number; draw: number } {
  const words = new Uint32Array(row.buffer);
  return { seed: words[STEP.SEED]!, stream: words[STEP.STREAM]!, draw: words[STEP.DRAW]! };
}

function joined(x: Values, skip: Values | undefined): Values {
  if (!skip) return x;
  const [n, c, h, w] = x.shape as Shape4;
  const data = reference.concat(x.data, skip.data, n, skip.shape[0]!);
  return { shape: [n, c + skip.shape[1]!, h, w], data };
}

/** (mean, scale, shift, 0) of every channel.   Wu & He 2018 */
function affineOf(
  x: Values,
  gamma: Numbers,
  beta: Numbers,
  groups: number,
  eps: number,
  film: Values | undefined,
  offset: number,
): Values {
  const [n, c, h, w] = x.shape as Shape4;
  const count = (c / groups) * h * w;
  const norm = new Float64Array(n * c * 4);
  for (let group = 0; group < n * groups; group++) {
    let [mean, squares] = [0, 0];
    for (let i = 0; i < count; i++) mean += x.data[group * count + i]! / count;
    for (let i = 0; i < count; i++) squares += (x.data[group * count + i]! - mean) ** 2;
    const deviation = Math.sqrt(squares / count + eps);
    for (let k = 0; k < c / groups; k++) {
      const channel = (group % groups) * (c / groups) + k;
      const sample = Math.floor(group / groups);
      const row = film ? (sample % film.shape[0]!) * film.shape[1]! + offset + channel : 0;
      const [more, add] = film ? [1 + film.data[row]!, film.data[row + c]!] : [1, 0];
      norm.set([mean, (gamma[channel]! * more) / deviation, beta[channel]! * more + add], 4 * (sample * c + channel));
    }
  }
  return { shape: [n, c, 4], data: norm };
}

function applied(x: Values, norm: Values | undefined, silu: boolean): Values {
  const [n, c, h, w] = x.shape as Shape4;
  const data = Float64Array.from(x.data);
  for (let i = 0; i < data.length; i++) {
    if (norm) {
      const at = 4 * (Math.floor(i / (h * w)) % (norm.shape[0]! * c));
      data[i] = (data[i]! - norm.data[at]!) * norm.data[at + 1]! + norm.data[at + 2]!;
    }
    if (silu) data[i] = reference.silu(data[i]!);
  }
  return { shape: [n, c, h, w], data };
}

/** y[n, o, p] = bias[o] + temb[n, o] + sum_{c, dy, dx} w[o, c, dy, dx] in[n, c, stride p + (dy, dx) - pad] + residual. */
function convolution(op: ConvOp, { input, optional, weights }: Context): Values {
  const { kernel, layers, stride = 1, pad = op.stride === 2 ? "asymmetric" : "same", upsample = false } = op;
  const before = kernel === 3 && pad === "same" ? 1 : 0;
  let x = applied(joined(input("x"), optional("skip")), optional("norm"), op.silu ?? false);
  if (upsample) {
    const [n, c, h, w] = x.shape as Shape4;
    x = { shape: [n, c, 2 * h, 2 * w], data: reference.upsample2x(x.data, [n, c, h, w]) };
  }
  const [n, c, h, w] = x.shape as Shape4;
  const weight = layers.flatMap((layer) => Array.from(weights(`${layer}.weight`)));
  const bias =
    op.bias === false ? new Float64Array(op.channels) : layers.flatMap((layer) => Array.from(weights(`${layer}.bias`)));
  const out = (side: number) => (kernel === 1 ? side : Math.floor((side + (pad === "same" ? 2 : 1) - 3) / stride) + 1);
  const [oh, ow] = [out(h), out(w)];
  const [temb, residual] = [optional("temb"), optional("residual")];
  const offset = op.tembOffset ?? 0;
  const y = new Float64Array(n * op.channels * oh * ow);
  for (let s = 0; s < n; s++)
    for (let o = 0; o < op.channels; o++) {
      const plane = y.subarray((s * op.channels + o) * oh * ow, (s * op.channels + o + 1) * oh * ow);
      plane.fill(bias[o]! + (temb ? temb.data[(s % temb.shape[0]!) * temb.shape[1]! + offset + o]! : 0));
      for (let k = 0; k < c; k++)
        for (let dy = 0; dy < kernel; dy++)
          for (let dx = 0; dx < kernel; dx++) {
            const tap = weight[((o * c + k) * kernel + dy) * kernel + dx]!;
            for (let oy = 0; oy < oh; oy++) {
              const iy = oy * stride + dy - before;
              if (iy < 0 || iy >= h) continue;
              for (let ox = 0; ox < ow; ox++) {
                const ix = ox * stride + dx - before;
                if (ix >= 0 && ix < w) plane[oy * ow + ox]! += tap * x.data[((s * c + k) * h + iy) * w + ix]!;
              }
            }
          }
      if (residual)
        for (let p = 0; p < oh * ow; p++)
          plane[p]! += residual.data[((s % residual.shape[0]!) * op.channels + o) * oh * ow + p]!;
    }
  return { shape: [n, op.channels, oh, ow], data: y };
}

/** softmax(q^T k / sqrt(d)) applied to v, for each sample and head.   Vaswani et al. 2017 */
function attention(qkv: Values, heads: number, order: "legacy" | "new", memory: Numbers | undefined): Values {
  const [n, c3, h, w] = qkv.shape as Shape4;
  if (memory) {
    const s = { n, c: c3 / 3, h, w, heads };
    return { shape: [n, c3 / 3, h, w], data: reference.memoryAttentionReference(qkv.data, memory, s) };
  }
  const [c, t] = [c3 / 3, h * w];
  const d = c / heads;
  const y = new Float64Array(n * c * t);
  for (let s = 0; s < n; s++)
    for (let head = 0; head < heads; head++) {
      const row = (part: number) => (s * c3 + (order === "legacy" ? (head * 3 + part) * d : part * c + head * d)) * t;
      const [q, k, v] = [row(0), row(1), row(2)];
      for (let i = 0; i < t; i++) {
        const scores = Array.from({ length: t }, (_, j) => {
          let sum = 0;
          for (let e = 0; e < d; e++) sum += qkv.data[q + e * t + i]! * qkv.data[k + e * t + j]!;
          return sum / Math.sqrt(d);
        });
        const peak = Math.max(...scores);
        const shares = scores.map((score) => Math.exp(score - peak));
        const total = shares.reduce((a, b) => a + b, 0);
        for (let e = 0; e < d; e++) y[(s * c + head * d + e) * t + i] = dot(shares, 0, qkv.data, v + e * t, t) / total;
      }
    }
  return { shape: [n, c, h, w], data: y };
}
