import { UserError } from "../../errors";
import type { Checkpoint } from "./checkpoint";
import { shown, type TensorInfo } from "./container";
import type { Settings } from "./settings";
import type { GraphNode, TfGraph } from "./tfjs-graph";

// Keras' published DDPM example, as TF.js keeps it: a graph whose constants are named after layers that Keras counts. The
// graph is not run but read: which convolution resamples, where attention is, and whether all is as in that example.

/** Operations of that network's graph, after the converter's optimisations. */
const known = new Set(
  "Const Placeholder Identity NoOp Cast Shape StridedSlice Pack Prod GatherV2 ConcatV2 Reshape ExpandDims FloorDiv Mean SquaredDifference Rsqrt Sqrt Sub Mul Add AddV2 Sigmoid Sin Cos MatMul BatchMatMul BatchMatMulV2 BiasAdd _FusedMatMul Conv2D _FusedConv2D Einsum Softmax ResizeNearestNeighbor Transpose".split(
    " ",
  ),
);

/** Base64 of the words of TensorFlow's attributes. */
const SAME = "U0FNRQ==";
const BIAS_ADD = "Qmlhc0FkZA==";

/** A layer by its kind and Keras' number, which is 0 for the first: names are conv2d, conv2d_1, conv2d_2. */
interface Layer {
  readonly number: number;
  /** name of the layer, with its scope */
  readonly path: string;
  readonly attention: boolean;
  readonly shape: readonly number[];
}

/** How a tensor of the file becomes a canonical one. */
interface Place {
  readonly raw: string;
  readonly order: "as is" | "conv" | "dense" | "dense conv";
}

class Reader {
  readonly nodes: ReadonlyMap<string, GraphNode>;
  /** nodes by what they read: a stranger's graph may have a hundred thousand */
  readonly #readers = new Map<string, GraphNode[]>();

  constructor(
    readonly file: string,
    readonly tensors: ReadonlyMap<string, TensorInfo>,
    readonly graph: TfGraph,
  ) {
    this.nodes = new Map(graph.nodes.map((node) => [node.name, node]));
    for (const node of graph.nodes)
      for (const input of new Set(node.input)) {
        const readers = this.#readers.get(input);
        if (readers) readers.push(node);
        else this.#readers.set(input, [node]);
      }
    const strange = graph.nodes.find(({ op }) => !known.has(op));
    if (strange) this.refuse(`it has the operation ${shown(strange.op, 40)}`);
  }

  refuse(why: string): never {
    throw new UserError(
      `${this.file}: is a TF.js graph, but not of Keras' DDPM example (${why}); this engine reads that network only`,
    );
  }

  /** Layers of a kind in the order in which Keras made them. @param kernel what the name of their kernel ends with */
  layers(kind: string, kernel: RegExp): Layer[] {
    const pattern = new RegExp(`^((?:.*?/)?(attention_block(?:_\\d+)?/)?${kind}(?:_(\\d+))?)/(${kernel.source})$`);
    const found: Layer[] = [];
    for (const [name, { shape }] of this.tensors) {
      const [, path, scope, number] = pattern.exec(name) ?? [];
      if (path !== undefined) found.push({ path, attention: scope !== undefined, number: Number(number ?? 0), shape });
    }
    return found.sort((a, b) => a.number - b.number);
  }

  /** The node that an input names, without the number of its output. */
  node(input: string | undefined): GraphNode | undefined {
    return input === undefined ? undefined : this.nodes.get(input.replace(/^\^/, "").replace(/:\d+$/, ""));
  }

  /** The nodes that read a tensor. */
  readersOf(name: string): readonly GraphNode[] {
    return this.#readers.get(name) ?? [];
  }
}

const listOf = (attr: unknown, key: "i" | "s"): string[] => {
  const list = (attr as { list?: Record<string, unknown> } | undefined)?.list?.[key];
  return Array.isArray(list) ? list.map(String) : [];
};

/** Whether a convolution halves or doubles the picture, as its node says. */
function resamples(r: Reader, layer: Layer): "down" | "up" | undefined {
  const [node, more] = r.readersOf(`${layer.path}/Conv2D/ReadVariableOp`);
  if (!node || more) return r.refuse(`${layer.path} has no convolution of its own`);
  const { attr } = node;
  const fused = listOf(attr.fused_ops, "s");
  if (fused.some((op) => op !== BIAS_ADD)) r.refuse(`${layer.path} has an activation inside`);
  const strides = listOf(attr.strides, "i");
  const padding = (attr.padding as { s?: string } | undefined)?.s;
  if (layer.shape[0] === 3 && padding !== SAME) r.refuse(`${layer.path} is not padded as "same"`);
  const up = r.node(node.input[0])?.op === "ResizeNearestNeighbor";
  if (strides.join() === "1,2,2,1") return up ? r.refuse(`${layer.path} resamples both ways`) : "down";
  if (strides.join() !== "1,1,1,1") r.refuse(`${layer.path} has strides ${strides.join(" ")}`);
  return up ? "up" : undefined;
}

/** A res block, what is before it and whether attention follows it. */
interface Res {
  readonly before: { readonly way: "down" | "up"; readonly conv: Layer }[];
  readonly shortcut: Layer | undefined;
  readonly convs: readonly [Layer, Layer];
  dense?: Layer;
  readonly attention: Layer[];
}

/** Res blocks in order, from the two lists that Keras counts apart: convolutions and dense layers. */
function blocksOf(r: Reader, convs: readonly Layer[], dense: readonly Layer[]): Res[] {
  const blocks: Res[] = [];
  let before: Res["before"] = [];
  for (let i = 0; i < convs.length; ) {
    const conv = convs[i]!;
    const way = resamples(r, conv);
    if (way) {
      before.push({ way, conv });
      i++;
      continue;
    }
    const shortcut = conv.shape[0] === 1 ? conv : undefined;
    const at = shortcut ? i + 1 : i;
    const [first, second] = [convs[at], convs[at + 1]];
    if (!first || !second || first.shape[0] !== 3 || second.shape[0] !== 3)
      return r.refuse(`${conv.path} begins no res block`);
    for (const each of [shortcut ?? first, first, second])
      if (resamples(r, each)) r.refuse(`${each.path} resamples inside a res block`);
    blocks.push({ before, shortcut, convs: [first, second], attention: [] });
    before = [];
    i += shortcut ? 3 : 2;
  }
  let at = -1;
  for (const layer of dense) {
    const block = blocks[layer.attention ? at : ++at];
    if (!block) return r.refuse(`${layer.path} belongs to no res block`);
    if (layer.attention) block.attention.push(layer);
    else block.dense = layer;
  }
  if (before.length > 0 || blocks.some(({ dense: d, attention: a }) => !d || (a.length !== 0 && a.length !== 4)))
    r.refuse("its dense layers are not those of its res blocks and attentions");
  return blocks;
}

/** Where the tensors of the file go: by canonical name. */
function placesOf(r: Reader): Map<string, Place> {
  const places = new Map<string, Place>();
  const convs = r.layers("conv2d", /Conv2D\/ReadVariableOp/);
  const dense = r.layers("dense", /(?:MatMul|Tensordot)\/ReadVariableOp/);
  const norms = r.layers("group_normalization", /Reshape_1\/ReadVariableOp/);
  const [stem, head, first, second] = [convs[0], convs.at(-1), dense[0], dense[1]];
  if (!stem || !head || convs.length < 6 || !first || !second)
    return r.refuse(`it has ${convs.length} convolutions and ${dense.length} dense layers with Keras' names`);
  const blocks = blocksOf(r, convs.slice(1, -1), dense.slice(2));
  const levels = 1 + blocks.flatMap(({ before }) => before).filter(({ way }) => way === "down").length;
  const perLevel = (blocks.length - 2 - levels) / (2 * levels);
  if (!Number.isInteger(perLevel) || perLevel < 1)
    return r.refuse(`it has ${blocks.length} res blocks for ${levels} levels`);

  const place = (name: string, path: string, kernel: string, order: Place["order"]) => {
    places.set(`${name}.weight`, { raw: `${path}/${kernel}/ReadVariableOp`, order });
    places.set(`${name}.bias`, { raw: `${path}/BiasAdd/ReadVariableOp`, order: "as is" });
  };
  const conv = (name: string, layer: Layer) => place(name, layer.path, "Conv2D", "conv");
  let norm = 0;
  const nextNorm = (name: string, attention: boolean) => {
    const layer = norms[norm++];
    if (layer?.attention !== attention) return r.refuse(`its norm number ${norm} is not that of ${name}`);
    const scale = r.node(r.readersOf(`${layer.path}/Reshape_1`)[0]?.name);
    if (!scale?.input.some((input) => input.endsWith("/Rsqrt"))) r.refuse(`${layer.path} is of another Keras version`);
    places.set(`${name}.weight`, { raw: `${layer.path}/Reshape_1/ReadVariableOp`, order: "as is" });
    places.set(`${name}.bias`, { raw: `${layer.path}/Reshape_2/ReadVariableOp`, order: "as is" });
  };

  place("temb.dense.0", first.path, "MatMul", "dense");
  place("temb.dense.1", second.path, "MatMul", "dense");
  conv("conv_in", stem);
  blocks.forEach((block, i) => {
    const { at, attn, resampler } = pathsOf(i, levels, perLevel);
    if (block.before.length > (resampler ? 1 : 0)) r.refuse(`it resamples before ${at}`);
    if (resampler && block.before[0]?.way !== resampler.way) r.refuse(`it does not resample before ${at}`);
    for (const { conv: layer } of block.before) conv(`${resampler!.path}.conv`, layer);
    nextNorm(`${at}.norm1`, false);
    if (block.shortcut) conv(`${at}.nin_shortcut`, block.shortcut);
    conv(`${at}.conv1`, block.convs[0]);
    place(`${at}.temb_proj`, block.dense!.path, "MatMul", "dense");
    nextNorm(`${at}.norm2`, false);
    conv(`${at}.conv2`, block.convs[1]);
    if (block.attention.length === 0) return;
    if (!attn) r.refuse(`it has attention after ${at}`);
    nextNorm(`${attn}.norm`, true);
    for (const [k, leaf] of ["q", "k", "v", "proj_out"].entries())
      place(`${attn}.${leaf}`, block.attention[k]!.path, "Tensordot", "dense conv");
  });
  nextNorm("norm_out", false);
  conv("conv_out", head);
  if (norm !== norms.length) r.refuse(`it has ${norms.length} norms, ${norm} were expected`);
  const { raw } = sinusoidsOf(r);
  places.set("temb.frequencies", { raw, order: "as is" });
  return places;
}

/** Canonical names of res block i, of the attention after it, and of the resampler before it. */
function pathsOf(
  i: number,
  levels: number,
  perLevel: number,
): { at: string; attn?: string; resampler?: { way: "down" | "up"; path: string } } {
  const down = levels * perLevel;
  if (i < down) {
    const [l, j] = [Math.floor(i / perLevel), i % perLevel];
    const resampler = { way: "down", path: `down.${l - 1}.downsample` } as const;
    return { at: `down.${l}.block.${j}`, attn: `down.${l}.attn.${j}`, ...(j === 0 && l > 0 && { resampler }) };
  }
  if (i === down) return { at: "mid.block_1", attn: "mid.attn_1" };
  if (i === down + 1) return { at: "mid.block_2" };
  const u = i - down - 2;
  const [l, j] = [levels - 1 - Math.floor(u / (perLevel + 1)), u % (perLevel + 1)];
  const resampler = { way: "up", path: `up.${l + 1}.upsample` } as const;
  return { at: `up.${l}.block.${j}`, attn: `up.${l}.attn.${j}`, ...(j === 0 && l < levels - 1 && { resampler }) };
}

/** The sinusoids: the constant that the time is multiplied by, and whether sines come first. */
function sinusoidsOf(r: Reader): { raw: string; order: "sin-cos" | "cos-sin" } {
  const sines = r.graph.nodes.filter(({ op }) => op === "Sin");
  const angle = r.node(sines[0]?.input[0]);
  const raw = angle?.input.find((input) => r.tensors.has(input));
  const joined = sines[0] && r.readersOf(sines[0].name).find(({ op }) => op === "ConcatV2");
  if (sines.length !== 1 || angle?.op !== "Mul" || raw === undefined || !joined)
    return r.refuse("its time embedding is not by sinusoids");
  return { raw, order: joined.input[0] === sines[0]!.name ? "sin-cos" : "cos-sin" };
}

const shapeFor = (shape: readonly number[], order: Place["order"], name: string): readonly number[] => {
  switch (order) {
    case "conv":
      return [shape[3]!, shape[2]!, shape[0]!, shape[1]!];
    case "dense":
      return [shape[1]!, shape[0]!];
    case "dense conv":
      return [shape[1]!, shape[0]!, 1, 1];
    default:
      return name === "temb.frequencies" ? [shape.reduce((a, b) => a * b, 1)] : shape;
  }
};

/** Output channels first: y[o, i, p] = x[p, i, o] for `taps` kernel positions p. */
function outputFirst(x: Float32Array, [oc = 1, ic = 1, kh = 1, kw = 1]: readonly number[]): Float32Array<ArrayBuffer> {
  const taps = kh * kw;
  const y = new Float32Array(x.length);
  for (let p = 0; p < taps; p++)
    for (let i = 0; i < ic; i++) for (let o = 0; o < oc; o++) y[(o * ic + i) * taps + p] = x[(p * ic + i) * oc + o]!;
  return y;
}

/** The checkpoint under DDPM's names, weights with output channels first.
 *  @throws UserError for a graph of another network */
export function kerasNames(
  checkpoint: Checkpoint & { readonly graph: TfGraph },
): Checkpoint & { readonly layout: "K" } {
  const places = placesOf(new Reader(checkpoint.file, checkpoint.tensors, checkpoint.graph));
  const owner = new Map([...places].map(([name, { raw }]) => [raw, name]));
  const tensors = new Map<string, TensorInfo>();
  const beside: ReadRaw & NonNullable<Checkpoint["beside"]> = async (name, signal) =>
    checkpoint.tensors.has(name) ? checkpoint.read(name, signal) : undefined;
  const gain = checkpoint.graph.nodes.find(({ name }) => normGain.test(name))?.name;
  let first: { readonly groups: number; readonly eps: number } | undefined;
  const checkNorm = async (raw: string, signal?: AbortSignal) => {
    first ??= await normOf(checkpoint.file, beside, gain!, signal);
    const [one, other] = [first, await normOf(checkpoint.file, beside, raw, signal)];
    if (one.groups === other.groups && one.eps === other.eps) return;
    throw new UserError(
      `${checkpoint.file}: its norms differ (${other.groups} groups and epsilon ${other.eps} beside ${one.groups} and ${one.eps}); this engine reads Keras' DDPM example only`,
    );
  };
  for (const [raw, { dtype, shape }] of checkpoint.tensors) {
    const name = owner.get(raw);
    if (name !== undefined) tensors.set(name, { dtype, shape: shapeFor(shape, places.get(name)!.order, name) });
  }
  return {
    ...checkpoint,
    layout: "K",
    tensors,
    async read(name, signal, into) {
      const found = places.get(name);
      if (!found) throw new UserError(`${checkpoint.file}: has no tensor ${name}`);
      const { raw, order } = found;
      // Constants lie beside the weights of their norm: checked in passing, they cost no second download.
      if (normGain.test(raw)) await checkNorm(raw, signal);
      if (order === "as is") return checkpoint.read(raw, signal, into);
      return outputFirst(await checkpoint.read(raw, signal, into), tensors.get(name)!.shape);
    },
    beside,
  };
}

/** The gain of a norm, by which its other tensors are named. */
const normGain = /\/group_normalization(?:_\d+)?\/Reshape_1\/ReadVariableOp$/;

/** Reads a tensor under the name that the file has for it. */
type ReadRaw = (name: string, signal?: AbortSignal) => Promise<Float32Array | undefined>;

/** Groups and epsilon of the norm that has this gain. @throws UserError where they are no constants */
async function normOf(
  file: string,
  read: ReadRaw,
  gain: string,
  signal?: AbortSignal,
): Promise<{ groups: number; eps: number }> {
  const path = gain.replace(/\/Reshape_1\/ReadVariableOp$/, "");
  const scalar = async (name: string): Promise<number> => {
    const values = await read(name, signal);
    if (values?.length === 1) return values[0]!;
    throw new UserError(
      `${file}: is a TF.js graph of another Keras version (${shown(name, 120)} is no constant); this engine reads Keras' DDPM example only`,
    );
  };
  const groups = await scalar(`${path}/floordiv/y`);
  const eps = await scalar(`${path}/batchnorm/add/y`);
  return { groups, eps: Number(eps.toPrecision(6)) }; // stored as f32
}

/** Facts of the graph that shapes do not show: groups and eps of its norms, the size of pictures, the attention's residual.
 *  @throws UserError where its parts disagree */
export async function kerasSettings(
  { file, graph, beside }: Pick<Checkpoint, "file" | "graph" | "beside">,
  signal?: AbortSignal,
): Promise<Settings> {
  const nodes = graph!.nodes;
  const r = new Reader(file, new Map(), graph!);
  const gain = nodes.find(({ name }) => normGain.test(name))?.name ?? r.refuse("it has no norms");
  const { groups, eps } = await normOf(file, beside!, gain, signal);
  const residuals = nodes.filter(({ name }) => /\/attention_block(?:_\d+)?\/add$/.test(name));
  const normalised = residuals.filter(({ input }) =>
    input.some((from) => /\/group_normalization(?:_\d+)?\/Reshape_3$/.test(from)),
  );
  if (normalised.length !== 0 && normalised.length !== residuals.length)
    r.refuse("some attentions add their input, and some their normalised input");
  const [picture] = graph!.inputs.filter((shape) => shape.length === 4);
  const [, height = 0, width = 0] = picture ?? [];
  const sines = new Set(nodes.filter(({ op }) => op === "Sin").map(({ name }) => name));
  const joined = nodes.some(({ op, input }) => op === "ConcatV2" && sines.has(input[0] ?? ""));
  return {
    groups,
    eps,
    ...(height > 0 && width > 0 && { height, width }),
    attentionResidual: normalised.length > 0 ? "normalised" : "input",
    headChannels: 0,
    pad: "asymmetric",
    embedding: { order: joined ? "sin-cos" : "cos-sin", shift: 1 },
    activation: "silu",
    midScale: 1,
    centerInput: false,
  };
}
