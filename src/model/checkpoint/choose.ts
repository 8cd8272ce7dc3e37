import { UserError } from "../../errors";

export interface ChooseOptions {
  /** Take a moving average's folder where there is one; true unless said otherwise. */
  readonly ema?: boolean | undefined;
  /** The variant of the weights, such as `fp16` in `diffusion_pytorch_model.fp16.safetensors`. */
  readonly variant?: string | undefined;
}

/** Names that libraries save weights under, best first; of shards without an index, the first. */
const stems = ["diffusion_pytorch_model", "model", "pytorch_model"];
const endings = ["safetensors", "safetensors.index.json", "bin", "bin.index.json"];

/** How a stem and an ending may be put together: with a variant between, of shards the first. */
const patternOf = (stem: string, ending: string, variant: string): RegExp => {
  const [kind, index] = [ending.split(".", 1)[0]!, ending.endsWith(".json")];
  const v = variant === "" ? "" : `\\.${variant}`;
  return index
    ? new RegExp(`^${stem}(?:${v}\\.${kind}\\.index|\\.${kind}\\.index${v})\\.json$`)
    : new RegExp(`^${stem}${v}(?:-0*1-of-\\d+)?\\.${kind}$`);
};

const VARIANT = "([A-Za-z0-9_]+)";

/** The weights of one folder, or undefined. */
function usual(files: readonly string[], variant?: string): string | undefined {
  const tries = variant !== undefined ? [variant.replace(/[^\w]/g, "")] : ["", VARIANT];
  for (const v of tries)
    for (const stem of stems)
      for (const ending of endings) {
        const found = files.filter((name) => patternOf(stem, ending, v).test(name));
        if (found.length === 1) return found[0];
      }
  return undefined;
}

/** The file that a model's folder keeps its weights in: of a pipeline, the U-Net's; of a training run's checkpoint, the
 *  moving average's. An index stands for its shards.
 *  @param files paths relative to the folder, with `/`
 *  @param spec what the folder is called, for messages
 *  @throws UserError listing the candidates when it is not plain which one, or when there are none. */
export function chooseWeights(files: readonly string[], spec: string, options: ChooseOptions = {}): string {
  const { ema = true, variant } = options;
  const inside = (folder: string) =>
    files
      .filter((name) => name.startsWith(folder))
      .map((name) => name.slice(folder.length))
      .filter((name) => !name.includes("/"));
  for (const folder of ema ? ["", "unet_ema/", "unet/"] : ["", "unet/", "unet_ema/"]) {
    const found = usual(inside(folder), variant);
    if (found) return folder + found;
  }
  const graph = files.filter((name) => /(?:^|\/)model\.json$/.test(name));
  if (graph.length === 1 && files.some((name) => /(?:^|\/)group\d+-shard\d+of\d+\.bin$/.test(name))) return graph[0]!;
  const weights = files.filter((name) => /\.(?:safetensors|ckpt|pt|pth|bin)$/.test(name));
  const candidates = variant === undefined ? weights : [];
  if (candidates.length === 1) return candidates[0]!;
  if (weights.length === 0) throw new UserError(`${spec}: holds no weights; check the name`);
  const shown = weights.slice(0, 6).join(", ") + (weights.length > 6 ? ", ..." : "");
  if (variant !== undefined)
    throw new UserError(`${spec}: has no variant "${variant}" of its weights; it holds ${shown}`);
  throw new UserError(`${spec}: which file? It holds ${shown}; give one of them`);
}

/** `name-00002-of-00003.safetensors`: the names of all shards of the set, or undefined for a file that is no shard. */
export function shardNames(name: string): readonly string[] | undefined {
  const [, stem, digits, count, ending] = /^(.*)-(\d+)-of-(\d+)(\.\w+)$/.exec(name) ?? [];
  const n = Number(count);
  if (!stem || n < 1 || n > 1000) return undefined;
  return Array.from(
    { length: n },
    (_, i) => `${stem}-${String(i + 1).padStart(digits!.length, "0")}-of-${count}${ending}`,
  );
}
