import { expect, test } from "vitest";
import { isUnfamiliar, type NoiseStatistics, noiseStatistics } from "../src/inject/familiarity";

const side = 64;
/** Standard normal numbers from a fixed sequence. */
function normals(count: number): Float32Array {
  let state = 12345;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}
const noise = normals(3 * side * side);
const of = (value: (v: number, i: number) => number) => noiseStatistics(noise.map(value), side);

test("white noise has the moments of white noise", () => {
  const { mean, rms, kurtosis, neighbours } = of((v) => v);
  expect(Math.abs(mean)).toBeLessThan(0.03);
  expect(Math.abs(rms - 1)).toBeLessThan(0.02);
  expect(Math.abs(kurtosis - 3)).toBeLessThan(0.15);
  expect(Math.abs(neighbours)).toBeLessThan(0.03);
  expect(isUnfamiliar(of((v) => v))).toBe(false);
});

test("neighbours are those of a row, not of the next", () => {
  const rows = Float32Array.from({ length: 3 * side * side }, (_, i) => (Math.floor(i / side) % 2 ? 1 : -1));
  expect(noiseStatistics(rows, side)).toEqual({ mean: 0, rms: 1, kurtosis: 1, neighbours: 1 });
});

test.each([
  ["tinted", (v: number) => v + 0.5],
  ["loud", (v: number) => 2.2 * v],
  ["bounded", (v: number) => Math.sign(v) * Math.min(1, Math.abs(v))],
  ["smooth", (v: number, i: number) => (v + noise[Math.max(0, i - 1)]!) / Math.SQRT2],
])("%s noise is none that a model knows", (_, change) => {
  expect(isUnfamiliar(of(change))).toBe(true);
});

/** Measured on the shipped model: 10 and 50 steps. */
const measured: readonly (readonly [name: string, unfamiliar: boolean, NoiseStatistics])[] = [
  ["portrait-01, 50 steps", false, { mean: 0.041, rms: 1.574, kurtosis: 3.85, neighbours: 0.093 }],
  ["portrait-02, 50 steps", false, { mean: -0.187, rms: 1.52, kurtosis: 3.12, neighbours: 0.058 }],
  ["portrait-01, 10 steps", false, { mean: 0.041, rms: 1.223, kurtosis: 3.8, neighbours: 0.157 }],
  ["a drawn portrait, 10 steps", false, { mean: -0.069, rms: 1.219, kurtosis: 5.28, neighbours: 0.025 }],
  ["a photo's face, aligned, 10 steps", false, { mean: -0.016, rms: 1.285, kurtosis: 3.95, neighbours: 0.15 }],
  ["a crowd, 10 steps", true, { mean: -0.423, rms: 1.621, kurtosis: 4.17, neighbours: 0.149 }],
  ["a picture of noise, 10 steps", true, { mean: 0.017, rms: 1.875, kurtosis: 1.85, neighbours: -0.04 }],
  ["a white plane, 10 steps", true, { mean: 1.093, rms: 1.857, kurtosis: 6.17, neighbours: 0.533 }],
  ["a portrait's nose, 10 steps", true, { mean: -0.081, rms: 1.181, kurtosis: 4.17, neighbours: 0.295 }],
];
test.each(measured)("%s: unfamiliar %s", (_, unfamiliar, statistics) => {
  expect(isUnfamiliar(statistics)).toBe(unfamiliar);
});
