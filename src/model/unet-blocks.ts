import type { GraphBuilder } from "../graph/graph";
import type { Activation } from "../kernels/pointwise/activation";
import type { NetworkOp } from "./ops";

/** A tensor on its way through the network. */
export interface Running {
  readonly name: string;
  readonly channels: number;
}

/** Names that a family gives the layers of a res block. */
export interface ResLayers {
  readonly norm1: string;
  readonly conv1: string;
  readonly embedding: string;
  readonly norm2: string;
  readonly conv2: string;
  readonly shortcut: string;
}

export interface BlockOptions {
  readonly groups: number;
  readonly eps: number;
  readonly scaleShift: boolean;
  readonly activation: Activation;
  readonly layers: ResLayers;
  /** name of the node that computes every res block's projection of the embedding */
  readonly projections: string;
  /** tensor of the embedding */
  readonly embedding: string;
}

export interface ResOptions {
  readonly skip?: Running | undefined;
  readonly resample?: "up" | "down" | undefined;
  /** the block returns (x + h) / divide */
  readonly divide?: number;
}

/** Builds the blocks that all families share. Res blocks project one embedding, so a single linear layer ahead of the
 *  network computes all their projections: it grows as blocks are built. */
export class Blocks {
  readonly #projections: { layer: string; rows: number }[] = [];
  readonly #projected: string;
  #columns = 0;

  constructor(
    readonly b: GraphBuilder<NetworkOp>,
    readonly o: BlockOptions,
  ) {
    const silu = o.activation === "silu";
    const x = silu ? o.embedding : this.activated(`${o.projections}/activation`, o.embedding);
    this.#projected = b.add(
      o.projections,
      { kind: "linear", layers: this.#projections, ...(silu && { siluIn: true }) },
      { x },
    );
  }

  norm(layer: string, x: string, skip?: string, groups = this.o.groups): string {
    return this.b.add(layer, { kind: "groupNorm", layer, groups, eps: this.o.eps }, { x, skip });
  }

  activated(name: string, x: string): string {
    const { activation } = this.o;
    return this.b.add(name, { kind: "activation", activation }, { x });
  }

  /** norm1, activation, resampling, conv1, embedding, norm2, activation, conv2, plus the (resampled) input.
   *  The embedding is added before norm2, or scales and shifts after it.   Ho et al. 2020; Dhariwal & Nichol 2021 */
  res(path: string, x: Running, out: number, { skip, resample, divide = 1 }: ResOptions = {}): Running {
    const { b, o } = this;
    const { scaleShift, layers } = o;
    const at = (layer: string) => `${path}.${layer}`;
    const offset = this.#columns;
    const rows = scaleShift ? 2 * out : out;
    this.#projections.push({ layer: at(layers.embedding), rows });
    this.#columns += rows;
    const added = scaleShift ? {} : { tembOffset: offset };
    const temb = scaleShift ? undefined : this.#projected;

    const inputs = { x: x.name, skip: skip?.name };
    const first = at(layers.norm1);
    const conv1 = at(layers.conv1);
    const upsample = resample === "up" && { upsample: true };
    const conv = { kind: "conv", kernel: 3, layers: [conv1], channels: out, ...upsample, ...added } as const;
    const silu = o.activation === "silu";
    const read: { x: string; skip?: string | undefined; norm?: string } = { ...inputs };
    if (silu && resample !== "down") read.norm = this.norm(first, x.name, skip?.name);
    else {
      const norm = { kind: "groupNorm", layer: first, groups: o.groups, eps: o.eps, apply: true, silu } as const;
      let act = b.add(first, norm, inputs);
      if (!silu) act = this.activated(`${path}.act1`, act);
      if (resample === "down") act = b.add(`${path}.h_upd`, { kind: "avgPool2" }, { x: act });
      read.x = act;
      read.skip = undefined;
    }
    let shortcut = x.name;
    if (resample)
      shortcut = b.add(`${path}.x_upd`, { kind: resample === "up" ? "upsample2x" : "avgPool2" }, { x: x.name });
    const h = b.add(conv1, { ...conv, ...(read.norm && { silu }) }, { ...read, temb });

    const second = at(layers.norm2);
    const conv2 = at(layers.conv2);
    const film = scaleShift && { filmOffset: offset };
    const norm2 = { kind: "groupNorm", layer: second, groups: o.groups, eps: o.eps, ...film } as const;
    const filmed = { x: h, film: scaleShift ? this.#projected : undefined };
    const norm = silu ? b.add(second, norm2, filmed) : undefined;
    const act = silu ? h : this.activated(`${path}.act2`, b.add(second, { ...norm2, apply: true }, filmed));

    const inChannels = x.channels + (skip?.channels ?? 0);
    if (inChannels !== out) {
      const layer = at(layers.shortcut);
      shortcut = b.add(layer, { kind: "conv", kernel: 1, layers: [layer], channels: out }, inputs);
    } else if (skip) shortcut = b.add(`${path}.input`, { kind: "concat" }, { x: x.name, skip: skip.name });

    const end = divide === 1 ? path : conv2;
    const last = { kind: "conv", kernel: 3, layers: [conv2], channels: out, ...(silu && { silu }) } as const;
    b.add(conv2, last, { x: act, norm, residual: shortcut }, end);
    return { name: this.divided(path, end, divide), channels: out };
  }

  /** x / divide under the name `path`, where that is not x already. */
  divided(path: string, x: string, divide: number): string {
    return divide === 1 ? x : this.b.add(path, { kind: "affine", scale: 1 / divide, shift: 0 }, { x });
  }
}
