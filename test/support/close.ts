import { expect } from "vitest";

export { seeded } from "../../src/random";

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
