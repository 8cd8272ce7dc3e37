/** Names at the top of each layout, which show where a prefix ends. */
const probes = ["conv_in.weight", "time_embed.0.weight", "init_conv.weight"];

/** Wrappers that prefix the names of all tensors: DataParallel, Lightning, torch.compile, pipelines, averages. */
const prefix =
  /^(?:(?:module|model|_orig_mod|unet|net|network|diffusion_model|denoise_fn|ema|model_ema|ema_model|online_model)\.)*$/;

const averaged = /(?:^|\.)(?:ema|model_ema|ema_model)\./;

/** Tensors that no U-Net here has, but that its files may contain. */
const extras = [
  /\.num_batches_tracked$/,
  /^layer_\d+\./, // Asyrp's DeltaBlocks
  /samplers\.0\.Conv2d_0\./, // the same tensor a second time, in early diffusers files
];

/** Finds the prefix of all names; empty when there is none. Of several networks in one dict it prefers the average if
 *  `ema` is set, then the shortest prefix. */
export function findPrefix(names: Iterable<string>, ema = true): string {
  const found: string[] = [];
  for (const name of names)
    for (const probe of probes)
      if (name.endsWith(probe)) {
        const front = name.slice(0, -probe.length);
        if (prefix.test(front)) found.push(front);
      }
  const other = (front: string) => Number(averaged.test(front) !== ema);
  return found.sort((a, b) => other(a) - other(b) || a.length - b.length)[0] ?? "";
}

/** Maps the network's own names to the names in the file, and lists the rest as ignored. With a prefix, names without it
 *  are not part of the network. */
export function unwrapNames(
  names: Iterable<string>,
  ema = true,
): {
  names: Map<string, string>;
  ignored: string[];
  prefix: string;
} {
  const all = [...names];
  const front = findPrefix(all, ema);
  const kept = new Map<string, string>();
  const ignored: string[] = [];
  for (const name of all) {
    const own = name.slice(front.length);
    if (!name.startsWith(front) || extras.some((pattern) => pattern.test(own))) ignored.push(name);
    else kept.set(own, name);
  }
  return { names: kept, ignored, prefix: front };
}
