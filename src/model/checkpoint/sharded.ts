import { UserError } from "../../errors";
import { checkName, type Opened } from "./container";
import { MAX_HEADER_BYTES } from "./sniff";
import type { ByteSource } from "./source";

/** Opens `*.safetensors.index.json` or `*.bin.index.json`: its shards as one file, through the source's siblings.
 *  @param open opens one shard, whatever container it is @throws UserError when a shard is missing, names outside the folder, or does not hold what the index says. */
export async function openSharded(
  source: ByteSource,
  open: (shard: ByteSource) => Promise<Opened>,
  signal?: AbortSignal,
): Promise<Opened> {
  const file = source.name;
  if (source.size > MAX_HEADER_BYTES) throw new UserError(`${file}: an index of ${source.size} bytes; no checkpoint's`);
  let map: unknown;
  try {
    const bytes = await source.read(0, source.size, signal);
    map = (JSON.parse(new TextDecoder().decode(bytes)) as { weight_map?: unknown }).weight_map;
  } catch (error) {
    if (error instanceof UserError || signal?.aborted) throw error;
    throw new UserError(`${file}: is no JSON index; download it again`);
  }
  if (typeof map !== "object" || map === null || !Object.values(map).every((v) => typeof v === "string"))
    throw new UserError(`${file}: its weight_map does not map tensors to files; download it again`);
  const weights = new Map(Object.entries(map as Record<string, string>));
  for (const name of weights.keys()) checkName(name, file);
  const names = [...new Set(weights.values())];
  if (names.length === 0 || names.length > 1000) throw new UserError(`${file}: names ${names.length} shards`);
  if (!source.sibling)
    throw new UserError(`${file}: is an index of ${names.length} shards; give the path or URL, so that they are found`);
  const shards = new Map<string, Opened>();
  const close = () => {
    for (const shard of shards.values()) shard.close();
    source.close?.();
  };
  try {
    for (const name of names) {
      const shard = await source.sibling(name, signal);
      if (!shard) throw new UserError(`${file}: its shard ${name} is not beside it; download it too`);
      shards.set(name, await open(shard));
    }
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
