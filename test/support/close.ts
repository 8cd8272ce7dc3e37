import { expect } from "vitest";

/** Uniform in [-1, 1), seeded (mulberry32). */
export function seeded(seed: number, shape: readonly number[]): Float32Array<ArrayBuffer> {
  let state = (seed * 0x9e3779b9) >>> 0;
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 31 - 1;
  });
}

/** Asserts |actual - expected| <= atol + rtol |expected| everywhere; NaN never passes. The message says how many differ,
 *  by how much at worst, and where first. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  shape: readonly number[],
  { rtol, atol }: { rtol: number; atol: number },
): void {
  expect(actual.length).toBe(expected.length);
  let differ = 0;
  let worst = 0;
  let first = -1;
  for (let i = 0; i < expected.length; i++) {
    const off = Math.abs(actual[i]! - expected[i]!);
    if (off <= atol + rtol * Math.abs(expected[i]!)) continue;
    if (first < 0) first = i;
    differ++;
    if (!(off <= worst)) worst = off;
  }
  if (differ === 0) return;
  const index = shape.map((_, d) => Math.floor(first / shape.slice(d + 1).reduce((a, b) => a * b, 1)) % shape[d]!);
  expect.fail(
    `${differ} of ${expected.length} differ, worst by ${worst.toPrecision(3)}; first at [${index}]: ${actual[first]}, expected ${expected[first]} (rtol ${rtol}, atol ${atol})`,
  );
}
