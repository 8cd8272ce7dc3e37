import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { UserError } from "../errors";
import type { Shard } from "../experiments/blocks";
import { type FeatureSet, unite } from "../experiments/feature-sets";
import type { Measured, Row } from "../experiments/measure";
import type { Moments } from "../metrics/moments";
import { readWhole, writeWhole } from "../platform/files-node";

/** Measurements of a shard of one set. */
export interface SetPart extends Measured {
  readonly set: string;
  /** digest of the names of all its results */
  readonly names: string;
}

/** Measurements of a shard. */
export interface Part {
  readonly shard: Shard;
  readonly sets: readonly SetPart[];
  /** networks by what they measure: name and digest */
  readonly networks: Readonly<Record<string, unknown>>;
  readonly failures: readonly string[];
}

const FORMAT = "injectfusion-figures-1";

export const namesDigest = (names: readonly string[]): string =>
  createHash("sha256").update(names.join("\n")).digest("hex").slice(0, 16);

/** figures.csv: figures.3-of-16.json, beside it. */
export function partFile(out: string, { index, of }: Shard): string {
  return join(dirname(out), `${basename(out, extname(out))}.${index}-of-${of}.json`);
}

export function writePart(file: string, part: Part): Promise<void> {
  const sets = part.sets.map(({ set, names, rows, features }) => ({
    set,
    names,
    rows: rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, exact(value)]))),
    ...(features && { features: packed(features) }),
  }));
  return writeWhole(file, `${JSON.stringify({ format: FORMAT, ...part, sets }, null, 1)}\n`);
}

/** Numbers that JSON has no words for, as words. */
const exact = (value: unknown) => (typeof value === "number" && !Number.isFinite(value) ? String(value) : value);
const words: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
};

const base64 = (values: Float32Array | Float64Array): string =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64");
const bytesOf = (text: string): ArrayBuffer => Uint8Array.from(Buffer.from(text, "base64")).buffer;

function packed({ results, originals }: FeatureSet) {
  const own =
    "vectors" in results
      ? { width: results.width, vectors: base64(results.vectors) }
      : {
          width: results.width,
          count: results.moments.count,
          mean: base64(results.moments.mean),
          scatter: base64(results.moments.scatter),
        };
  return { results: own, originals: [...originals].map(([key, vector]) => [key, base64(vector)]) };
}

interface Packed {
  readonly results: {
    readonly width: number;
    readonly vectors?: string;
    readonly count: number;
    readonly mean: string;
    readonly scatter: string;
  };
  readonly originals: readonly (readonly [string, string])[];
}

function unpacked({ results, originals }: Packed): FeatureSet {
  const { width, vectors, count, mean, scatter } = results;
  const moments = (): Moments => ({
    count,
    mean: new Float64Array(bytesOf(mean)),
    scatter: new Float64Array(bytesOf(scatter)),
  });
  return {
    results:
      vectors === undefined ? { width, moments: moments() } : { width, vectors: new Float32Array(bytesOf(vectors)) },
    originals: new Map(originals.map(([key, vector]) => [key, new Float32Array(bytesOf(vector))])),
  };
}

async function readPart(file: string): Promise<Part> {
  try {
    const { format, shard, sets, networks, failures } = JSON.parse(
      new TextDecoder().decode(await readWhole(file)),
    ) as Part & { format: string; sets: readonly (SetPart & { features?: Packed })[] };
    if (format !== FORMAT) throw new Error();
    const rows = (own: readonly Row[]) =>
      own.map((row) => {
        const values = Object.entries(row).map(([key, value]) => [
          key,
          key === "set" || key === "name" ? value : (words[value as string] ?? value),
        ]);
        return Object.fromEntries(values) as Row;
      });
    return {
      shard,
      networks,
      failures,
      sets: sets.map(({ set, names, rows: own, features }) => ({
        set,
        names,
        rows: rows(own),
        ...(features && { features: unpacked(features as unknown as Packed) }),
      })),
    };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${file}: is no part of an evaluation; remove it, or run that shard again`);
  }
}

/** Reads all shards of an evaluation and puts them together, in order.
 *  @param sets the sets asked for, with the names of their results
 *  @throws UserError for a shard that is missing, or measured otherwise than the others */
export async function mergeParts(
  out: string,
  sets: readonly { readonly set: string; readonly names: string }[],
): Promise<Omit<Part, "shard">> {
  const stem = basename(out, extname(out));
  const found = (await readdir(dirname(out)).catch(() => [])).flatMap((name) => {
    const [, index, of] = /^\.(\d+)-of-(\d+)\.json$/.exec(name.startsWith(stem) ? name.slice(stem.length) : "") ?? [];
    return index && of ? [{ index: Number(index), of: Number(of) }] : [];
  });
  const [first] = found;
  if (!first)
    throw new UserError(
      `${out}: found no shard of it (${basename(partFile(out, { index: 1, of: 2 }))}); run the shards first`,
    );
  const other = found.find(({ of }) => of !== first.of);
  if (other)
    throw new UserError(
      `${out}: found shards of ${first.of} and of ${other.of}; remove those of one kind, or give another --out`,
    );
  const missing = Array.from({ length: first.of }, (_, k) => k + 1).filter(
    (i) => !found.some(({ index }) => index === i),
  );
  if (missing.length > 0)
    throw new UserError(
      `${out}: shard ${missing.slice(0, 8).join(", ")} of ${first.of} is missing; run it first (--shard ${missing[0]}/${first.of})`,
    );
  const parts: Part[] = [];
  for (let index = 1; index <= first.of; index++) {
    const file = partFile(out, { index, of: first.of });
    const part = await readPart(file);
    const says = ({ sets: own }: { sets: readonly { set: string; names: string }[] }) =>
      JSON.stringify(own.map(({ set, names }) => [basename(set), names]));
    if (says(part) !== says({ sets }))
      throw new UserError(`${file}: measured other results than --results names now; run the shards again`);
    if (JSON.stringify(part.networks) !== JSON.stringify((parts[0] ?? part).networks))
      throw new UserError(`${file}: measured with other networks than shard 1; run the shards again, all alike`);
    parts.push(part);
  }
  return {
    networks: parts[0]!.networks,
    failures: parts.flatMap(({ failures }) => failures),
    sets: sets.map(({ set, names }, k) => ({
      set,
      names,
      rows: parts.flatMap(({ sets: own }) => own[k]!.rows.map((row) => ({ ...row, set }))),
      features: unite(parts.flatMap(({ sets: own }) => own[k]!.features ?? [])),
    })),
  };
}
