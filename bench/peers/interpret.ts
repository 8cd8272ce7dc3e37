import type { Graph, Node } from "../../src/graph/graph";
import type { NetworkOp } from "../../src/model/ops";

/** A weight in the layout of checkpoints: conv [O, I, K, K], linear [O, I]. */
export interface Weight {
  readonly key: string;
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** Operations that a peer must offer to run one of our graphs, in its own best way. `T` is whatever it calls a tensor; images may
 *  lie in any layout inside. */
export interface Ops<T> {
  /** f32 [N, C, H, W], or [N, C] */
  input(name: string, shape: readonly number[]): T;
  concat(a: T, b: T): T;
  add(a: T, b: T): T;
  silu(x: T): T;
  /** columns of [N, C] */
  slice(x: T, from: number, count: number): T;
  /** [N, C, H, W] + [N, C] */
  addRow(x: T, row: T): T;
  linear(x: T, weight: Weight, bias: Weight): T;
  /** @param pads top, left, bottom, right */
  conv(x: T, weight: Weight, bias: Weight, o: { stride: number; pads: readonly number[] }): T;
  groupNorm(x: T, gamma: Weight, beta: Weight, o: GroupNormOptions): T;
  /** One head: q, k and v are thirds of the channels. */
  attention(qkv: T, shape: Shape4): T;
  upsample2x(x: T, shape: Shape4): T;
}

export type Shape4 = readonly [n: number, c: number, h: number, w: number];

export interface GroupNormOptions {
  readonly shape: Shape4;
  readonly groups: number;
  readonly eps: number;
}

/** Checkpoint tensors, those of layers that run as one joined: made once, since engines may interpret again and again. */
export class Weights {
  readonly #made = new Map<string, Weight>();

  constructor(readonly tensors: ReadonlyMap<string, Float32Array<ArrayBuffer>>) {}

  of(layers: readonly string[], part: string, ...shape: number[]): Weight {
    const key = `${layers.join("+")}.${part}`;
    let weight = this.#made.get(key);
    if (!weight) {
      const parts = layers.map((layer) => this.tensors.get(`${layer}.${part}`)!);
      const data = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const values of parts) {
        data.set(values, at);
        at += values.length;
      }
      this.#made.set(key, (weight = { key, shape, data }));
    }
    return weight;
  }
}

interface Value<T> {
  readonly t: T;
  readonly shape: readonly number[];
}

/** The first output of a graph, computed by a peer's operations.
 *  @throws Error for nodes that no benchmark graph has */
export function interpret<T>(graph: Graph<NetworkOp>, ops: Ops<T>, weights: Weights): T {
  const values = new Map<string, Value<T>>();
  for (const [name, { shape }] of Object.entries(graph.inputs))
    if (name !== "steps") values.set(name, { t: ops.input(name, shape), shape });
  const batch = graph.inputs.x!.shape[0]!;
  for (const node of graph.nodes) {
    values.set(node.output, evaluate(node, ops, values, weights, batch));
    if (node.output === graph.outputs[0]) break;
  }
  return values.get(graph.outputs[0]!)!.t;
}

function evaluate<T>(
  { op, inputs, name }: Node<NetworkOp>,
  ops: Ops<T>,
  values: ReadonlyMap<string, Value<T>>,
  weights: Weights,
  batch: number,
): Value<T> {
  const input = (role: string): Value<T> => values.get(inputs[role]!)!;
  const joined = (): Value<T> => {
    const x = input("x");
    if (!inputs.skip) return x;
    const skip = input("skip");
    const [n, c, h, w] = x.shape as Shape4;
    return { t: ops.concat(x.t, skip.t), shape: [n, c + skip.shape[1]!, h, w] };
  };
  switch (op.kind) {
    case "timeEmbedding":
      return { t: ops.input("temb", [batch, op.channels]), shape: [batch, op.channels] };
    case "linear": {
      const { t, shape } = input("x");
      const rows = op.layers.reduce((sum, l) => sum + l.rows, 0);
      const names = op.layers.map((l) => l.layer);
      const y = ops.linear(
        op.siluIn ? ops.silu(t) : t,
        weights.of(names, "weight", rows, shape[1]!),
        weights.of(names, "bias", rows),
      );
      return { t: op.siluOut ? ops.silu(y) : y, shape: [batch, rows] };
    }
    case "groupNorm": {
      const x = joined();
      const shape = x.shape as Shape4;
      const [gamma, beta] = [weights.of([op.layer], "weight", shape[1]), weights.of([op.layer], "bias", shape[1])];
      const y = ops.groupNorm(x.t, gamma, beta, { shape, groups: op.groups, eps: op.eps });
      return { t: op.apply && op.silu ? ops.silu(y) : y, shape };
    }
    case "conv": {
      let { t, shape } = inputs.norm ? input("norm") : joined();
      if (op.silu) t = ops.silu(t);
      const small = op.kernel === 1;
      if (op.upsample) {
        t = ops.upsample2x(t, shape as Shape4);
        shape = [shape[0]!, shape[1]!, 2 * shape[2]!, 2 * shape[3]!];
      }
      const side = op.kernel;
      const stride = op.stride ?? 1;
      const asymmetric = !small && stride === 2 && (op.pad ?? "asymmetric") === "asymmetric";
      t = ops.conv(
        t,
        weights.of(op.layers, "weight", op.channels, shape[1]!, side, side),
        weights.of(op.layers, "bias", op.channels),
        { stride, pads: small ? [0, 0, 0, 0] : asymmetric ? [0, 0, 1, 1] : [1, 1, 1, 1] },
      );
      if (inputs.temb) t = ops.addRow(t, ops.slice(input("temb").t, op.tembOffset ?? 0, op.channels));
      if (inputs.residual) t = ops.add(t, input("residual").t);
      return { t, shape: [shape[0]!, op.channels, shape[2]! / stride, shape[3]! / stride] };
    }
    case "attention": {
      if (op.heads !== 1) throw new Error(`${name}: peers are given one head`);
      const { t, shape } = input("qkv");
      const [n, c3, h, w] = shape as Shape4;
      return { t: ops.attention(t, [n, c3 / 3, h, w]), shape: [n, c3 / 3, h, w] };
    }
    case "concat":
      return joined();
    default:
      throw new Error(`${name}: a ${op.kind} node is not part of any peer benchmark`);
  }
}
