import { ShapeError } from "../errors";
import { chooseConv1x1, conv1x1, conv1x1Weight, packConv1x1 } from "../kernels/conv/conv1x1";
import { chooseConv3x3, conv3x3, conv3x3Weight, packConv3x3 } from "../kernels/conv/conv3x3";
import { packed } from "../kernels/conv/packing";
import { type ConvShape, convKey, type Dtype, type Target } from "../kernels/conv/variants";
import { type Dispatch, elements, f32, type Tensor, u32 } from "../kernels/dispatch";
import { chooseGroupNorm, groupNorm } from "../kernels/norm/group-norm";
import { addRow } from "../kernels/pointwise/add-row";
import { avgPool2 } from "../kernels/pointwise/avg-pool2";
import { concat } from "../kernels/pointwise/concat";
import { nonFinite } from "../kernels/pointwise/non-finite";
import { stack } from "../kernels/pointwise/stack";
import { timeEmbedding } from "../kernels/pointwise/time-embedding";
import { upsample2x } from "../kernels/pointwise/upsample2x";
import { attention } from "../kernels/product/attention";
import { chooseLinear, linear, linearWeight } from "../kernels/product/linear";
import { calibrate } from "../kernels/step/calibrate";
import { ddimStep } from "../kernels/step/ddim";
import { mix } from "../kernels/step/mix";
import { moments } from "../kernels/step/moments";
import { gaussian } from "../kernels/step/noise";
import { predictX0 } from "../kernels/step/predict-x0";
import { STEP_FLOATS } from "../kernels/step/step-row";
import type { Graph, Node } from "./graph";

/** A weight as the kernels want it: which checkpoint tensors it is made of, and how. */
export interface PackedWeight {
  readonly tensor: Tensor;
  /** checkpoint keys, in the order `pack` takes them, and the shape each must have */
  readonly sources: readonly { readonly key: string; readonly elements: number }[];
  /** from the sources joined in that order */
  pack(all: Float32Array<ArrayBuffer>): Uint8Array;
  /** f32 as they come: packed, they are the sources' own bytes one after the other */
  readonly plain: boolean;
}

/** A node with its kernels chosen. */
export interface LoweredNode {
  readonly name: string;
  readonly kind: Node["op"]["kind"];
  readonly dispatches: readonly Dispatch[];
  readonly output: Tensor;
  /** multiply-adds of the arithmetic asked for, whichever variant computes it */
  readonly macs: number;
}

/** A convolution of a graph, as far as its speed depends on it. */
export interface ConvUse {
  readonly kernel: 1 | 3;
  readonly shape: ConvShape;
  readonly weights: Dtype;
  /** Padding of a 3x3. */
  readonly pad: "same" | "asymmetric";
  readonly norm: boolean;
  readonly silu: boolean;
}

/** A graph ready to plan: kernels chosen, shapes known, weights listed. Pure data; no device. */
export interface Lowered {
  readonly nodes: readonly LoweredNode[];
  readonly weights: ReadonlyMap<string, PackedWeight>;
  /** one of every kind of convolution */
  readonly convs: readonly ConvUse[];
  /** graph inputs and outputs: tensors with buffers of their own */
  readonly external: ReadonlyMap<string, Tensor>;
}

export const dispatchesOf = (lowered: Lowered): Dispatch[] => lowered.nodes.flatMap((n) => n.dispatches);

/** Chooses a kernel for every node. Batch sizes follow the inputs: behind a `stack` they are doubled, and readers of
 *  smaller tensors (skips, embeddings) share them.
 *  @param keptF32 packed weights, by name, that stay f32 though the target stores f16 @throws ShapeError naming the node */
export function lower(graph: Graph, target: Target, keptF32: ReadonlySet<string> = new Set()): Lowered {
  const lowering = new Lowering(graph, target, keptF32);
  const nodes = graph.nodes.map((node) => lowering.lower(node));
  const names = [...Object.keys(graph.inputs), ...graph.outputs];
  return {
    nodes,
    weights: lowering.weights,
    convs: [...lowering.convs.values()],
    external: new Map(names.map((name) => [name, lowering.tensor(name)])),
  };
}

class Lowering {
  readonly weights = new Map<string, PackedWeight>();
  readonly convs = new Map<string, ConvUse>();
  readonly #tensors = new Map<string, Tensor>();

  constructor(
    graph: Graph,
    readonly target: Target,
    readonly keptF32: ReadonlySet<string>,
  ) {
    for (const [name, shape] of Object.entries(graph.inputs)) this.#tensors.set(name, inputTensor(name, shape));
  }

  tensor(name: string): Tensor {
    const found = this.#tensors.get(name);
    if (!found) throw new ShapeError(`the graph reads "${name}" before any node writes it`);
    return found;
  }

  lower(node: Node): LoweredNode {
    const { dispatches, output, macs = 0 } = this.#kernels(node);
    this.#tensors.set(node.output, output);
    return {
      name: node.name,
      kind: node.op.kind,
      dispatches: dispatches.map((d) => ({ ...d, label: labelled(node.name, d.label) })),
      output,
      macs,
    };
  }

  #kernels(node: Node): { dispatches: Dispatch[]; output: Tensor; macs?: number } {
    const { op, output: name } = node;
    const input = (role: string): Tensor => {
      const t = node.inputs[role];
      if (t === undefined) throw new ShapeError(`${node.name}: a ${op.kind} node needs an input "${role}"`);
      return this.tensor(t);
    };
    const optional = (role: string): Tensor | undefined =>
      node.inputs[role] === undefined ? undefined : this.tensor(node.inputs[role]);
    const like = (t: Tensor, ...shape: number[]): Tensor => f32(name, ...(shape.length > 0 ? shape : t.shape));

    switch (op.kind) {
      case "timeEmbedding": {
        const steps = input("steps");
        const y = f32(name, steps.shape[0]!, op.channels);
        return { dispatches: timeEmbedding({ steps, y }, { order: op.order }), output: y };
      }
      case "linear":
        return this.#linear(op, input("x"), name);
      case "label": {
        const x = input("x");
        const labels = input("labels");
        const table = this.#raw(`${op.layer}.weight`, op.rows, x.shape[1]!);
        const y = like(x);
        return { dispatches: addRow({ x, table, labels, y }), output: y };
      }
      case "groupNorm": {
        const x = input("x");
        const skip = optional("skip");
        const film = optional("film");
        const c = x.shape[1]! + (skip?.shape[1] ?? 0);
        const gamma = this.#raw(`${op.layer}.weight`, c);
        const beta = this.#raw(`${op.layer}.bias`, c);
        const norm = f32(op.apply ? `${name}/norm` : name, x.shape[0]!, c, 4);
        const y = op.apply ? f32(name, x.shape[0]!, c, x.shape[2]!, x.shape[3]!) : undefined;
        const dispatches = groupNorm(
          {
            x,
            ...(skip && { skip }),
            gamma,
            beta,
            ...(film && { film: { tensor: film, offset: op.filmOffset! } }),
            norm,
            ...(y && { y }),
          },
          {
            groups: op.groups,
            eps: op.eps,
            silu: op.silu ?? false,
            variant: chooseGroupNorm(x.shape[2]! * x.shape[3]!, this.target),
          },
        );
        return { dispatches, output: y ?? norm };
      }
      case "conv3x3":
        return this.#conv3x3(op, input("x"), optional, name);
      case "conv1x1":
        return this.#conv1x1(op, input("x"), optional, name);
      case "attention": {
        const qkv = input("qkv");
        const [n, c3, h, w] = qkv.shape as [number, number, number, number];
        const y = f32(name, n, c3 / 3, h, w);
        const dispatches = attention({ qkv, y }, { heads: op.heads, order: op.order, target: this.target });
        return { dispatches, output: y, macs: 2 * n * (c3 / 3) * (h * w) ** 2 };
      }
      case "upsample2x":
      case "avgPool2": {
        const x = input("x");
        const [n, c, h, w] = x.shape as [number, number, number, number];
        const up = op.kind === "upsample2x";
        const y = up ? f32(name, n, c, 2 * h, 2 * w) : f32(name, n, c, h >> 1, w >> 1);
        return { dispatches: (up ? upsample2x : avgPool2)({ x, y }), output: y };
      }
      case "concat": {
        const x = input("x");
        const skip = input("skip");
        const y = f32(name, x.shape[0]!, x.shape[1]! + skip.shape[1]!, x.shape[2]!, x.shape[3]!);
        return { dispatches: concat({ x, skip, y }), output: y };
      }
      case "stack": {
        const a = input("a");
        const b = input("b");
        const y = f32(name, a.shape[0]! + b.shape[0]!, ...a.shape.slice(1));
        return { dispatches: stack({ a, b, y }), output: y };
      }
      case "mix": {
        const h = input("h");
        const mask = optional("mask");
        const y = like(h);
        const io = { steps: input("steps"), h, content: input("content"), ...(mask && { mask }), y };
        return { dispatches: mix(io, { slot: op.slot }), output: y };
      }
      case "predictX0": {
        const x = input("x");
        const eps = input("eps");
        const y = f32(name, eps.shape[0]!, ...x.shape.slice(1));
        return { dispatches: predictX0({ steps: input("steps"), x, eps, y }), output: y };
      }
      case "moments": {
        const x = input("x");
        const y = f32(name, x.shape[0]!, 2);
        return { dispatches: moments({ x, y }), output: y };
      }
      case "calibrate": {
        const x = input("x");
        const masks = optional("masks");
        const io = {
          steps: input("steps"),
          x,
          eps: input("eps"),
          p: input("p"),
          moments: input("moments"),
          ...(masks && { regions: { masks, omegas: input("omegas") } }),
          y: like(x),
        };
        return { dispatches: calibrate(io), output: io.y };
      }
      case "ddim": {
        const x = input("x");
        const next = like(x);
        const noise = optional("noise");
        const x0 = f32("x0", ...x.shape);
        this.#tensors.set("x0", x0);
        const io = { steps: input("steps"), x, eps: input("eps"), ...(noise && { noise }), next, x0 };
        return { dispatches: ddimStep(io, { asymmetric: op.asymmetric }), output: next };
      }
      case "gaussian": {
        const y = like(input("like"));
        return { dispatches: gaussian({ steps: input("steps"), y }), output: y };
      }
      case "nonFinite": {
        const flag = u32(name, 1);
        return { dispatches: nonFinite({ x: input("x"), steps: input("steps"), flag }), output: flag };
      }
      default:
        throw new Error(`no kernel for ${(op satisfies never as Node["op"]).kind}`);
    }
  }

  #linear(op: Extract<Node["op"], { kind: "linear" }>, x: Tensor, name: string) {
    const [n, i] = x.shape as [number, number];
    const o = op.layers.reduce((sum, l) => sum + l.rows, 0);
    const first = op.layers[0]!.layer;
    const weightName = `${first}.weight*${op.layers.length}`;
    const stored = linearWeight(weightName, o, i, this.#targetFor(weightName).weights);
    const weight = this.#weight(
      stored,
      op.layers.map(({ layer, rows }) => ({ key: `${layer}.weight`, elements: rows * i })),
      stored.dtype === "f16" ? (all) => packed(all, "f16") : asBytes,
    );
    const bias = this.#weight(
      f32(`${first}.bias*${op.layers.length}`, o),
      op.layers.map(({ layer, rows }) => ({ key: `${layer}.bias`, elements: rows })),
      asBytes,
    );
    const y = f32(name, n, o);
    const { siluIn = false, siluOut = false } = op;
    const dispatches = linear({ x, weight, bias, y }, { siluIn, siluOut, variant: chooseLinear(i, this.target) });
    return { dispatches, output: y, macs: n * i * o };
  }

  #conv3x3(op: Extract<Node["op"], { kind: "conv3x3" }>, x: Tensor, optional: Optional, name: string) {
    const [n, c1, h, w] = x.shape as [number, number, number, number];
    const io = convInputs(x, optional, op.tembOffset);
    const ic = c1 + (io.skip?.shape[1] ?? 0);
    const { channels: oc, stride = 1, upsample = false, pad = stride === 2 ? "asymmetric" : "same" } = op;
    const round = pad === "asymmetric" ? Math.floor : Math.ceil;
    const out = (side: number) => (upsample ? 2 * side : round(side / stride));
    // The variant must not depend on the batch: all step graphs of a model share one set of packed weights.
    const weightName = `${op.layer}.weight`;
    const shape = { n: 1, c1, c2: ic - c1, oc, h, w, stride, upsample };
    const target = this.#targetFor(weightName);
    const key = convKey(shape, target.weights);
    const variant = target.tuned?.conv3x3[key] ?? chooseConv3x3(shape, target);
    const silu = op.silu ?? false;
    this.convs.set(`3 ${key}`, { kernel: 3, shape, weights: target.weights, pad, norm: io.norm !== undefined, silu });
    const weight = this.#weight(
      conv3x3Weight(weightName, oc, ic, variant),
      [{ key: `${op.layer}.weight`, elements: oc * ic * 9 }],
      (all) => packConv3x3(all, oc, ic, variant),
    );
    const bias = this.#raw(`${op.layer}.bias`, oc);
    const y = f32(name, n, oc, out(h), out(w));
    const options = { stride, upsample, pad, silu, variant };
    return {
      dispatches: conv3x3({ ...io, weight, bias, y }, options),
      output: y,
      macs: 9 * ic * elements(y),
    };
  }

  #conv1x1(op: Extract<Node["op"], { kind: "conv1x1" }>, x: Tensor, optional: Optional, name: string) {
    const [n, c1, h, w] = x.shape as [number, number, number, number];
    const io = convInputs(x, optional);
    const ic = c1 + (io.skip?.shape[1] ?? 0);
    const { channels: oc, layers } = op;
    const rows = oc / layers.length;
    const weightName = `${layers.join("+")}.weight`;
    const shape = { n: 1, c1, c2: ic - c1, oc, h, w, stride: 1, upsample: false } as const;
    const target = this.#targetFor(weightName);
    const key = convKey(shape, target.weights);
    const variant = target.tuned?.conv1x1[key] ?? chooseConv1x1(shape, target);
    const norm = io.norm !== undefined;
    const silu = op.silu ?? false;
    this.convs.set(`1 ${key}`, { kernel: 1, shape, weights: target.weights, pad: "same", norm, silu });
    const weight = this.#weight(
      conv1x1Weight(weightName, oc, ic, variant),
      layers.map((layer) => ({ key: `${layer}.weight`, elements: rows * ic })),
      (all) => packConv1x1(all, oc, ic, variant),
    );
    const bias = this.#weight(
      f32(`${layers.join("+")}.bias`, oc),
      layers.map((layer) => ({ key: `${layer}.bias`, elements: rows })),
      asBytes,
    );
    const y = f32(name, n, oc, h, w);
    return {
      dispatches: conv1x1({ ...io, weight, bias, y }, { silu, variant }),
      output: y,
      macs: ic * elements(y),
    };
  }

  #targetFor(weight: string): Target {
    return this.keptF32.has(weight) ? { ...this.target, weights: "f32" } : this.target;
  }

  /** A checkpoint tensor uploaded as it is. */
  #raw(key: string, ...shape: number[]): Tensor {
    const tensor = f32(key, ...shape);
    return this.#weight(tensor, [{ key, elements: elements(tensor) }], asBytes);
  }

  #weight(tensor: Tensor, sources: PackedWeight["sources"], pack: PackedWeight["pack"]): Tensor {
    const found = this.weights.get(tensor.name);
    if (!found) this.weights.set(tensor.name, { tensor, sources, pack, plain: pack === asBytes });
    return found?.tensor ?? tensor;
  }
}

type Optional = (role: string) => Tensor | undefined;

function convInputs(x: Tensor, optional: Optional, tembOffset?: number) {
  const skip = optional("skip");
  const norm = optional("norm");
  const temb = optional("temb");
  const residual = optional("residual");
  return {
    x,
    ...(skip && { skip }),
    ...(norm && { norm }),
    ...(temb && { temb: { tensor: temb, offset: tembOffset ?? 0 } }),
    ...(residual && { residual }),
  };
}

const asBytes = (all: Float32Array): Uint8Array => new Uint8Array(all.buffer, all.byteOffset, all.byteLength);

function inputTensor(name: string, shape: readonly number[]): Tensor {
  if (name === "steps") return f32(name, shape[0]!, STEP_FLOATS);
  return name === "labels" ? u32(name, ...shape) : f32(name, ...shape);
}

/** Kernels label their parts by tensor (`mid.block_1/gemm`); profiles and errors read better by node. */
const labelled = (node: string, label: string): string => {
  const part = label.includes("/") ? label.slice(label.lastIndexOf("/")) : "";
  return node + part;
};
