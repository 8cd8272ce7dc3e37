import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../src/errors";
import type { Device } from "../../src/gpu/device";
import { Model } from "../../src/inject/model";
import { openContainer } from "../../src/model/checkpoint/checkpoint";
import type { ConfigHints } from "../../src/model/checkpoint/described";
import { openModelCheckpoint } from "../../src/model/checkpoint/model";
import { openSource } from "../../src/model/checkpoint/source-node";
import { Network, type NetworkOptions } from "../../src/model/network";
import { platform } from "../../src/platform/node";
import type { Values } from "./kernels";

/** What network cases read of a manifest. */
export interface NetworkManifest {
  readonly case: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly weights?: string | readonly string[];
  readonly file?: string;
  readonly [extra: string]: unknown;
}

/** All tensors of a safetensors file. @throws UserError if it is missing or damaged */
export async function readTensors(path: string): Promise<Map<string, Values>> {
  if (!existsSync(path)) throw new UserError(`${path}: no such file`);
  const source = await openSource(path);
  const file = await openContainer(source);
  const tensors = new Map<string, Values>();
  try {
    for (const [name, { shape }] of file.tensors) tensors.set(name, { shape, data: await file.read(name) });
  } finally {
    file.close();
  }
  return tensors;
}

export const readManifest = <T>(folder: string, name: string): T =>
  JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8")) as T;

/** The network of a manifest, its weights from the same folder. */
export async function openNetwork(
  folder: string,
  manifest: NetworkManifest,
  device: Device,
  options: NetworkOptions = {},
): Promise<Model> {
  const file = typeof manifest.weights === "string" ? manifest.weights : manifest.weights?.[0];
  if (!file) throw new UserError(`${manifest.case}: the manifest names no weights`);
  const source = await openSource(join(folder, file));
  const checkpoint = await openModelCheckpoint(source, hintsOf(manifest.config));
  try {
    return new Model(await Network.load(checkpoint, device, options), platform, { name: manifest.case });
  } finally {
    checkpoint.close();
  }
}

/** What weights do not tell, from a manifest's official arguments. */
export function hintsOf(config: Readonly<Record<string, unknown>>): ConfigHints {
  const adm = config.create_model_args as Record<string, unknown> | undefined;
  const norm = config.groupnorm as { groups?: number; eps?: number } | undefined;
  const shared = { ...(norm?.groups && { groups: norm.groups }), ...(norm?.eps && { eps: norm.eps }) };
  if (!adm) return { resolution: Number(config.resolution), family: "ddpm", ...shared };
  const width = Number(adm.num_head_channels);
  return {
    resolution: Number(adm.image_size),
    qkvOrder: adm.use_new_attention_order ? "new" : "legacy",
    ...(width > 0 ? { headChannels: width } : { headChannels: 0, heads: Number(adm.num_heads) }),
    ...shared,
  };
}
