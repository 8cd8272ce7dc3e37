import { UserError } from "../errors";
import { type Features, frechetDistance, frechetOfFeatures } from "../metrics/frechet";
import { combine, frechetToFew, gaussianFrom, type Moments, momentsOf } from "../metrics/moments";

/** Feature vectors of results: themselves where there are few, else their moments. */
export type ResultFeatures = { readonly width: number } & (
  | { readonly vectors: Float32Array }
  | { readonly moments: Moments }
);

/** Pictures that a Fréchet distance is taken of: all results, and each original once. */
export interface FeatureSet {
  readonly results: ResultFeatures;
  /** by the picture's name and size */
  readonly originals: ReadonlyMap<string, Float32Array>;
}

/** Collects the features of a set, or of a part of one, picture by picture. */
export class FeatureCollector {
  readonly #originals = new Map<string, Float32Array>();
  #vectors: Float32Array[] = [];
  #moments: Moments | undefined;

  /** @param all results of the whole set: parts of one set have to agree on what they keep */
  constructor(readonly all: number) {}

  add(results: readonly Float32Array[], originals: ReadonlyMap<string, Float32Array>): void {
    for (const [name, vector] of originals) if (!this.#originals.has(name)) this.#originals.set(name, vector);
    const [first] = results;
    if (!first) return;
    if (keepsVectors(this.all, first.length)) {
      this.#vectors.push(...results);
      return;
    }
    const moments = momentsOf({ count: results.length, width: first.length, values: joined(results) });
    this.#moments = this.#moments ? combine(this.#moments, moments) : moments;
  }

  /** Undefined where there was nothing. */
  collected(): FeatureSet | undefined {
    const originals = this.#originals;
    if (this.#moments) {
      const { mean } = this.#moments;
      return { results: { width: mean.length, moments: this.#moments }, originals };
    }
    const [first] = this.#vectors;
    return first && { results: { width: first.length, vectors: joined(this.#vectors) }, originals };
  }
}

/** With fewer results than a few times the values of a vector, their covariance has no full rank: its square root would lose
 *  half the digits, and it would take more room than the vectors. */
const keepsVectors = (all: number, width: number): boolean => all <= 2 * width;

function joined(vectors: readonly Float32Array[]): Float32Array {
  const width = vectors[0]?.length ?? 0;
  const values = new Float32Array(vectors.length * width);
  vectors.forEach((vector, i) => {
    values.set(vector, i * width);
  });
  return values;
}

/** The parts of a set as one, in order. @throws UserError for parts that do not belong together */
export function unite(parts: readonly FeatureSet[]): FeatureSet | undefined {
  const [first, ...rest] = parts;
  if (!first) return undefined;
  const originals = new Map(first.originals);
  for (const part of rest)
    for (const [name, vector] of part.originals) if (!originals.has(name)) originals.set(name, vector);
  const { width } = first.results;
  const mixed = new UserError("the shards measured with different networks; measure them again");
  const vectors: Float32Array[] = [];
  let moments: Moments | undefined;
  for (const { results } of parts) {
    if (results.width !== width) throw mixed;
    if ("vectors" in results) vectors.push(results.vectors);
    else moments = moments ? combine(moments, results.moments) : results.moments;
  }
  if (moments && vectors.length > 0) throw mixed;
  return { originals, results: { width, ...(moments ? { moments } : { vectors: flat(vectors) }) } as ResultFeatures };
}

function flat(arrays: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}

/** Fréchet distance of the results to the distinct originals; NaN where a set has fewer than 2 pictures. */
export function fidOf({ results, originals }: FeatureSet): number {
  const { width } = results;
  const count = "vectors" in results ? results.vectors.length / width : results.moments.count;
  if (Math.min(count, originals.size) < 2) return Number.NaN;
  const few: Features = { count: originals.size, width, values: joined([...originals.values()]) };
  if ("vectors" in results) return frechetOfFeatures({ count, width, values: results.vectors }, few);
  const own = gaussianFrom(results.moments);
  return few.count >= width ? frechetDistance(own, gaussianFrom(few)) : frechetToFew(own, few);
}
