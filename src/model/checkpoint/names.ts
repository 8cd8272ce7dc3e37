/** The names of layout A (DDPM) beside those of layout B (diffusers UNet2DModel): one table.
 *  `{l}` is a level, `{r}` the same level counted from the other end, `{j}` a block; `{res}` and `{attn}` stand for
 *  the rows of the two tables below, so that a res block or an attention is spelled once. */
const modules: readonly (readonly [a: string, b: string])[] = [
  ["temb.dense.0", "time_embedding.linear_1"],
  ["temb.dense.1", "time_embedding.linear_2"],
  ["class_embedding", "class_embedding"],
  ["class_embedding.linear_1", "class_embedding.linear_1"],
  ["class_embedding.linear_2", "class_embedding.linear_2"],
  ["conv_in", "conv_in"],
  ["down.{l}.block.{j}.{res}", "down_blocks.{l}.resnets.{j}.{res}"],
  ["down.{l}.attn.{j}.{attn}", "down_blocks.{l}.attentions.{j}.{attn}"],
  ["down.{l}.downsample.conv", "down_blocks.{l}.downsamplers.0.conv"],
  ["down.{l}.downsample.{res}", "down_blocks.{l}.downsamplers.0.{res}"],
  ["mid.block_1.{res}", "mid_block.resnets.0.{res}"],
  ["mid.attn_1.{attn}", "mid_block.attentions.0.{attn}"],
  ["mid.block_2.{res}", "mid_block.resnets.1.{res}"],
  ["up.{l}.block.{j}.{res}", "up_blocks.{r}.resnets.{j}.{res}"],
  ["up.{l}.attn.{j}.{attn}", "up_blocks.{r}.attentions.{j}.{attn}"],
  ["up.{l}.upsample.conv", "up_blocks.{r}.upsamplers.0.conv"],
  ["up.{l}.upsample.{res}", "up_blocks.{r}.upsamplers.0.{res}"],
  ["norm_out", "conv_norm_out"],
  ["conv_out", "conv_out"],
];

const res: readonly (readonly [string, string])[] = [
  ["norm1", "norm1"],
  ["conv1", "conv1"],
  ["temb_proj", "time_emb_proj"],
  ["norm2", "norm2"],
  ["conv2", "conv2"],
  ["nin_shortcut", "conv_shortcut"],
];

/** Attention has two spellings in diffusers: before and after its PR #3387 of May 2023. */
const attnNew: readonly (readonly [string, string])[] = [
  ["norm", "group_norm"],
  ["q", "to_q"],
  ["k", "to_k"],
  ["v", "to_v"],
  ["proj_out", "to_out.0"],
];
const attnOld: readonly (readonly [string, string])[] = [
  ["norm", "group_norm"],
  ["q", "query"],
  ["k", "key"],
  ["v", "value"],
  ["proj_out", "proj_attn"],
];

/** Other spellings of the resampling convolutions, in LDM-style and very old diffusers files. */
const aliases: readonly (readonly [RegExp, string])[] = [
  [/^(down\.\d+\.downsample)\.op\./, "$1.conv."],
  [/^(up\.\d+\.upsample)\.op\./, "$1.conv."],
  [/^(down_blocks\.\d+\.downsamplers\.0)\.op\./, "$1.conv."],
];

interface Row {
  readonly a: string;
  readonly fromB: RegExp;
}

const number = "(0|[1-9]\\d?)";

/** A template as a pattern with named groups l, r and j. */
const pattern = (template: string): RegExp =>
  new RegExp(`^${template.replaceAll(".", "\\.").replace(/\{([lrj])\}/g, (_, key) => `(?<${key}>${number})`)}$`);

function rows(attn: readonly (readonly [string, string])[]): Row[] {
  const spelled = modules.flatMap(([a, b]) => {
    const leaves = a.includes("{res}") ? res : a.includes("{attn}") ? attn : [["", ""] as const];
    return leaves.map(([la, lb]) => [a.replace(/\{(res|attn)\}/, la), b.replace(/\{(res|attn)\}/, lb)] as const);
  });
  return spelled.map(([a, b]) => ({ a, fromB: pattern(b) }));
}

const young = rows(attnNew);
const old = rows(attnOld);

/** How many levels the names tell of, in either layout. */
export function levelsOf(names: Iterable<string>): number {
  let levels = 0;
  for (const name of names) {
    const level = /^(?:down|down_blocks)\.(\d{1,2})\./.exec(name)?.[1];
    if (level !== undefined) levels = Math.max(levels, Number(level) + 1);
  }
  return levels;
}

/** Layout A's name along the table; `undefined` for a name it does not know. */
function rename(name: string, table: readonly Row[], levels: number): string | undefined {
  const known = aliases.reduce((text, [from, into]) => text.replace(from, into), name);
  const leaf = /\.(?:weight|bias)$/.exec(known)?.[0];
  if (!leaf) return undefined;
  const module = known.slice(0, -leaf.length);
  for (const { a, fromB } of table) {
    const match = fromB.exec(module);
    if (!match) continue;
    const { l, r, j = "" } = match.groups ?? {};
    const level = r === undefined ? l : String(levels - 1 - Number(r));
    if (level !== undefined && !(Number(level) >= 0 && Number(level) < levels)) return undefined;
    return a.replace("{l}", level ?? "").replace("{j}", j) + leaf;
  }
  return undefined;
}

/** Layout B's name (old or new), or layout A's own, as layout A's; `undefined` when neither knows it.
 *  @param levels of the network: the up path is counted from the other end in layout B */
export function fromDiffusers(name: string, levels: number): string | undefined {
  return rename(name, young, levels) ?? rename(name, old, levels) ?? aliasOfA(name);
}

const aliasOfA = (name: string): string | undefined => {
  const known = aliases.reduce((text, [from, into]) => text.replace(from, into), name);
  return known === name ? undefined : known;
};
