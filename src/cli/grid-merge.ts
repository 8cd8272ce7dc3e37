import { stat } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors";
import { pairsIn, wholeGrid } from "../experiments/blocks";
import {
  expectSamePlan,
  headOf,
  type ManifestHead,
  manifestName,
  readManifest,
  shardsIn,
  writeManifest,
} from "./grid-manifest";
import { GridFiles, type GridPlan, planDigest, sizeOf } from "./grid-plan";
import { type Entry, GridRecord, pairsOf } from "./grid-record";
import { writeSheet } from "./grid-sheet";

/** Report of a merge. */
export interface Merged {
  readonly files: GridFiles;
  readonly record: GridRecord;
  readonly sheet: string;
  readonly left: number;
}

/** Puts the shards of a folder together: checks that all are there and made alike, writes manifest.json and draws the
 *  sheet. The recipe is that of the shards.
 *  @param plan the folders' pictures as they are now
 *  @throws UserError for a shard that is missing or another grid's, and for a result that is not there */
export async function mergeGrid(plan: Pick<GridPlan, "contents" | "originals">, out: string): Promise<Merged> {
  const shards = await shardsIn(out);
  const [first, other] = [shards[0], shards.find(({ of }) => of !== shards[0]?.of)];
  if (!first) throw new UserError(`${out}: holds no manifest of a shard (manifest.1-of-n.json); run the shards first`);
  if (other)
    throw new UserError(
      `${out}: holds shards of ${first.of} and of ${other.of}; remove the manifests of one kind, or give another --out`,
    );
  const there = new Set(shards.map(({ index }) => index));
  const missing = Array.from({ length: first.of }, (_, k) => k + 1).filter((index) => !there.has(index));
  if (missing.length > 0)
    throw new UserError(
      `${out}: shard${missing.length > 1 ? "s" : ""} ${some(missing)} of ${first.of} ${missing.length > 1 ? "are" : "is"} missing; run ${missing.length > 1 ? "them" : "it"} first (--shard ${missing[0]}/${first.of})`,
    );
  const at = (index: number) => join(out, manifestName({ index, of: first.of }));
  const model = await readManifest(at(1));
  const whole = { ...plan, recipe: model.recipe as unknown as GridPlan["recipe"] };
  const identity = { name: model.model, hash: model.hash };
  const head = headOf(whole, identity, planDigest(whole, identity));
  if (head.plan !== model.plan)
    throw new UserError(
      `${at(1)}: was made of other pictures than are in --contents and --originals now; give the folders that it was made of`,
    );
  const files = new GridFiles(whole, identity, out);
  const size = sizeOf(whole);
  const record = new GridRecord(wholeGrid(size));
  const parts: NonNullable<ManifestHead["shards"]>[number][] = [];
  for (const { index } of shards) {
    const manifest = await readManifest(at(index));
    expectSamePlan(head, manifest, at(index));
    takeOver(record, manifest.pairs, files, manifest.within!, at(index));
    const { shard, adapter, seconds } = manifest;
    parts.push({ ...(shard && { shard }), ...(adapter !== undefined && { adapter }), ...(seconds && { seconds }) });
  }
  await expectResults(record, files);
  await writeManifest(out, { ...head, shards: parts }, record.entries(files));
  return { files, record, ...(await writeSheet(files, record)) };
}

const some = (numbers: readonly number[]): string =>
  numbers.length > 8 ? `${numbers.slice(0, 8).join(", ")} and ${numbers.length - 8} more` : numbers.join(", ");

/** Notes the pairs of a shard, which lists them in the order of its rectangle. */
function takeOver(
  record: GridRecord,
  entries: readonly Entry[],
  files: GridFiles,
  within: GridRecord["within"],
  file: string,
): void {
  if (entries.length !== pairsIn(within))
    throw new UserError(
      `${file}: lists ${entries.length} of its ${pairsIn(within)} pairs, so it was interrupted; run that shard again`,
    );
  let k = 0;
  for (const pair of pairsOf(within)) {
    const { file: name, status, seconds, error } = entries[k++]!;
    if (name !== files.name(pair))
      throw new UserError(`${file}: lists ${name}, expected ${files.name(pair)}; run that shard again`);
    record.set(pair, status, { ...(seconds !== undefined && { seconds }), ...(error !== undefined && { error }) });
  }
}

/** @throws UserError for a pair that no shard lists, or whose file is gone */
async function expectResults(record: GridRecord, files: GridFiles): Promise<void> {
  for (const pair of pairsOf(record.within)) {
    const status = record.statusOf(pair);
    if (!status) throw new UserError(`${files.name(pair)}: is in no shard; run the shards again`);
    if (status !== "failed" && !(await stat(files.path(pair)).catch(() => undefined)))
      throw new UserError(`${files.path(pair)}: is missing, though a shard made it; run the shard again`);
  }
}
