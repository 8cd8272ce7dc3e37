import { UserError } from "../errors";
import type { Tensor } from "../kernels/dispatch";

/** The computation of a node: its kind, and whatever the owner of that kind adds. Plain data. */
export interface Operation {
  readonly kind: string;
}

/** One named node. Readers refer to its outputs by tensor name. */
export interface Node<O extends Operation = Operation> {
  /** checkpoint path of the layer: `mid.block_1.conv1` */
  readonly name: string;
  readonly op: O;
  /** role -> tensor name */
  readonly inputs: Readonly<Record<string, string>>;
  readonly output: string;
  /** role -> tensor name of what the node writes besides `output` */
  readonly sideOutputs?: Readonly<Record<string, string>>;
  /** `output` is f32, however a target stores activations */
  readonly full?: boolean;
}

/** Shape and type of a graph input. The first dimension of an activation is the batch. */
export type GraphInput = Pick<Tensor, "shape" | "dtype">;

/** A graph input of f32. */
export const f32Input = (...shape: number[]): GraphInput => ({ shape, dtype: "f32" });
/** A graph input of u32. */
export const u32Input = (...shape: number[]): GraphInput => ({ shape, dtype: "u32" });

/** An explicit, ordered network: plain data that prints and diffs. Nodes read graph inputs and earlier outputs. */
export interface Graph<O extends Operation = Operation> {
  readonly inputs: Readonly<Record<string, GraphInput>>;
  readonly nodes: readonly Node<O>[];
  /** tensors that outlive a run */
  readonly outputs: readonly string[];
}

/** Collects nodes in execution order. */
export class GraphBuilder<O extends Operation> {
  readonly nodes: Node<O>[] = [];

  /** Adds a node. @returns its output's name, which is the node's name unless given */
  add(name: string, op: O, inputs: Readonly<Record<string, string | undefined>>, output = name): string {
    const given = Object.entries(inputs).filter((e): e is [string, string] => e[1] !== undefined);
    this.nodes.push({ name, op, inputs: Object.fromEntries(given), output });
    return output;
  }
}

/** Tensors a node writes. */
const written = (node: Node): string[] => [node.output, ...Object.values(node.sideOutputs ?? {})];

/** Names of all tensors a node could be spliced after. */
export const taps = (graph: Graph): string[] => graph.nodes.flatMap(written);

/** Inserts `nodes` after the node that writes `tap`; every later reader of `tap` reads `replacement` instead.
 *  The given graph is left unchanged. @throws UserError if no node writes `tap` */
export function spliceAfter<O extends Operation>(
  graph: Graph<O>,
  tap: string,
  nodes: readonly Node<O>[],
  replacement: string,
): Graph<O> {
  const at = graph.nodes.findIndex((n) => written(n).includes(tap));
  if (at < 0) throw new UserError(`no tap "${tap}" in this network; its taps are ${taps(graph).join(", ")}`);
  const reroute = (n: Node<O>): Node<O> => ({
    ...n,
    inputs: mapValues(n.inputs, (t) => (t === tap ? replacement : t)),
  });
  return {
    ...graph,
    nodes: [...graph.nodes.slice(0, at + 1), ...nodes, ...graph.nodes.slice(at + 1).map(reroute)],
  };
}

/** Copies a network under a prefix, reading other inputs. `renames` maps tensor names; all other outputs and all node
 *  names get the prefix. Layers (weights) stay the same. */
export function instance<O extends Operation>(
  nodes: readonly Node<O>[],
  prefix: string,
  renames: Readonly<Record<string, string>>,
): Node<O>[] {
  const own = new Set(nodes.flatMap(written));
  const rename = (t: string): string => renames[t] ?? (own.has(t) ? prefix + t : t);
  return nodes.map((n) => ({
    ...n,
    name: prefix + n.name,
    inputs: mapValues(n.inputs, rename),
    output: rename(n.output),
    ...(n.sideOutputs && { sideOutputs: mapValues(n.sideOutputs, rename) }),
  }));
}

const mapValues = (names: Readonly<Record<string, string>>, f: (name: string) => string): Record<string, string> =>
  Object.fromEntries(Object.entries(names).map(([role, name]) => [role, f(name)]));
