import { ShapeError } from "../errors";
import { mergeBetween } from "../kernels/conv/between";
import type { Packing, Room } from "../kernels/conv/packing";
import { type ConvUse, convKey } from "../kernels/conv/variant";
import { type Dispatch, elements, f32, type Tensor } from "../kernels/dispatch";
import { type Dtype, merging, type Target } from "../kernels/target";
import type { Graph, Node, Operation } from "./graph";

/** A weight in a kernel's layout: the checkpoint tensors it is made of, and how to pack them. */
export interface PackedWeight {
  readonly tensor: Tensor;
  /** checkpoint keys, in the order `packing` takes them, and the number of values of each */
  readonly sources: readonly { readonly key: string; readonly elements: number }[];
  /** Packs the sources' values, joined in that order; the bytes may lie in `room`. Where absent, the weight is the sources' own
   *  f32 bytes, one after the other. */
  readonly packing: ((all: Float32Array<ArrayBuffer>, room: Room) => Packing) | undefined;
  /** Packs the sources' values on the device: a dispatch that reads them, as f32 in that order. Where absent, only `packing` can. */
  readonly transform?: (all: Tensor) => Dispatch;
}

/** The kernels of one node. */
export interface LoweredOp {
  readonly dispatches: readonly Dispatch[];
  readonly output: Tensor;
  /** role -> tensor, for each role that the node names */
  readonly sideOutputs?: Readonly<Record<string, Tensor>>;
  /** multiply-adds of the arithmetic itself, whichever variant computes it (default: 0) */
  readonly macs?: number;
  /** the convolution computed, for the tuner */
  readonly conv?: ConvUse;
}

/** Inputs and outputs of the node being lowered. */
export interface NodeIo {
  /** name of the output tensor */
  readonly name: string;
  /** The output tensor. One of pictures, [N, C, H, W], has the type in which the target stores activations, unless it is an
   *  output of the graph. */
  output(...shape: number[]): Tensor;
  /** @throws ShapeError if the node has no such input */
  input(role: string): Tensor;
  /** The input of a role, if the node has one. */
  optional(role: string): Tensor | undefined;
  /** name of a further output, if the node asks for it */
  sideOutput(role: string): string | undefined;
}

/** Services that lowering offers to operations. */
export interface LoweringContext {
  readonly target: Target;
  /** The target for one weight, which may have to stay f32. */
  targetFor(weight: string): Target;
  /** Registers a weight. Nodes that share a layer share it. @param packing default: the sources' f32 values as they are */
  weight(
    tensor: Tensor,
    sources: PackedWeight["sources"],
    packing?: PackedWeight["packing"],
    transform?: PackedWeight["transform"],
  ): Tensor;
  /** Registers a checkpoint tensor that is uploaded as it is. */
  parameter(key: string, ...shape: number[]): Tensor;
}

/** A lowering for every kind of operation, and what is tried before: to combine several. */
export type Ops<O extends Operation> = Lowerings<O> & { readonly combine?: Combine };

type Lowerings<O extends Operation> = {
  readonly [K in O["kind"]]: (op: Extract<O, { kind: K }>, io: NodeIo, context: LoweringContext) => LoweredOp;
};

/** Replaces the `count` nodes from `at` on by one that computes the same in a way that suits the target; undefined where it
 *  does not. @param tensor outputs of the nodes before */
export type Combine = (
  graph: Graph,
  at: number,
  tensor: (name: string) => Tensor,
  target: Target,
) => { readonly node: Node; readonly count: number } | undefined;

/** A node with its kernels chosen. */
export interface LoweredNode extends LoweredOp {
  readonly name: string;
  readonly kind: string;
  readonly macs: number;
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

/** All dispatches of a lowered graph, in order. */
export const dispatchesOf = (lowered: Lowered): Dispatch[] => lowered.nodes.flatMap((n) => n.dispatches);

/** Chooses kernels for every node.
 *  @param keptF32 packed weights, by name, that stay f32 even if the target stores f16
 *  @throws ShapeError naming the node */
export function lower<O extends Operation>(
  graph: Graph<O>,
  target: Target,
  ops: Ops<O>,
  keptF32: ReadonlySet<string> = new Set(),
): Lowered {
  const weights = new Map<string, PackedWeight>();
  const context = contextOf(target, weights, keptF32);
  const tensors = new Map<string, Tensor>();
  for (const [name, { shape, dtype }] of Object.entries(graph.inputs)) tensors.set(name, { name, shape, dtype });
  const tensor = (name: string): Tensor => {
    const found = tensors.get(name);
    if (!found) throw new ShapeError(`the graph reads "${name}" before any node writes it`);
    return found;
  };
  const nodes: LoweredNode[] = [];
  for (let at = 0; at < graph.nodes.length; ) {
    const combined = ops.combine?.(graph, at, tensor, target);
    nodes.push(lowered((combined?.node as Node<O> | undefined) ?? graph.nodes[at]!));
    at += combined?.count ?? 1;
  }
  const names = [...Object.keys(graph.inputs), ...graph.outputs];
  const external = new Map(names.map((name) => [name, tensor(name)]));
  const merged = merging(target) ? mergedNodes(nodes, external) : nodes;
  return { nodes: merged, weights, convs: convsOf(nodes), external };

  function lowered(node: Node<O>): LoweredNode {
    // The record's keys are the kinds, which TypeScript cannot follow through a union.
    const kernels = (ops as Lowerings<O>)[node.op.kind as O["kind"]] as
      | ((op: O, io: NodeIo, context: LoweringContext) => LoweredOp)
      | undefined;
    if (!kernels) throw new ShapeError(`${node.name}: no kernel for the operation "${node.op.kind}"`);
    const half = target.activations === "f16" && !node.full && !graph.outputs.includes(node.output);
    const found = kernels(node.op, nodeIo(node, tensor, half ? "f16" : "f32"), context);
    tensors.set(node.output, found.output);
    for (const [role, name] of Object.entries(node.sideOutputs ?? {})) {
      const side = found.sideOutputs?.[role];
      if (!side) throw new ShapeError(`${node.name}: a ${node.op.kind} node has no output "${role}"`);
      tensors.set(name, side);
    }
    const dispatches = found.dispatches.map((d) => ({ ...d, label: labelled(node.name, d.label) }));
    return { macs: 0, ...found, dispatches, name: node.name, kind: node.op.kind };
  }
}

/** The nodes with the dispatches merged that a GPU runs as one; those without a dispatch left are gone. */
function mergedNodes(nodes: readonly LoweredNode[], external: ReadonlyMap<string, Tensor>): LoweredNode[] {
  const merged = mergeBetween(
    nodes.flatMap(({ dispatches }) => dispatches),
    new Set(external.keys()),
  );
  let at = 0;
  return nodes
    .map((node) => {
      const own = merged.slice(at, (at += node.dispatches.length));
      return { ...node, dispatches: own.filter((dispatch) => dispatch !== undefined) };
    })
    .filter(({ dispatches }, i) => dispatches.length > 0 || nodes[i]!.dispatches.length === 0);
}

function nodeIo(
  { name, op, inputs, output, sideOutputs }: Node,
  tensor: (name: string) => Tensor,
  dtype: Dtype,
): NodeIo {
  const optional = (role: string) => (inputs[role] === undefined ? undefined : tensor(inputs[role]));
  return {
    name: output,
    output: (...shape) => ({ name: output, shape, dtype: shape.length === 4 ? dtype : "f32" }),
    optional,
    input(role) {
      const found = optional(role);
      if (!found) throw new ShapeError(`${name}: a ${op.kind} node needs an input "${role}"`);
      return found;
    },
    sideOutput: (role) => sideOutputs?.[role],
  };
}

function contextOf(target: Target, weights: Map<string, PackedWeight>, keptF32: ReadonlySet<string>): LoweringContext {
  const weight: LoweringContext["weight"] = (tensor, sources, packing, transform) => {
    const found = weights.get(tensor.name);
    if (!found) weights.set(tensor.name, { tensor, sources, packing, ...(transform && { transform }) });
    return found?.tensor ?? tensor;
  };
  return {
    target,
    targetFor: (name) => (keptF32.has(name) ? { ...target, weights: "f32" } : target),
    weight,
    parameter(key, ...shape) {
      const tensor = f32(key, ...shape);
      return weight(tensor, [{ key, elements: elements(tensor) }]);
    },
  };
}

function convsOf(nodes: readonly LoweredNode[]): ConvUse[] {
  const uses = nodes.flatMap(({ conv }) => (conv ? [conv] : []));
  return [...new Map(uses.map((use) => [convKey(use.shape, use.weights), use])).values()];
}

/** Kernels label their parts by tensor (`mid.block_1/gemm`); profiles and errors read better by node. */
const labelled = (node: string, label: string): string => {
  const part = label.includes("/") ? label.slice(label.lastIndexOf("/")) : "";
  return node + part;
};
