import { UserError } from "../../errors";
import { shardNames } from "./choose";
import type { Opened, TensorInfo } from "./container";
import { openSafetensors } from "./safetensors";
import { openShardSet } from "./shard-set";
import { openSharded } from "./sharded";
import { SNIFF_BYTES, sniff } from "./sniff";
import { type ByteSource, isAbort } from "./source";
import { unwrapNames } from "./unwrap";

export type { TensorInfo } from "./container";

/** An opened checkpoint, its tensors renamed: what it holds is known, nothing is loaded until `read`. `wrapper` is the way and
 *  prefix by which the network was found, such as `list[4]` or `state_dict module.`; `ignored` also names Asyrp's layers and
 *  duplicates. */
export interface Checkpoint extends Opened {
  readonly file: string;
  /** A tensor of what the network is wrapped in, such as the tables of its diffusion process, if it is there. */
  beside?(name: string, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer> | undefined>;
}

export interface CheckpointOptions {
  /** Take the moving average where the file carries one; true unless said otherwise. */
  readonly ema?: boolean;
  readonly signal?: AbortSignal;
}

/** Opens a checkpoint by its content, never by its extension, and finds the network inside its wrappers.
 *  Reads a few hundred KB. @throws UserError naming what the file is when it is no checkpoint. */
export async function openCheckpoint(source: ByteSource, options: CheckpointOptions = {}): Promise<Checkpoint> {
  const { signal, ema = true } = options;
  try {
    return unwrapped(source.name, await openContainer(source, ema, signal), ema);
  } catch (error) {
    source.close?.();
    if (error instanceof UserError || isAbort(error) || signal?.aborted) throw error;
    throw new Error(`${source.name}: the checkpoint reader failed`, { cause: error });
  }
}

/** Opens the container without looking for a network in it. */
export async function openContainer(source: ByteSource, ema = true, signal?: AbortSignal): Promise<Opened> {
  const shards = shardNames(source.name);
  if (shards && shards.length > 1 && source.sibling)
    return openShardSet(source, shards, (shard) => openOne(shard, ema, signal), signal);
  return openOne(source, ema, signal);
}

async function openOne(source: ByteSource, ema: boolean, signal?: AbortSignal): Promise<Opened> {
  const head = await source.read(0, Math.min(SNIFF_BYTES, source.size), signal);
  const container = sniff(head, source.size, source.name);
  switch (container) {
    case "safetensors":
      return openSafetensors(source, signal);
    case "index":
      return openSharded(source, (shard) => openOne(shard, ema, signal), signal);
    // Readers of the rarer containers load when needed: a page that opens safetensors only never fetches them.
    case "torch-zip":
      return (await import("./torch-zip")).openTorchZip(source, ema, signal);
    case "torch-legacy":
      return (await import("./torch-legacy")).openTorchLegacy(source, ema, signal);
    case "tfjs":
      return (await import("./tfjs")).openTfjs(source, signal);
    default:
      return container satisfies never;
  }
}

function unwrapped(file: string, opened: Opened, ema: boolean): Checkpoint {
  const { names, ignored, prefix } = unwrapNames(opened.tensors.keys(), ema);
  const tensors = new Map<string, TensorInfo>();
  for (const [own, name] of names) tensors.set(own, opened.tensors.get(name)!);
  return {
    file,
    container: opened.container,
    ...(opened.graph && { graph: opened.graph }),
    tensors,
    metadata: opened.metadata,
    wrapper: [opened.wrapper, prefix].filter(Boolean).join(" "),
    ignored: [...opened.ignored, ...ignored],
    async read(name, signal, into) {
      signal?.throwIfAborted();
      const inside = names.get(name);
      if (inside === undefined) throw new UserError(`${file}: has no tensor ${name}`);
      return opened.read(inside, signal, into);
    },
    async beside(name, signal) {
      const outer = prefix.replace(/[^.]+\.$/, "") + name;
      return prefix !== "" && opened.tensors.has(outer) ? opened.read(outer, signal) : undefined;
    },
    close: () => opened.close(),
  };
}
