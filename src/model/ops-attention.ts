import type { Graph, Node } from "../graph/graph";
import type { Combine, Ops } from "../graph/lower";
import { linearAttention } from "../kernels/attention/linear-attention";
import { conv, packConvInParts } from "../kernels/conv/conv";
import { packed } from "../kernels/conv/packing";
import { convShape } from "../kernels/conv/variant";
import { variantFor } from "../kernels/conv/variants";
import { dims4, f32, type Tensor } from "../kernels/dispatch";
import { attention } from "../kernels/product/attention";
import { foldedAttention, suitsFolding } from "../kernels/product/folded-attention";
import { foldedBias, foldedWeights } from "../kernels/product/folded-weights";
import type { Target } from "../kernels/target";
import type { ConvOp } from "./ops-conv";

/** Attention over all pixels of `qkv`: the ordinary one, and one whose cost is linear in their number. */
export type AttentionOp =
  /** `memory`: learned keys and values [2, heads, positions, d] before those of the pixels */
  | {
      readonly kind: "attention";
      readonly heads: number;
      readonly order: "legacy" | "new";
      readonly memory?: Memory | undefined;
    }
  /** `memory`: [2, heads, d, positions]; `divided`: values are divided by the number of pixels first */
  | {
      readonly kind: "linearAttention";
      readonly heads: number;
      readonly divided: boolean;
      readonly memory?: Memory | undefined;
    };

/** Learned keys and values of an attention: a checkpoint tensor, and its number of positions. */
export interface Memory {
  readonly key: string;
  readonly positions: number;
}

/** Attention of one head from `x`, normalised by `norm` if given, to `x` plus its result: the projections of q, k and v, the
 *  attention and the projection of its output, as one. No network is built with it: lowering puts it in their place. */
export interface FoldedAttentionOp {
  readonly kind: "foldedAttention";
  /** one layer of q, k and v, or one of each */
  readonly qkv: readonly string[];
  readonly proj: string;
  /** layers, of these, that have a bias */
  readonly biased: readonly string[];
  readonly channels: number;
}

/** Kernels of attention, and when the projections beside it are folded. */
export const attentionOps: Ops<AttentionOp | FoldedAttentionOp> = {
  combine: foldAttention,

  attention({ heads, order, memory }, io, context) {
    const { target } = context;
    const qkv = io.input("qkv");
    const [n, c3, h, w] = dims4(qkv);
    const c = c3 / 3;
    const y = io.output(n, c, h, w);
    const learned = memory && context.parameter(memory.key, 2, heads, memory.positions, c / heads);
    const dispatches = attention({ qkv, memory: learned, y }, { heads, order, target });
    return { dispatches, output: y, macs: 2 * n * c * h * w * (h * w + (memory?.positions ?? 0)) };
  },

  linearAttention({ heads, divided, memory }, io, context) {
    const qkv = io.input("qkv");
    const [n, c3, h, w] = dims4(qkv);
    const c = c3 / 3;
    const y = io.output(n, c, h, w);
    const learned = memory && context.parameter(memory.key, 2, heads, c / heads, memory.positions);
    const dispatches = linearAttention({ qkv, memory: learned, y }, { heads, divided });
    return { dispatches, output: y, macs: 2 * n * c * (c / heads) * h * w };
  },

  foldedAttention({ qkv, proj, biased, channels: c }, io, context) {
    const { target } = context;
    const x = io.input("x");
    const norm = io.optional("norm");
    const [n, , h, w] = dims4(x);
    const layers = [...qkv.map((layer) => ({ layer, rows: (3 * c) / qkv.length })), { layer: proj, rows: c }];
    const weights = layers.map(({ layer, rows }) => ({ key: `${layer}.weight`, elements: rows * c }));
    const biases = layers.map(({ layer, rows }) => ({ key: `${layer}.bias`, elements: rows }));
    const name = layers.map(({ layer }) => layer).join("+");
    const shape = convShape({ kernel: 1, n: 1, c1: c, oc: 2 * c, h, w });
    const variant = variantFor(shape, target);
    const weight = context.weight(variant.weight(`${name}.weight`, shape, target), weights, function* (all, room) {
      return yield* packConvInParts(yield* foldedWeights(all, c), variant, shape, target, room);
    });
    const bias = context.weight(
      f32(`${name}.bias`, 2 * c),
      [...weights, ...biases.filter((_, i) => biased.includes(layers[i]!.layer))],
      (all) => packed(foldedBias(withMissing(all), c), "f32"),
    );
    const qv = f32(`${io.name}/qv`, n, 2 * c, h, w);
    const y = io.output(n, c, h, w);
    const options = { kernel: 1 } as const;
    const dispatches = [
      ...conv({ x, ...(norm && { norm }), weight, bias, y: qv }, options, variant, target),
      ...foldedAttention({ x, norm, qv, y }, target),
    ];
    return { dispatches, output: y, macs: n * c * h * w * (4 * c + 2 * h * w) };

    /** The same with 0 for biases that are not there. */
    function withMissing(all: Float32Array): Float32Array {
      const full = new Float32Array(4 * c * c + 4 * c);
      full.set(all.subarray(0, 4 * c * c));
      let [from, to] = [4 * c * c, 4 * c * c];
      for (const { layer, rows } of layers) {
        if (biased.includes(layer)) {
          full.set(all.subarray(from, from + rows), to);
          from += rows;
        }
        to += rows;
      }
      return full;
    }
  },
};

/** Folds the attention that begins at a node, if it is of one head, nothing else reads what is between its nodes, and it pays. */
function foldAttention(
  graph: Graph,
  at: number,
  tensor: (name: string) => Tensor,
  target: Target,
): ReturnType<Combine> {
  const [qkv, attention, proj] = graph.nodes.slice(at, at + 3) as Node<ConvOp | AttentionOp>[];
  if (!isProjection(qkv) || !isProjection(proj) || attention?.op.kind !== "attention") return undefined;
  const { heads, memory } = attention.op;
  const { x, norm, ...others } = qkv.inputs;
  const c = proj.op.channels;
  const fits =
    heads === 1 &&
    !memory &&
    Object.keys(others).length === 0 &&
    qkv.op.channels === 3 * c &&
    attention.inputs.qkv === qkv.output &&
    proj.inputs.x === attention.output &&
    proj.inputs.residual === x &&
    Object.keys(proj.inputs).length === 2 &&
    readers(graph, qkv.output) === 1 &&
    readers(graph, attention.output) === 1;
  if (!fits) return undefined;
  const [, channels, h, w] = dims4(tensor(x!));
  if (channels !== c || !suitsFolding(c, h * w, target)) return undefined;
  const layers = [qkv.op, proj.op];
  const op: FoldedAttentionOp = {
    kind: "foldedAttention",
    qkv: qkv.op.layers,
    proj: proj.op.layers[0]!,
    biased: layers.flatMap(({ layers, bias = true }) => (bias ? layers : [])),
    channels: c,
  };
  return { node: { ...proj, name: attention.name, op, inputs: { x: x!, ...(norm && { norm }) } }, count: 3 };
}

/** A 1x1 convolution and nothing else. */
const isProjection = (node: Node<ConvOp | AttentionOp> | undefined): node is Node<ConvOp> =>
  node?.op.kind === "conv" && node.op.kernel === 1 && !node.op.silu && !node.op.upsample && (node.op.stride ?? 1) === 1;

/** How often a tensor is read. */
const readers = ({ nodes, outputs }: Graph, name: string): number =>
  [...nodes.flatMap(({ inputs }) => Object.values(inputs)), ...outputs].filter((read) => read === name).length;
