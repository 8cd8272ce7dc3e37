import { UserError } from "../../errors";
import { type AdmConfig, type DdpmConfig, qkvRowsOf, type UNetConfig, widthOf } from "../config";
import type { Shapes, TensorInfo } from "./container";
import { isFloat } from "./dtype";
import { expectedLucidrains } from "./lucidrains";

/** Every tensor a network of this configuration has, under canonical names, with its shape, in running order. */
export function expectedTensors(config: UNetConfig): Shapes {
  switch (config.family) {
    case "ddpm":
      return ddpm(config);
    case "adm":
      return adm(config);
    case "lucidrains":
      return expectedLucidrains(config);
    default:
      return config satisfies never;
  }
}

/** Adds a module's weight and bias. */
type Add = (name: string, ...weight: number[]) => void;

function collector(): { shapes: Shapes; add: Add } {
  const shapes: Shapes = new Map();
  const add: Add = (name, ...weight) => {
    shapes.set(`${name}.weight`, weight);
    shapes.set(`${name}.bias`, [weight[0]!]);
  };
  return { shapes, add };
}

/** Layout A: Ho et al. 2020 as pesser, SDEdit and Asyrp spell it. */
function ddpm(c: DdpmConfig): Shapes {
  const { shapes, add } = collector();
  const width = (level: number) => widthOf(c, level);
  const levels = c.channelMult.length;
  const temb = c.embeddingChannels;
  const res = (name: string, from: number, to: number) => {
    add(`${name}.norm1`, from);
    add(`${name}.conv1`, to, from, 3, 3);
    add(`${name}.temb_proj`, c.scaleShift ? 2 * to : to, temb);
    add(`${name}.norm2`, to);
    add(`${name}.conv2`, to, to, 3, 3);
    if (from !== to) add(`${name}.nin_shortcut`, to, from, 1, 1);
  };
  const attn = (name: string, width: number, normed = true) => {
    const rows = qkvRowsOf(c, width);
    if (normed) add(`${name}.norm`, width);
    for (const leaf of ["q", "k", "v"]) add(`${name}.${leaf}`, rows, width, 1, 1);
    add(`${name}.proj_out`, width, rows, 1, 1);
  };
  if (c.frequencies) shapes.set("temb.frequencies", [c.frequencies]);
  add("temb.dense.0", temb, c.frequencies ? 2 * c.frequencies : c.channels);
  add("temb.dense.1", temb, temb);
  if (c.classes > 0) shapes.set("class_embedding.weight", [c.classes, temb]);
  if (c.classEmbedding === "timestep") {
    add("class_embedding.linear_1", temb, c.channels);
    add("class_embedding.linear_2", temb, temb);
  }
  add("conv_in", c.channels, c.inChannels, 3, 3);
  const skips = [c.channels];
  let running = c.channels;
  for (let l = 0; l < levels; l++) {
    for (let j = 0; j < c.resBlocks; j++) {
      res(`down.${l}.block.${j}`, running, width(l));
      running = width(l);
      if (c.attention.includes(l)) attn(`down.${l}.attn.${j}`, running);
      skips.push(running);
    }
    if (l === levels - 1) break;
    if (c.resDown.includes(l)) res(`down.${l}.downsample`, running, running);
    else if (c.convResample) add(`down.${l}.downsample.conv`, running, running, 3, 3);
    skips.push(running);
  }
  res("mid.block_1", running, running);
  if (c.midAttention) attn("mid.attn_1", running, c.midGroups > 0);
  res("mid.block_2", running, running);
  for (let l = levels - 1; l >= 0; l--) {
    for (let j = 0; j <= c.resBlocks; j++) {
      res(`up.${l}.block.${j}`, running + skips.pop()!, width(l));
      running = width(l);
      if (c.upAttention.includes(l)) attn(`up.${l}.attn.${j}`, running);
    }
    if (l > 0 && c.resUp.includes(l)) res(`up.${l}.upsample`, running, running);
    else if (l > 0 && c.convResample) add(`up.${l}.upsample.conv`, running, running, 3, 3);
  }
  add("norm_out", running);
  add("conv_out", c.outChannels, running, 3, 3);
  return shapes;
}

/** Layout C: Dhariwal & Nichol 2021 and its relatives. */
function adm(c: AdmConfig): Shapes {
  const { shapes, add } = collector();
  const width = (level: number) => widthOf(c, level);
  const levels = c.channelMult.length;
  const temb = 4 * c.channels;
  const res = (name: string, from: number, to: number) => {
    add(`${name}.in_layers.0`, from);
    add(`${name}.in_layers.2`, to, from, 3, 3);
    add(`${name}.emb_layers.1`, c.scaleShift ? 2 * to : to, temb);
    add(`${name}.out_layers.0`, to);
    add(`${name}.out_layers.3`, to, to, 3, 3);
    if (from !== to) add(`${name}.skip_connection`, to, from, 1, 1);
  };
  const attn = (name: string, width: number) => {
    add(`${name}.norm`, width);
    add(`${name}.qkv`, 3 * width, width, 1);
    add(`${name}.proj_out`, width, width, 1);
  };
  add("time_embed.0", temb, c.channels);
  add("time_embed.2", temb, temb);
  if (c.classes > 0) shapes.set("label_emb.weight", [c.classes, temb]);
  let running = width(0); // the stem already has the width of the first level
  add("input_blocks.0.0", running, c.inChannels, 3, 3);
  const skips = [running];
  let k = 1;
  for (let l = 0; l < levels; l++) {
    for (let j = 0; j < c.resBlocks; j++, k++) {
      res(`input_blocks.${k}.0`, running, width(l));
      running = width(l);
      if (c.attention.includes(l)) attn(`input_blocks.${k}.1`, running);
      skips.push(running);
    }
    if (l === levels - 1) break;
    if (c.resblockUpdown) res(`input_blocks.${k}.0`, running, running);
    else if (c.convResample) add(`input_blocks.${k}.0.op`, running, running, 3, 3);
    skips.push(running);
    k++;
  }
  res("middle_block.0", running, running);
  attn("middle_block.1", running);
  res("middle_block.2", running, running);
  k = 0;
  for (let l = levels - 1; l >= 0; l--)
    for (let j = 0; j <= c.resBlocks; j++, k++) {
      res(`output_blocks.${k}.0`, running + skips.pop()!, width(l));
      running = width(l);
      const attended = c.attention.includes(l);
      if (attended) attn(`output_blocks.${k}.1`, running);
      if (l === 0 || j < c.resBlocks) continue;
      const up = `output_blocks.${k}.${attended ? 2 : 1}`;
      if (c.resblockUpdown) res(up, running, running);
      else if (c.convResample) add(`${up}.conv`, running, running, 3, 3);
    }
  add("out.0", running);
  add("out.2", c.outChannels, running, 3, 3);
  return shapes;
}

/** Tensors that a file has and lacks against those of its configuration. */
export interface Differences {
  readonly missing: readonly string[];
  readonly surplus: readonly string[];
  /** [name, shape found, shape needed] */
  readonly misshaped: readonly (readonly [string, readonly number[], readonly number[]])[];
}

const same = (a: readonly number[], b: readonly number[]) => a.length === b.length && a.every((d, i) => d === b[i]);

export function compareTensors(tensors: ReadonlyMap<string, TensorInfo>, expected: Shapes): Differences {
  const misshaped: (readonly [string, readonly number[], readonly number[]])[] = [];
  for (const [name, shape] of expected) {
    const found = tensors.get(name)?.shape;
    if (found && !same(found, shape)) misshaped.push([name, found, shape]);
  }
  return {
    missing: [...expected.keys()].filter((name) => !tensors.has(name)),
    surplus: [...tensors.keys()].filter((name) => !expected.has(name)),
    misshaped,
  };
}

const some = (names: readonly string[]) =>
  names.slice(0, 3).join(", ") + (names.length > 3 ? ` and ${names.length - 3} more` : "");

/** @throws UserError naming tensors that are missing, of the wrong shape (both shapes), or no floating-point numbers.
 *  Surplus names are no error: they are the caller's to report. */
export function requireTensors(
  tensors: ReadonlyMap<string, TensorInfo>,
  expected: Shapes,
  file: string,
): readonly string[] {
  const { missing, surplus, misshaped } = compareTensors(tensors, expected);
  if (missing.length > 0)
    throw new UserError(
      `${file}: ${missing.length} of ${expected.size} tensors are missing (${some(missing)}); it is incomplete or of another network`,
    );
  const [wrong] = misshaped;
  if (wrong) {
    const [name, found, needed] = wrong;
    throw new UserError(
      `${file}: ${name} is [${found.join(", ")}], expected [${needed.join(", ")}]${misshaped.length > 1 ? ` (and ${misshaped.length - 1} more)` : ""}; it is of another network`,
    );
  }
  for (const name of expected.keys()) {
    const { dtype } = tensors.get(name)!;
    if (!isFloat(dtype)) throw new UserError(`${file}: ${name} is ${dtype}, expected F32, F16, BF16 or F64`);
  }
  return surplus;
}
