// Small helpers of the reference formulas: slow, obvious, f64. Activations are row-major [N, C, H, W].

export type Numbers = ArrayLike<number>;
export type Shape4 = readonly [n: number, c: number, h: number, w: number];

export const make = (count: number, value: (i: number) => number): Float64Array =>
  Float64Array.from({ length: count }, (_, i) => value(i));

export function sum(values: Numbers): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}

/** Sample n modulo `count` of an array of `count` samples. */
export const sample = (values: Numbers, count: number, n: number): number[] => {
  const length = values.length / count;
  return Array.from({ length }, (_, i) => values[(n % count) * length + i]!);
};

/** Flat indices spread over `count` values, `most` of them at most: enough to tell a wrong kernel from a right one. */
export const samplePoints = (count: number, most: number): number[] =>
  Array.from({ length: Math.min(most, count) }, (_, i) => (i * 7919 * 31) % count);
