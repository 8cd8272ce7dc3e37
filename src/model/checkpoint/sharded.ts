import { UserError } from "../../errors";
import { checkName, MAX_TENSORS, type Opened } from "./container";
import { checkJson } from "./json-limits";
import { MAX_HEADER_BYTES, SNIFF_BYTES, sniff } from "./sniff";
import type { ByteSource } from "./source";

const MAX_SHARDS = 1000;

/** Reads the `weight_map` of an index: the file of each tensor. */
async function readIndex(source: ByteSource, signal?: AbortSignal): Promise<Map<string, string>> {
  const file = source.name;
  if (source.size > MAX_HEADER_BYTES)
    throw new UserError(`${file}: an index of ${source.size} bytes; at most ${MAX_HEADER_BYTES} are read`);
  const bytes = await source.read(0, source.size, signal);
  checkJson(bytes, { depth: 3, values: 3 * MAX_TENSORS }, file);
  let index: { weight_map?: unknown } | null;
  try {
    index = JSON.parse(new TextDecoder().decode(bytes)) as { weight_map?: unknown } | null;
  } catch {
    throw new UserError(`${file}: is not a JSON index; download it again`);
  }
  const map = index?.weight_map;
  if (typeof map !== "object" || map === null || !Object.values(map).every((v) => typeof v === "string"))
    throw new UserError(`${file}: its weight_map does not map tensors to files; download it again`);
  const weights = new Map(Object.entries(map as Record<string, string>));
  if (weights.size > MAX_TENSORS)
    throw new UserError(`${file}: names ${weights.size} tensors; at most ${MAX_TENSORS} are read`);
  for (const name of weights.keys()) checkName(name, file);
  return weights;
}

/** Opens the file of one shard. @throws UserError when it is missing, or an index itself: an index could name itself */
async function openShard(source: ByteSource, name: string, signal?: AbortSignal): Promise<ByteSource> {
  const shard = await source.sibling?.(name, signal);
  if (!shard) throw new UserError(`${source.name}: its shard ${name} is not beside it; download it too`);
  try {
    const head = await shard.read(0, Math.min(SNIFF_BYTES, shard.size), signal);
    if (sniff(head, shard.size, shard.name) === "index")
      throw new UserError(`${source.name}: its shard ${name} is another index, expected tensors; download both again`);
  } catch (error) {
    shard.close?.();
    throw error;
  }
  return shard;
}

/** Opens `*.safetensors.index.json` or `*.bin.index.json`: its shards as one file, found through the source's siblings.
 *  @param open opens one shard, whatever container it is
 *  @throws UserError when a shard is missing, is named outside the folder, or does not hold what the index says */
export async function openSharded(
  source: ByteSource,
  open: (shard: ByteSource) => Promise<Opened>,
  signal?: AbortSignal,
): Promise<Opened> {
  const file = source.name;
  const weights = await readIndex(source, signal);
  const names = [...new Set(weights.values())];
  if (names.length === 0 || names.length > MAX_SHARDS)
    throw new UserError(`${file}: expected 1 to ${MAX_SHARDS} shards, got ${names.length}; download it again`);
  if (!source.sibling)
    throw new UserError(`${file}: is an index of ${names.length} shards; give its path or URL, so that they are found`);
  const shards = new Map<string, Opened>();
  const close = () => {
    for (const shard of shards.values()) shard.close();
    source.close?.();
  };
  try {
    for (const name of names) shards.set(name, await open(await openShard(source, name, signal)));
    for (const [tensor, shard] of weights)
      if (!shards.get(shard)?.tensors.has(tensor))
        throw new UserError(`${file}: ${shard} does not hold ${tensor}; download both again`);
  } catch (error) {
    close();
    throw error;
  }
  const tensors = [...shards].flatMap(([shard, opened]) =>
    [...opened.tensors].filter(([name]) => weights.get(name) === shard),
  );
  return {
    container: [...shards.values()][0]!.container,
    tensors: new Map(tensors),
    metadata: Object.assign({}, ...[...shards.values()].map((shard) => shard.metadata)),
    wrapper: `${names.length} shards`,
    ignored: [],
    async read(name, signal, into) {
      const shard = shards.get(weights.get(name) ?? "");
      if (!shard) throw new UserError(`${file}: has no tensor ${name}`);
      return shard.read(name, signal, into);
    },
    close,
  };
}
