import { UserError } from "../errors";

/** What a node computes. Shapes follow from the inputs; weights are named by checkpoint keys without `.weight`/`.bias`. */
export type Op =
  /** time step of the row -> sinusoid [N, channels] */
  | { readonly kind: "timeEmbedding"; readonly channels: number; readonly order: "sin-cos" | "cos-sin" }
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
      /** ADM: the columns of the `film` input where this layer's scale (then shift) begins */
      readonly filmOffset?: number;
    }
  | {
      readonly kind: "conv3x3";
      readonly layer: string;
      readonly channels: number;
      readonly stride?: 1 | 2;
      /** of a stride of 2: zeros right and below only (DDPM), or all round (ADM) */
      readonly pad?: "asymmetric" | "same";
      readonly upsample?: boolean;
      readonly silu?: boolean;
      /** the columns of the `temb` input where this layer's embedding begins */
      readonly tembOffset?: number;
    }
  /** one or several 1x1 convs of the same input, stacked on output channels */
  | { readonly kind: "conv1x1"; readonly layers: readonly string[]; readonly channels: number; readonly silu?: boolean }
  | { readonly kind: "attention"; readonly heads: number; readonly order: "legacy" | "new" }
  | { readonly kind: "upsample2x" | "avgPool2" }
  | { readonly kind: "concat" }
  /** [h; h~] on the batch axis */
  | { readonly kind: "stack" }
  | { readonly kind: "mix"; readonly slot: number }
  | { readonly kind: "predictX0" | "moments" | "calibrate" }
  | { readonly kind: "ddim"; readonly asymmetric: boolean }
  | { readonly kind: "gaussian" }
  | { readonly kind: "nonFinite" };

/** One named node. Its output tensor carries `output`'s name; readers find it by that. */
export interface Node {
  /** checkpoint path of the layer: `mid.block_1.conv1` */
  readonly name: string;
  readonly op: Op;
  /** role -> tensor name */
  readonly inputs: Readonly<Record<string, string>>;
  readonly output: string;
}

/** An explicit, ordered network: plain data that prints and diffs. Nodes read graph inputs and earlier outputs. */
export interface Graph {
  /** graph inputs: name -> shape; the first dimension of an activation is the batch */
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly nodes: readonly Node[];
  /** tensors that outlive a run */
  readonly outputs: readonly string[];
}

/** Collects nodes in execution order. */
export class GraphBuilder {
  readonly nodes: Node[] = [];

  /** Adds a node and returns its output's name, which is the node's name unless given. */
  add(name: string, op: Op, inputs: Readonly<Record<string, string | undefined>>, output = name): string {
    const given = Object.entries(inputs).filter((e): e is [string, string] => e[1] !== undefined);
    this.nodes.push({ name, op, inputs: Object.fromEntries(given), output });
    return output;
  }
}

/** Names of all tensors a node could be spliced after. */
export const taps = (graph: Graph): string[] => graph.nodes.map((n) => n.output);

/** Inserts `nodes` after the node that writes `tap`; every later reader of `tap` reads `replacement` instead.
 *  The given graph is left unchanged. @throws UserError for a tap that is not there. */
export function spliceAfter(graph: Graph, tap: string, nodes: readonly Node[], replacement: string): Graph {
  const at = graph.nodes.findIndex((n) => n.output === tap);
  if (at < 0) throw new UserError(`no tap "${tap}" in this network; its taps are ${taps(graph).join(", ")}`);
  const reroute = (n: Node): Node => ({
    ...n,
    inputs: Object.fromEntries(Object.entries(n.inputs).map(([role, t]) => [role, t === tap ? replacement : t])),
  });
  return {
    ...graph,
    nodes: [...graph.nodes.slice(0, at + 1), ...nodes, ...graph.nodes.slice(at + 1).map(reroute)],
  };
}

/** The same network under another prefix, reading other inputs: `renames` maps tensor names, all other outputs and node
 *  names get the prefix. Layers (weights) stay the same. */
export function instance(nodes: readonly Node[], prefix: string, renames: Readonly<Record<string, string>>): Node[] {
  const own = new Set(nodes.map((n) => n.output));
  const rename = (t: string): string => renames[t] ?? (own.has(t) ? prefix + t : t);
  return nodes.map((n) => ({
    ...n,
    name: prefix + n.name,
    inputs: Object.fromEntries(Object.entries(n.inputs).map(([role, t]) => [role, rename(t)])),
    output: rename(n.output),
  }));
}
