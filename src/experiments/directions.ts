import type { InvertOptions, Pixels } from "../api";
import { UserError } from "../errors";
import { Directions, type DirectionsInfo } from "../inject/directions";
import type { Model } from "../inject/model";
import { symmetricEigen } from "../metrics/eigen";
import { disposeAll, invertMany } from "./batches";

/** Most pictures of a principal component analysis: its cost grows as their cube. */
export const MOST_PICTURES = 500;

/** Mean of some rows less the mean of others: f32 [values]. */
export function meanDifference(
  some: readonly Float32Array[],
  others: readonly Float32Array[],
): Float32Array<ArrayBuffer> {
  const mean = (rows: readonly Float32Array[], i: number) => rows.reduce((sum, row) => sum + row[i]!, 0) / rows.length;
  return Float32Array.from(some[0]!, (_, i) => mean(some, i) - mean(others, i));
}

/** Principal components of rows. */
export interface Components {
  /** each times the standard deviation along it, so that 1 is one deviation: f32 [values] */
  readonly directions: readonly Float32Array<ArrayBuffer>[];
  /** place of every row along each, in deviations: [component][row] */
  readonly scores: readonly (readonly number[])[];
  /** share of the variance that each explains */
  readonly explained: readonly number[];
}

/** The first principal components of n rows, by the eigenvectors of their n x n Gram matrix: rows may be far longer than they
 *  are many. Signs are such that the scores are skewed to the right.
 *  @throws UserError for more components than n - 1, or more rows than `MOST_PICTURES` */
export function principalComponents(rows: readonly Float32Array[], count: number): Components {
  const n = rows.length;
  if (n > MOST_PICTURES) throw new UserError(`${n} pictures: principal components take at most ${MOST_PICTURES}`);
  if (!(count >= 1 && count < n))
    throw new UserError(`${count} components of ${n} pictures: expected at most ${n - 1}; give more pictures`);
  const values = rows[0]!.length;
  const mean = Float64Array.from({ length: values }, (_, i) => rows.reduce((sum, row) => sum + row[i]!, 0) / n);
  const centred = rows.map((row) => Float64Array.from(row, (v, i) => v - mean[i]!));
  const gram = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < values; k++) sum += centred[i]![k]! * centred[j]![k]!;
      gram[i * n + j] = gram[j * n + i] = sum;
    }
  const { values: eigen, vectors } = symmetricEigen({ n, values: gram });
  const total = eigen.reduce((a, b) => a + Math.max(0, b), 0) || 1;
  const found = Array.from({ length: count }, (_, k) => {
    const at = n - 1 - k;
    const own = Array.from(vectors.subarray(at * n, (at + 1) * n));
    const sign = own.reduce((sum, v) => sum + v ** 3, 0) < 0 ? -1 : 1;
    // A row's place is sqrt(eigenvalue) of its entry; the deviation over the rows is sqrt(eigenvalue / (n - 1)).
    const scores = own.map((v) => sign * v * Math.sqrt(n - 1));
    const direction = Float32Array.from({ length: values }, (_, i) => {
      let sum = 0;
      for (let r = 0; r < n; r++) sum += sign * own[r]! * centred[r]![i]!;
      return sum / Math.sqrt(n - 1);
    });
    return { direction, scores, explained: Math.max(0, eigen[at]!) / total };
  });
  return {
    directions: found.map(({ direction }) => direction),
    scores: found.map(({ scores }) => scores),
    explained: found.map(({ explained }) => explained),
  };
}

/** Components in the order and with the signs in which they go with those of the time step before, by the rows' scores, so
 *  that component k means the same at every t. Pairs that agree most are taken first. */
export function alignComponents(before: Components, now: Components): Components {
  const count = before.scores.length;
  const agreement = before.scores.flatMap((a, from) =>
    now.scores.map((b, to) => ({ from, to, dot: a.reduce((sum, v, i) => sum + v * b[i]!, 0) })),
  );
  agreement.sort((a, b) => Math.abs(b.dot) - Math.abs(a.dot));
  const order: ({ to: number; sign: number } | undefined)[] = Array(count).fill(undefined);
  const taken = new Set<number>();
  for (const { from, to, dot } of agreement) {
    if (order[from] || taken.has(to)) continue;
    order[from] = { to, sign: dot < 0 ? -1 : 1 };
    taken.add(to);
  }
  return {
    directions: order.map((o) => now.directions[o!.to]!.map((v) => o!.sign * v)),
    scores: order.map((o) => now.scores[o!.to]!.map((v) => o!.sign * v)),
    explained: order.map((o) => now.explained[o!.to]!),
  };
}

export interface FindOptions extends Omit<InvertOptions, "onStep"> {
  readonly batch?: number;
  /** told of the pictures inverted */
  readonly onDone?: (pictures: number) => void;
}

/** The direction from pictures without something to pictures with it, at every time step of an inversion.
 *  @throws UserError where a picture cannot be inverted */
export async function differenceOf(
  model: Model,
  some: readonly Pixels[],
  others: readonly Pixels[],
  options: FindOptions,
): Promise<Directions> {
  if (some.length === 0 || others.length === 0) throw new UserError("a difference needs pictures with and without");
  return find(model, [...some, ...others], options, "difference", (_, rows) => ({
    directions: [meanDifference(rows.slice(0, some.length), rows.slice(some.length))],
  }));
}

/** The principal components of h over pictures, at every time step of an inversion.
 *  @throws UserError for more components than pictures less one, or where a picture cannot be inverted */
export async function componentsOf(
  model: Model,
  pictures: readonly Pixels[],
  count: number,
  options: FindOptions,
): Promise<Directions> {
  if (!(count >= 1 && count < pictures.length))
    throw new UserError(`${count} components of ${pictures.length} pictures: expected at most ${pictures.length - 1}`);
  let before: Components | undefined;
  return find(model, pictures, options, "pca", (_, rows) => {
    const now = principalComponents(rows, count);
    before = before ? alignComponents(before, now) : now;
    return before;
  });
}

/** Inverts the pictures and makes directions of their h at every time step, from the top down. */
async function find(
  model: Model,
  pictures: readonly Pixels[],
  options: FindOptions,
  kind: DirectionsInfo["kind"],
  make: (t: number, rows: readonly Float32Array[]) => Pick<Components, "directions"> & Partial<Components>,
): Promise<Directions> {
  const outcomes = await invertMany(model, pictures, options);
  try {
    const inverted = outcomes.map((outcome) => {
      if ("error" in outcome) throw outcome.error;
      return outcome.value;
    });
    const batches = [...new Set(inverted.map(({ batch }) => batch))];
    const { tap, h } = batches[0]!.info;
    const each = h.reduce((a, b) => a * b, 1);
    const values = new Map<number, Float32Array<ArrayBuffer>>();
    const explained: Record<string, readonly number[]> = {};
    for (const t of batches[0]!.times.toReversed()) {
      const kept = new Map(await Promise.all(batches.map(async (batch) => [batch, await batch.readH(t)] as const)));
      const rows = inverted.map(({ batch, index }) => kept.get(batch)!.subarray(index * each, (index + 1) * each));
      const made = make(t, rows);
      const joined = new Float32Array(made.directions.length * each);
      made.directions.forEach((direction, k) => {
        joined.set(direction, k * each);
      });
      values.set(t, joined);
      if (made.explained) explained[t] = made.explained.map((v) => Number(v.toFixed(5)));
    }
    const info = { model: model.hash, tap, h, kind, pictures: pictures.length, ...(kind === "pca" && { explained }) };
    return await Directions.of(model.device, info, values);
  } finally {
    disposeAll(outcomes);
  }
}
