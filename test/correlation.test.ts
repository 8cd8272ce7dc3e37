import { expect, test } from "vitest";
import { correlate, mixVectors, rules } from "../src/experiments/correlation";
import { norm } from "../src/metrics/statistics";

/** Numbers in [-1, 1) from a seed. */
function seeded(seed: number, count: number): Float64Array {
  let s = seed;
  return Float64Array.from({ length: count }, () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return s / 2 ** 31 - 1;
  });
}

test("mixing rules: closed forms", () => {
  const [h, c] = [
    [3, 0],
    [0, 4],
  ];
  const half = Math.SQRT1_2;
  const expected = {
    slerp: [3 * half, 3 * half],
    slerpRaw: [3 * half, 4 * half],
    lerp: [1.5, 2],
    add: [3, 2],
    replace: [0, 4],
    addKept: [9 / Math.sqrt(13), 6 / Math.sqrt(13)],
  };
  for (const rule of rules)
    for (const i of [0, 1]) expect(mixVectors(rule, h, c, 0.5)[i], rule).toBeCloseTo(expected[rule][i]!, 12);
});

test("slerp keeps |h| whatever the content; equal vectors stay as they are", () => {
  const [h, c] = [seeded(1, 64), seeded(2, 64).map((v) => 7 * v)];
  for (const gamma of [0, 0.3, 1]) expect(norm(mixVectors("slerp", h, c, gamma))).toBeCloseTo(norm(h), 10);
  expect(Math.max(...mixVectors("slerp", h, h, 0.6).map((v, i) => Math.abs(v - h[i]!)))).toBeLessThan(1e-12);
  expect([...mixVectors("slerp", h, new Float64Array(64), 0.5)].every(Number.isFinite)).toBe(true);
});

test("Fig. 5 on made-up data: |g| follows |h|, so matching pairs correlate, others do not, and slerp keeps what replace loses", () => {
  const count = 40;
  const scale = seeded(9, count).map((v) => 2 + v);
  const h = Array.from(scale, (s, i) => seeded(100 + i, 32).map((v) => s * v));
  const g = Array.from(scale, (s, i) => seeded(500 + i, 32).map((v) => 3 * s * v));
  const { matching, mismatched, mixed } = correlate({ t: 500, h, g }, 0.5);
  expect(matching).toBeGreaterThan(0.9);
  expect(mismatched).toBeCloseTo(-matching / (count - 1), 1);
  expect(mixed.slerp).toBeCloseTo(matching, 10);
  expect(Math.abs(mixed.replace)).toBeLessThan(0.5);
  expect(mixed.lerp).toBeGreaterThan(mixed.replace);
  expect(mixed.lerp).toBeLessThan(mixed.slerp);
  expect(() => correlate({ t: 0, h: h.slice(0, 2), g: g.slice(0, 2) }, 0.5)).toThrow(/at least 3 pictures, found 2/);
});
