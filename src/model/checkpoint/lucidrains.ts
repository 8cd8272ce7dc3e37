import { UserError } from "../../errors";
import { type LucidrainsConfig, widthOf } from "../config";
import { alphasSchedule, type Prediction, type Schedule } from "../schedule";
import type { Checkpoint } from "./checkpoint";
import type { Shapes, TensorInfo } from "./container";
import type { Settings } from "./settings";

// lucidrains' denoising-diffusion-pytorch: names, versions, shapes, and the diffusion process that its files hold.

type Tensors = ReadonlyMap<string, TensorInfo>;

/** Names before 1.8, which wrap each attention in a residual and a norm. */
const oldName = /^((?:downs\.\d+\.2|ups\.\d+\.2|mid_attn))\.fn\.(?:fn\.)?/;

/** The name since 1.8. */
export const lucidrainsName = (name: string): string => name.replace(oldName, "$1.");

export const hasOldNames = (names: Iterable<string>): boolean => [...names].some((name) => oldName.test(name));

/** Refuses what the names and the version tell of networks that look alike and compute something else.
 *  @throws UserError saying which */
export function checkLucidrains({ tensors, metadata, file }: Pick<Checkpoint, "tensors" | "metadata" | "file">): void {
  const refuse = (what: string, instead: string): never => {
    throw new UserError(`${file}: is a U-Net of denoising-diffusion-pytorch ${what}; ${instead}`);
  };
  const names = [...tensors.keys()];
  const shape = (name: string) => tensors.get(name)?.shape ?? [];
  const [stem, head] = [shape("init_conv.weight"), shape("final_conv.weight")];
  if (stem.length === 3) refuse("over one dimension (Unet1D)", "expected one over pictures");
  if (stem.length === 5) refuse("over video or volumes", "expected one over pictures");
  if (names.some((name) => /^(?:classes_emb|null_classes_emb|classes_mlp)\b/.test(name)))
    refuse("with classifier-free guidance", "expected an unconditional one");
  if (names.some((name) => name.startsWith("time_mlp.0.")))
    refuse("with learned or random Fourier features of the time", "expected sinusoids");
  if (stem[1] !== undefined && stem[1] === 2 * head[0]!)
    refuse("with self-conditioning (init_conv takes the last prediction, too)", "expected self_condition false");
  const down = shape("downs.0.3.weight");
  if (down[2] === 4)
    refuse(
      "0.27 to 0.31 (4x4 convolutions halve its pictures)",
      "0.27 and 0.28 attend differently and look the same, so expected one of 0.32 or later",
    );
  if (/^1\.7\.[1-4]$/.test(metadata.version ?? ""))
    refuse(
      `${metadata.version}`,
      "versions 1.7.1 to 1.7.4 changed their arithmetic under the same names: expected another",
    );
}

/** Facts that names give and shapes do not. */
export const lucidrainsSettings = (old: boolean): Settings =>
  old ? { attentionNorm: "layer", dividedValues: true } : { attentionNorm: "rms", dividedValues: false };

/** Facts that shapes give. */
export type LucidrainsFound = Omit<LucidrainsConfig, keyof Settings | "headChannels">;

/** @param size size of an axis of a tensor, or an error that names it */
export function inferLucidrains(
  tensors: Tensors,
  size: (name: string, axis: number) => number,
  run: (name: (i: number) => string) => number,
): LucidrainsFound {
  const levels = run((l) => `downs.${l}.0.block1.proj.weight`);
  const all = Array.from({ length: levels }, (_, l) => l);
  const channels = size("time_mlp.1.weight", 1);
  const last = levels - 1;
  const width = (l: number) => size(`downs.${l}.3${l === last ? "" : ".1"}.weight`, 0);
  const memory = tensors.has("mid_attn.mem_kv") ? size("mid_attn.mem_kv", 2) : 0;
  return {
    family: "lucidrains",
    inChannels: size("init_conv.weight", 1),
    outChannels: size("final_conv.weight", 0),
    channels,
    channelMult: all.map((l) => width(l) / channels),
    resBlocks: 2,
    attention: all,
    scaleShift: true,
    convResample: true,
    classes: 0,
    stem: size("init_conv.weight", 0),
    embeddingChannels: size("time_mlp.1.weight", 0),
    norm: tensors.has("mid_block1.block1.norm.g") ? "rms" : "group",
    fullAttention: all.filter((l) => tensors.has(`downs.${l}.2.to_out.weight`)),
    memory,
  };
}

/** Number and width of the heads: as learned keys have them, or as given, or 4 of 32, which all versions begin with.
 *  @throws UserError where they do not make up the rows of q, k and v */
export function lucidrainsHeads(
  tensors: Tensors,
  size: (name: string, axis: number) => number,
  { heads, headChannels }: Settings,
): { heads: number; headChannels: number } {
  const rows = size("mid_attn.to_qkv.weight", 0) / 3;
  const learned = tensors.get("mid_attn.mem_kv")?.shape;
  const width = headChannels || (heads ? rows / heads : undefined);
  const [own, ownWidth] = learned ? [learned[1]!, learned[3]!] : [heads ?? 0, width ?? 0];
  if (learned && ((width && width !== ownWidth) || (heads && heads !== own)))
    throw new UserError(
      `its attention has ${own} heads of ${ownWidth} channels, got ${heads ?? rows / width!} of ${width}; leave out the heads`,
    );
  const found = learned
    ? { heads: own, headChannels: ownWidth }
    : { heads: own || rows / (width ?? 32), headChannels: width ?? 32 };
  const unsaid = !learned && width === undefined && found.heads !== 4;
  const whole = Number.isInteger(found.heads) && Number.isInteger(found.headChannels);
  if (!unsaid && whole && found.heads * found.headChannels === rows) return found;
  throw new UserError(
    `attention over ${rows} channels is not 4 heads of 32, and the weights do not tell; give the heads (heads, --heads, or headChannels, --head-channels)`,
  );
}

/** Every tensor of the network, by the names since 1.8. */
export function expectedLucidrains(c: LucidrainsConfig): Shapes {
  const shapes: Shapes = new Map();
  const add = (name: string, ...weight: number[]) => {
    shapes.set(`${name}.weight`, weight);
    shapes.set(`${name}.bias`, [weight[0]!]);
  };
  const gain = (name: string, channels: number) => shapes.set(`${name}.g`, [1, channels, 1, 1]);
  const res = (name: string, from: number, to: number) => {
    add(`${name}.mlp.1`, 2 * to, c.embeddingChannels);
    for (const [block, channels] of [
      ["block1", from],
      ["block2", to],
    ] as const) {
      add(`${name}.${block}.proj`, to, channels, 3, 3);
      if (c.norm === "rms") gain(`${name}.${block}.norm`, to);
      else add(`${name}.${block}.norm`, to);
    }
    if (from !== to) add(`${name}.res_conv`, to, from, 1, 1);
  };
  const attention = (name: string, channels: number, full: boolean) => {
    const { heads = 1, headChannels: d, memory } = c;
    gain(`${name}.norm`, channels);
    shapes.set(`${name}.to_qkv.weight`, [3 * heads * d, channels, 1, 1]);
    if (memory > 0) shapes.set(`${name}.mem_kv`, full ? [2, heads, memory, d] : [2, heads, d, memory]);
    add(`${name}.to_out${full ? "" : ".0"}`, channels, heads * d, 1, 1);
    if (!full) gain(`${name}.to_out.1`, channels);
  };
  const levels = c.channelMult.length;
  const widthOut = (l: number) => widthOf(c, l);
  const widthIn = (l: number) => (l === 0 ? c.stem : widthOf(c, l - 1));
  add("init_conv", c.stem, c.inChannels, 7, 7);
  add("time_mlp.1", c.embeddingChannels, c.channels);
  add("time_mlp.3", c.embeddingChannels, c.embeddingChannels);
  for (let l = 0; l < levels; l++) {
    const [from, to] = [widthIn(l), widthOut(l)];
    for (const j of [0, 1]) res(`downs.${l}.${j}`, from, from);
    attention(`downs.${l}.2`, from, c.fullAttention.includes(l));
    if (l === levels - 1) add(`downs.${l}.3`, to, from, 3, 3);
    else add(`downs.${l}.3.1`, to, 4 * from, 1, 1);
  }
  const middle = widthOut(levels - 1);
  res("mid_block1", middle, middle);
  attention("mid_attn", middle, true);
  res("mid_block2", middle, middle);
  for (let l = levels - 1; l >= 0; l--) {
    const at = `ups.${levels - 1 - l}`;
    const [from, to] = [widthIn(l), widthOut(l)];
    for (const j of [0, 1]) res(`${at}.${j}`, from + to, to);
    attention(`${at}.2`, to, c.fullAttention.includes(l));
    add(l === 0 ? `${at}.3` : `${at}.3.1`, from, to, 3, 3);
  }
  res("final_res_block", 2 * c.stem, c.stem);
  add("final_conv", c.outChannels, c.stem, 1, 1);
  return shapes;
}

/** Before 1.7.3 the convolutions of res blocks standardise their weights at every evaluation: done once here.
 *  w := (w - mean) / sqrt(var + 1e-5) for each output channel.   Qiao et al. 2019 */
export function standardise(values: Float32Array<ArrayBuffer>, rows: number): Float32Array<ArrayBuffer> {
  const count = values.length / rows;
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const weights = values.subarray(row * count, (row + 1) * count);
    let mean = 0;
    for (const w of weights) mean += w / count;
    let variance = 0;
    for (const w of weights) variance += (w - mean) ** 2 / count;
    const scale = 1 / Math.sqrt(variance + 1e-5);
    weights.forEach((w, i) => {
      out[row * count + i] = (w - mean) * scale;
    });
  }
  return out;
}

/** Names of the weights that old versions standardise. */
export const isStandardised = (name: string): boolean => /\.block[12]\.proj\.weight$/.test(name);

/** The diffusion process of a Trainer's file: alpha-bar as it stands there, and the objective as its loss weights tell.
 *  Undefined for a bare U-Net. @throws UserError where the weights fit no objective */
export async function processOf(
  { file, beside }: Pick<Checkpoint, "file" | "beside">,
  signal?: AbortSignal,
): Promise<{ schedule: Schedule; from: string } | undefined> {
  const alphas = await beside?.("alphas_cumprod", signal);
  if (!alphas) return undefined;
  const loss = await beside?.("loss_weight", signal);
  const prediction = loss ? objectiveOf(alphas, loss) : "epsilon";
  if (!prediction)
    throw new UserError(
      `${file}: its loss_weight is that of no objective (pred_noise, pred_x0, pred_v); say what it predicts (schedule, --schedule)`,
    );
  const from = loss
    ? "the file's diffusion process"
    : "the file's diffusion process; pred_noise assumed: it does not tell";
  // From 1.4.2 on the noise is computed anew from the clamped x0 whatever is predicted, and loss_weight came a month later.
  const rederive = loss !== undefined || prediction !== "epsilon";
  return { schedule: alphasSchedule([...alphas], prediction, rederive, file), from };
}

/** Loss weights at low signal, where no version caps them: 1 for the noise, the signal-to-noise ratio for x0, alpha-bar
 *  for v. */
function objectiveOf(alphas: Float32Array, loss: Float32Array): Prediction | undefined {
  const low = [...alphas.keys()].filter((t) => alphas[t]! < 0.4);
  const fits = (weight: (a: number) => number) =>
    low.length > 0 && low.every((t) => Math.abs(loss[t]! / weight(alphas[t]!) - 1) < 1e-3);
  if (fits(() => 1)) return "epsilon";
  if (fits((a) => a / (1 - a))) return "sample";
  return fits((a) => a) ? "v_prediction" : undefined;
}

/** Versions of denoising-diffusion-pytorch, and what this engine makes of their files. */
export const lucidrainsVersions: readonly {
  readonly versions: string;
  readonly told: string;
  readonly runs: string;
}[] = [
  {
    versions: "2.0 and later",
    told: "`block1.norm.g`",
    runs: "yes: RMS norm in res blocks, learned keys and values",
  },
  { versions: "1.9 to 1.11", told: "`mem_kv`", runs: "yes: group norm in res blocks, learned keys and values" },
  { versions: "1.8", told: "`to_qkv` beside `norm.g`", runs: "yes: RMS norm at attention" },
  {
    versions: "1.7.1 to 1.7.4",
    told: "`version` in a Trainer's file",
    runs: "refused: their arithmetic changed under the names of 1.7.0",
  },
  {
    versions: "0.32 to 1.7.0",
    told: "`fn.fn.to_qkv`",
    runs: "yes: layer norm at attention, values divided by the pixels, weights standardised once, on loading",
  },
  {
    versions: "0.27 to 0.31",
    told: "4x4 `downs.0.3.weight`",
    runs: "refused: two kinds of middle attention have the same names",
  },
  {
    versions: "any, with self-conditioning, learned or random Fourier features, classes, Unet1D or video",
    told: "shapes and names",
    runs: "refused",
  },
];

/** The table of docs/checkpoints.md. */
export const lucidrainsTable = (): string =>
  [
    "| denoising-diffusion-pytorch | told by | runs |",
    "|---|---|---|",
    ...lucidrainsVersions.map(({ versions, told, runs }) => `| ${versions} | ${told} | ${runs} |`),
  ].join("\n");
