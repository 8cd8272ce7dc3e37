import { UserError } from "../../errors";
import type { Opened, TensorInfo } from "./container";
import type { ByteSource } from "./source";

/** Opens `name-00001-of-00003.safetensors` and its sisters as one file, without an index.
 *  @param names of all shards, that of `source` among them @param open opens one shard, whatever container it is
 *  @throws UserError when a shard is missing, or two hold a tensor of the same name. */
export async function openShardSet(
  source: ByteSource,
  names: readonly string[],
  open: (shard: ByteSource) => Promise<Opened>,
  signal?: AbortSignal,
): Promise<Opened> {
  const shards: Opened[] = [];
  const close = () => {
    for (const shard of shards) shard.close();
    source.close?.();
  };
  const holder = new Map<string, Opened>();
  const tensors = new Map<string, TensorInfo>();
  try {
    for (const name of names) {
      const shard = name === source.name ? source : await source.sibling?.(name, signal);
      if (!shard) throw new UserError(`${source.name}: its shard ${name} is not beside it; download it too`);
      const opened = await open(shard);
      shards.push(opened);
      for (const [tensor, info] of opened.tensors) {
        if (holder.has(tensor))
          throw new UserError(`${name}: holds ${tensor}, as another shard does; they are of different models`);
        holder.set(tensor, opened);
        tensors.set(tensor, info);
      }
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    container: shards[0]!.container,
    tensors,
    metadata: Object.assign({}, ...shards.map((shard) => shard.metadata)),
    wrapper: `${names.length} shards`,
    ignored: shards.flatMap((shard) => shard.ignored),
    async read(name, signal, into) {
      const shard = holder.get(name);
      if (!shard) throw new UserError(`${source.name}: has no tensor ${name}`);
      return shard.read(name, signal, into);
    },
    close,
  };
}
