import type { DdpmConfig } from "../src/model/config";
import type { State } from "./checkpoint-writers";

// What tensorflowjs_converter makes of Keras' DDPM example, as far as the reader looks: layers named by Keras' counters, the
// nodes of their convolutions, norms, sinusoids and attentions, and constants for groups and epsilon.

export interface KerasOptions {
  /** number of the first layer of each kind; 0 has none in its name */
  readonly first?: number;
  /** bytes of a shard */
  readonly shard?: number;
  readonly quantise?: boolean;
  readonly groups?: number;
  readonly eps?: number;
  /** groups of the last norm, where they are others */
  readonly lastGroups?: number;
  /** attention adds its input as it is */
  readonly plainResidual?: boolean;
}

export type GraphFiles = Map<string, Uint8Array<ArrayBuffer>>;

interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}

const SAME = "U0FNRQ==";
const PREFIX = "StatefulPartitionedCall/unet/";
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value)) as Uint8Array<ArrayBuffer>;

/** model.json and its shards. @param state weights under DDPM's names, and `temb.frequencies` */
export function kerasGraph(config: DdpmConfig, state: State, options: KerasOptions = {}): GraphFiles {
  const { first = 3, shard = 1000, quantise = false, groups = config.groups, eps = config.eps } = options;
  const weights: Weight[] = [];
  const nodes: object[] = [];
  const counters = new Map<string, number>();
  const named = (kind: string, scope = "") => {
    const number = counters.get(kind) ?? first;
    counters.set(kind, number + 1);
    return `${PREFIX}${scope}${kind}${number === 0 ? "" : `_${number}`}`;
  };
  const constant = (name: string, shape: readonly number[], values: Float32Array | Int32Array) => {
    weights.push({ name, shape, values });
    nodes.push({ name, op: "Const", attr: {} });
    return name;
  };
  const inputFirst = (values: Float32Array, [o = 1, i = 1, kh = 1, kw = 1]: readonly number[]) => {
    const out = new Float32Array(values.length);
    const taps = kh * kw;
    for (let p = 0; p < taps; p++)
      for (let a = 0; a < i; a++)
        for (let b = 0; b < o; b++) out[(p * i + a) * o + b] = values[(b * i + a) * taps + p]!;
    return out;
  };
  const kernel = (path: string, leaf: string, name: string) => {
    const { shape, values } = state.get(`${name}.weight`)!;
    const [o, i, kh = 1, kw = 1] = shape as number[];
    const own = leaf === "Conv2D" ? [kh, kw, i!, o!] : [i!, o!];
    const data = inputFirst(values as Float32Array, shape);
    return constant(`${path}/${leaf}/ReadVariableOp`, own, data);
  };
  const bias = (path: string, name: string) => {
    const { shape, values } = state.get(`${name}.bias`)!;
    return constant(`${path}/BiasAdd/ReadVariableOp`, shape, values as Float32Array);
  };
  const conv = (name: string, from: string, stride = 1): string => {
    const path = named("conv2d");
    const input = [from, kernel(path, "Conv2D", name), bias(path, name)];
    const strides = { list: { i: ["1", `${stride}`, `${stride}`, "1"] } };
    const attr = { strides, padding: { s: SAME }, fused_ops: { list: { s: ["Qmlhc0FkZA=="] } } };
    nodes.push({ name: `${path}/BiasAdd`, op: "_FusedConv2D", input, attr });
    return `${path}/BiasAdd`;
  };
  const dense = (name: string, from: string, scope = "", leaf = "MatMul"): string => {
    const path = named("dense", scope);
    const input = [from, kernel(path, leaf, name), bias(path, name)];
    nodes.push({ name: `${path}/BiasAdd`, op: "_FusedMatMul", input, attr: {} });
    return `${path}/BiasAdd`;
  };
  const norm = (name: string, from: string, scope = ""): string => {
    const path = named("group_normalization", scope);
    const channels = state.get(`${name}.weight`)!.shape;
    const [weight, shift] = ["weight", "bias"].map((leaf) => state.get(`${name}.${leaf}`)!.values as Float32Array);
    const gamma = constant(`${path}/Reshape_1/ReadVariableOp`, channels, weight!);
    const beta = constant(`${path}/Reshape_2/ReadVariableOp`, channels, shift!);
    constant(`${path}/floordiv/y`, [], Int32Array.of(name === "norm_out" ? (options.lastGroups ?? groups) : groups));
    constant(`${path}/batchnorm/add/y`, [], Float32Array.of(eps));
    nodes.push(
      { name: `${path}/Reshape`, op: "Reshape", input: [from] },
      { name: `${path}/Reshape_1`, op: "Reshape", input: [gamma] },
      { name: `${path}/Reshape_2`, op: "Reshape", input: [beta] },
      { name: `${path}/batchnorm/Rsqrt`, op: "Rsqrt", input: [`${path}/Reshape`] },
      { name: `${path}/batchnorm/mul`, op: "Mul", input: [`${path}/batchnorm/Rsqrt`, `${path}/Reshape_1`] },
      { name: `${path}/Reshape_3`, op: "Reshape", input: [`${path}/batchnorm/mul`, `${path}/Reshape_2`] },
    );
    return `${path}/Reshape_3`;
  };
  let adds = 0;
  const add = (a: string, b: string, name = `${PREFIX}add_${adds++}/add`) => {
    nodes.push({ name, op: "AddV2", input: [a, b], attr: {} });
    return name;
  };

  nodes.push({ name: "image_input", op: "Placeholder" }, { name: "time_input", op: "Placeholder" });
  const frequencies = state.get("temb.frequencies")!;
  const half = frequencies.values.length;
  const rates = constant(`${PREFIX}time_embedding/strided_slice_1`, [1, half], frequencies.values as Float32Array);
  nodes.push(
    { name: `${PREFIX}time/mul`, op: "Mul", input: ["time_input", rates] },
    { name: `${PREFIX}time/Sin`, op: "Sin", input: [`${PREFIX}time/mul`] },
    { name: `${PREFIX}time/Cos`, op: "Cos", input: [`${PREFIX}time/mul`] },
    { name: `${PREFIX}time/concat`, op: "ConcatV2", input: [`${PREFIX}time/Sin`, `${PREFIX}time/Cos`] },
  );
  let x = conv("conv_in", "image_input");
  const temb = dense("temb.dense.1", dense("temb.dense.0", `${PREFIX}time/concat`));

  const res = (at: string): void => {
    const shortcut = state.has(`${at}.nin_shortcut.weight`) ? conv(`${at}.nin_shortcut`, x) : x;
    const projected = dense(`${at}.temb_proj`, temb);
    const h = add(conv(`${at}.conv1`, norm(`${at}.norm1`, x)), projected);
    x = add(conv(`${at}.conv2`, norm(`${at}.norm2`, h)), shortcut);
  };
  let attentions = first;
  const attend = (at: string): void => {
    const scope = `attention_block${attentions === 0 ? "" : `_${attentions}`}/`;
    attentions++;
    const normed = norm(`${at}.norm`, x, scope);
    const [q, k, v] = ["q", "k", "v"].map((leaf) => dense(`${at}.${leaf}`, normed, scope, "Tensordot"));
    const scores = `${PREFIX}${scope}Softmax`;
    nodes.push(
      { name: scores, op: "Softmax", input: [q, k] },
      { name: `${scores}/v`, op: "Einsum", input: [scores, v] },
    );
    const out = dense(`${at}.proj_out`, `${scores}/v`, scope, "Tensordot");
    x = add(options.plainResidual ? x : normed, out, `${PREFIX}${scope}add`);
  };
  const levels = config.channelMult.length;
  for (let l = 0; l < levels; l++) {
    for (let j = 0; j < config.resBlocks; j++) {
      res(`down.${l}.block.${j}`);
      if (config.attention.includes(l)) attend(`down.${l}.attn.${j}`);
    }
    if (l < levels - 1) x = conv(`down.${l}.downsample.conv`, x, 2);
  }
  res("mid.block_1");
  if (config.midAttention) attend("mid.attn_1");
  res("mid.block_2");
  for (let l = levels - 1; l >= 0; l--) {
    for (let j = 0; j <= config.resBlocks; j++) {
      res(`up.${l}.block.${j}`);
      if (config.upAttention.includes(l)) attend(`up.${l}.attn.${j}`);
    }
    if (l === 0) continue;
    const grown = `${PREFIX}up_sampling2d_${l}/resize/ResizeNearestNeighbor`;
    nodes.push({ name: grown, op: "ResizeNearestNeighbor", input: [x] });
    x = conv(`up.${l}.upsample.conv`, grown);
  }
  conv("conv_out", norm("norm_out", x));

  const specs: object[] = [];
  const bytes: number[] = [];
  for (const { name, shape, values } of weights) {
    if (!quantise || values instanceof Int32Array) {
      specs.push({ name, shape, dtype: values instanceof Int32Array ? "int32" : "float32" });
      bytes.push(...new Uint8Array(values.slice().buffer));
      continue;
    }
    const { min, scale, q } = quantised(values);
    specs.push({
      name,
      shape,
      dtype: "float32",
      quantization: { dtype: "uint8", min, scale, original_dtype: "float32" },
    });
    bytes.push(...q);
  }
  const count = Math.max(1, Math.ceil(bytes.length / shard));
  const paths = Array.from({ length: count }, (_, i) => `group1-shard${i + 1}of${count}.bin`);
  const dim = [-1, config.height, config.width, config.inChannels].map((size) => ({ size: `${size}` }));
  const model = {
    format: "graph-model",
    signature: {
      inputs: { time_input: { tensorShape: { dim: dim.slice(0, 1) } }, image_input: { tensorShape: { dim } } },
    },
    modelTopology: { node: nodes },
    weightsManifest: [{ paths, weights: specs }],
  };
  const files: GraphFiles = new Map([["model.json", json(model)]]);
  for (const [i, path] of paths.entries()) files.set(path, Uint8Array.from(bytes.slice(i * shard, (i + 1) * shard)));
  return files;
}

/** Values as uint8, as the converter makes them. */
export function quantised(values: Float32Array): { min: number; scale: number; q: Uint8Array } {
  const [min, max] = [Math.min(...values), Math.max(...values)];
  const scale = max > min ? (max - min) / 255 : 1;
  return { min, scale, q: Uint8Array.from(values, (v) => Math.round((v - min) / scale)) };
}

/** What tests change of a model.json. */
export interface EditedModel {
  format: string;
  modelTopology: {
    node: {
      name: string;
      op: string;
      input: string[];
      attr?: { strides?: { list: { i: string[] } }; fused_ops?: { list: { s: string[] } } };
    }[];
  };
  weightsManifest: { paths: string[]; weights: { dtype: string; shape: number[]; quantization?: object }[] }[];
}

/** Edits model.json. */
export function edited(files: GraphFiles, edit: (model: EditedModel) => void): GraphFiles {
  const model = JSON.parse(new TextDecoder().decode(files.get("model.json"))) as EditedModel;
  edit(model);
  return new Map([...files, ["model.json", json(model)]]);
}
