import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors";
import type { Block, Shard } from "../experiments/blocks";
import { writeWhole } from "../platform/files-node";
import { difference, type GridPlan, type ModelIdentity } from "./grid-plan";
import type { Entry } from "./grid-record";

/** Fields of a manifest besides its pairs. */
export interface ManifestHead {
  readonly model: string;
  readonly hash: string;
  readonly recipe: Readonly<Record<string, unknown>>;
  /** of recipe, model and pictures: manifests with one plan belong together */
  readonly plan: string;
  readonly shard?: Shard;
  readonly within?: Block;
  readonly adapter?: string;
  readonly seconds?: Readonly<Record<string, number>>;
  /** what the shards of a merged manifest say of themselves */
  readonly shards?: readonly Pick<ManifestHead, "shard" | "adapter" | "seconds">[];
}

export type Manifest = ManifestHead & { readonly pairs: readonly Entry[] };

/** manifest.json, or manifest.3-of-16.json. */
export const manifestName = (shard?: Shard): string =>
  shard ? `manifest.${shard.index}-of-${shard.of}.json` : "manifest.json";

export const headOf = (plan: GridPlan, { name, hash }: ModelIdentity, digest: string): ManifestHead => ({
  model: name,
  hash,
  recipe: plan.recipe as unknown as Readonly<Record<string, unknown>>,
  plan: digest,
});

/** Writes a manifest line by line, so that none of millions of pairs is in memory as text with the others. */
export function writeManifest(out: string, head: ManifestHead, pairs: Iterable<Entry>): Promise<void> {
  const { recipe, ...rest } = head;
  const flat = { ...rest, ...recipe };
  const lines = function* () {
    yield `${JSON.stringify(flat, null, 1).slice(0, -2)},\n "pairs": [`;
    let separator = "\n";
    for (const entry of pairs) {
      yield `${separator}  ${JSON.stringify(entry)}`;
      separator = ",\n";
    }
    yield "\n ]\n}\n";
  };
  return writeWhole(join(out, manifestName(head.shard)), lines());
}

/** Reads the manifest of a shard. @throws UserError when it is none */
export async function readManifest(file: string): Promise<Manifest> {
  try {
    const { model, hash, plan, shard, within, adapter, seconds, shards, pairs, ...recipe } = JSON.parse(
      await readFile(file, "utf8"),
    ) as Manifest & Record<string, unknown>;
    if (!Array.isArray(pairs) || typeof plan !== "string" || !shard || !within) throw new Error();
    const about = { ...(adapter !== undefined && { adapter }), ...(seconds && { seconds }) };
    return { model, hash, recipe, plan, shard, within, ...about, pairs };
  } catch {
    throw new UserError(`${file}: is no manifest of a shard; remove it, or run that shard again`);
  }
}

/** The numbers of the shards whose manifests lie in a folder, in order. */
export async function shardsIn(out: string): Promise<Shard[]> {
  const names = await readdir(out).catch(() => []);
  return names
    .flatMap((name) => {
      const [, index, of] = /^manifest\.(\d+)-of-(\d+)\.json$/.exec(name) ?? [];
      return index && of ? [{ index: Number(index), of: Number(of) }] : [];
    })
    .sort((a, b) => a.of - b.of || a.index - b.index);
}

/** @throws UserError when the folder holds shards that were split or made otherwise */
export async function checkShards(out: string, head: ManifestHead, of: number): Promise<void> {
  const found = await shardsIn(out);
  const other = found.find((shard) => shard.of !== of);
  if (other)
    throw new UserError(
      `${out}: holds a shard of ${other.of} (${manifestName(other)}), expected shards of ${of}; give another --out, or remove it`,
    );
  const [first] = found;
  if (first) expectSamePlan(head, await readManifest(join(out, manifestName(first))), join(out, manifestName(first)));
}

/** @throws UserError naming what differs */
export function expectSamePlan(head: ManifestHead, found: ManifestHead, file: string): void {
  if (found.plan === head.plan) return;
  const all = ({ hash, recipe }: ManifestHead) => ({ ...recipe, hash: hash.slice(0, 12) });
  const what = difference(all(head), all(found)) || "other pictures";
  throw new UserError(`${file}: is a shard of another grid (${what}); give another --out, or remove it`);
}
