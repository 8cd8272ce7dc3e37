import { describe, expect, test } from "vitest";
import type { Pixels } from "../src/api";
import { multiply, type Square, symmetricEigen, symmetricSqrt } from "../src/metrics/eigen";
import { type Features, frechetDistance, frechetOfFeatures, type Gaussian, gaussian } from "../src/metrics/frechet";
import { gram, gramDistance } from "../src/metrics/gram";
import { psnr } from "../src/metrics/psnr";
import { ssim } from "../src/metrics/ssim";
import { cosine, pearson } from "../src/metrics/statistics";

/** Numbers in [-0.5, 0.5), the same in any language: s <- 1664525 s + 1013904223 mod 2^32. */
function seeded(seed: number, count: number): Float64Array {
  let s = seed;
  return Float64Array.from({ length: count }, () => {
    s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
    return s / 2 ** 32 - 0.5;
  });
}

/** Correlated features: Z M + shift, Z: [count, width] and M: [width, width] seeded. */
function features(seed: number, count: number, width: number, shift: number): Features {
  const z = seeded(seed, count * width);
  const m = seeded(seed + 1, width * width);
  const values = new Float64Array(count * width).fill(shift);
  for (let r = 0; r < count; r++)
    for (let k = 0; k < width; k++)
      for (let j = 0; j < width; j++) values[r * width + j]! += z[r * width + k]! * m[k * width + j]!;
  return { count, width, values };
}

const square = (n: number, values: ArrayLike<number>): Square => ({ n, values: Float64Array.from(values) });
const diagonal = (...d: number[]) =>
  square(
    d.length,
    d.flatMap((v, i) => d.map((_, j) => (i === j ? v : 0))),
  );
const normal = (mean: number[], covariance: Square): Gaussian => ({ mean: Float64Array.from(mean), covariance });
const worst = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));

describe("symmetric eigenvalues", () => {
  test.each([1, 2, 3, 10, 60])("A v = lambda v and V V^T = 1, n = %i", (n) => {
    const raw = seeded(n, n * n);
    const a = square(
      n,
      raw.map((_, i) => raw[Math.max(i, (i % n) * n + Math.floor(i / n))]!),
    );
    const { values, vectors } = symmetricEigen(a);
    expect([...values]).toEqual([...values].sort((x, y) => x - y));
    const av = multiply(square(n, vectors), a).values;
    expect(
      worst(
        av,
        vectors.map((v, i) => v * values[Math.floor(i / n)]!),
      ),
    ).toBeLessThan(1e-13 * n);
    const transposed = square(
      n,
      vectors.map((_, i) => vectors[(i % n) * n + Math.floor(i / n)]!),
    );
    expect(worst(multiply(square(n, vectors), transposed).values, diagonal(...Array(n).fill(1)).values)).toBeLessThan(
      1e-13 * n,
    );
  });

  test("closed forms: 2x2, repeated values, the second difference", () => {
    expect(worst(symmetricEigen(square(2, [2, 1, 1, 2])).values, [1, 3])).toBeLessThan(1e-15);
    expect([...symmetricEigen(diagonal(3, 3, 3)).values]).toEqual([3, 3, 3]);
    const n = 40;
    const d2 = square(
      n,
      Array.from({ length: n * n }, (_, i) => [2, -1][Math.abs(Math.floor(i / n) - (i % n))] ?? 0),
    );
    const known = Array.from({ length: n }, (_, k) => 2 - 2 * Math.cos(((k + 1) * Math.PI) / (n + 1)));
    expect(worst(symmetricEigen(d2).values, known)).toBeLessThan(1e-13);
  });

  test("the square root squares back, for a singular matrix too", () => {
    for (const count of [30, 4]) {
      const { covariance } = gaussian(features(3, count, 12, 0));
      const root = symmetricSqrt(covariance);
      expect(worst(multiply(root, root).values, covariance.values)).toBeLessThan(1e-14);
    }
  });

  test("values that are not finite are refused, not looped on", () => {
    expect(() => symmetricEigen(square(2, [1, Number.NaN, Number.NaN, 1]))).toThrow(/finite/);
  });
});

describe("Fréchet distance", () => {
  test("closed form of commuting Gaussians: |m|^2 + sum (sqrt a - sqrt b)^2", () => {
    const a = normal([1, 2, 3], diagonal(4, 9, 0));
    const b = normal([1, 0, 3], diagonal(1, 16, 0.25));
    expect(frechetDistance(a, b)).toBeCloseTo(4 + 1 + 1 + 0.25, 12);
    expect(frechetDistance(a, a)).toBeCloseTo(0, 12);
  });

  test("closed form of 2x2: tr (S1 S2)^(1/2) = sqrt(tr S1 S2 + 2 sqrt(det S1 S2))", () => {
    const [s, t] = [square(2, [2, 0.5, 0.5, 1]), square(2, [1, -0.3, -0.3, 3])];
    const st = multiply(s, t).values;
    const cross = Math.sqrt(st[0]! + st[3]! + 2 * Math.sqrt(st[0]! * st[3]! - st[1]! * st[2]!));
    expect(frechetDistance(normal([0, 0], s), normal([0, 0], t))).toBeCloseTo(3 + 4 - 2 * cross, 12);
  });

  // numpy 2.4, scipy 1.17: |m1-m2|^2 + tr(S + T - 2 sqrtm(S @ T)); with fewer pictures than features sqrtm itself is off
  // by 1e-7 there, so that value comes from numpy.linalg.svd
  test("values of scipy", () => {
    expect(frechetOfFeatures(features(1, 40, 6, 0), features(7, 50, 6, 0.25))).toBeCloseTo(0.5524655105328966, 12);
    expect(frechetOfFeatures(features(11, 9, 24, 0), features(13, 12, 24, 0.1))).toBeCloseTo(5.439902092041221, 12);
  });

  test("few pictures: the short way equals the long one, and order does not matter", () => {
    const [a, b] = [features(5, 7, 16, 0), features(6, 20, 16, 0.5)];
    const long = frechetDistance(gaussian(a), gaussian(b));
    expect(frechetOfFeatures(a, b)).toBeCloseTo(long, 6);
    expect(frechetOfFeatures(b, a)).toBeCloseTo(long, 6);
    expect(Math.abs(frechetOfFeatures(a, a))).toBeLessThan(1e-12);
  });

  test("one picture is too few", () => {
    expect(() => frechetOfFeatures(features(1, 1, 4, 0), features(2, 5, 4, 0))).toThrow(
      /needs 2 pictures in each set, found 1 and 5/,
    );
  });
});

const picture = (side: number, value: (x: number, y: number) => number): Pixels => ({
  data: Uint8Array.from({ length: side * side * 4 }, (_, i) =>
    i % 4 === 3 ? 255 : value((i >> 2) % side, Math.floor((i >> 2) / side)),
  ),
  width: side,
  height: side,
});

describe("pictures", () => {
  const wave = picture(16, (x, y) => 128 + 60 * Math.sin(x) * Math.cos(y / 2));

  test("PSNR: infinite for equal pictures, 48.13 dB for one level off everywhere", () => {
    expect(psnr(wave, wave)).toBe(Number.POSITIVE_INFINITY);
    expect(
      psnr(
        picture(4, () => 10),
        picture(4, () => 11),
      ),
    ).toBeCloseTo(20 * Math.log10(255), 10);
    expect(() =>
      psnr(
        wave,
        picture(4, () => 0),
      ),
    ).toThrow(/16x16 and 4x4/);
  });

  test("SSIM: 1 for equal pictures; the closed form for flat ones; low for noise", () => {
    expect(ssim(wave, wave)).toBeCloseTo(1, 12);
    const c1 = (0.01 * 255) ** 2;
    expect(
      ssim(
        picture(12, () => 100),
        picture(12, () => 50),
      ),
    ).toBeCloseTo((2 * 100 * 50 + c1) / (100 ** 2 + 50 ** 2 + c1), 9);
    const noise = seeded(1, 256);
    expect(
      ssim(
        wave,
        picture(16, (x, y) => 128 + 120 * noise[y * 16 + x]!),
      ),
    ).toBeLessThan(0.3);
  });

  test("Gram: F F^T / (C H W), and 0 for shuffled pixels", () => {
    const layer = { channels: 2, plane: 3, values: Float64Array.of(1, 2, 3, 4, 5, 6) };
    expect([...gram(layer)].map((v) => v * 6)).toEqual([14, 32, 32, 77]);
    const shuffled = { channels: 2, plane: 3, values: Float64Array.of(3, 1, 2, 6, 4, 5) };
    expect(gramDistance([layer], [shuffled])).toBe(0);
    expect(gramDistance([layer], [{ ...layer, values: layer.values.map((v) => 2 * v) }])).toBeGreaterThan(1);
  });
});

test("Pearson's r and the cosine", () => {
  expect(pearson([1, 2, 3], [5, 7, 9])).toBeCloseTo(1, 12);
  expect(pearson([1, 2, 3], [3, 2, 1])).toBeCloseTo(-1, 12);
  expect(pearson([1, 2, 3, 4], [1, -1, -1, 1])).toBeCloseTo(0, 12);
  expect(pearson([1, 1], [1, 2])).toBeNaN();
  expect(cosine([1, 0], [1, 1])).toBeCloseTo(Math.SQRT1_2, 12);
});
