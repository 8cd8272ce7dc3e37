import fc from "fast-check";
import { expect, test } from "vitest";
import { slerpWeights } from "../src/reference/mix";

const share = fc.double({ min: 0, max: 1, noNaN: true });
/** of angles from 0 to 3 radians: away from opposite vectors */
const cosine = fc.double({ min: 0, max: 3, noNaN: true }).map(Math.cos);

test("unit vectors stay unit vectors", () => {
  fc.assert(
    fc.property(cosine, share, (c, gamma) => {
      const [a, b] = slerpWeights(c, gamma);
      expect(a * a + b * b + 2 * a * b * c).toBeCloseTo(1, 6);
    }),
  );
});

test("swapping the vectors and gamma for 1 - gamma swaps the weights", () => {
  fc.assert(
    fc.property(cosine, fc.double({ min: 0.01, max: 0.99, noNaN: true }), (c, gamma) => {
      const [a, b] = slerpWeights(c, gamma);
      const [b2, a2] = slerpWeights(c, 1 - gamma);
      expect(a).toBeCloseTo(a2, 9);
      expect(b).toBeCloseTo(b2, 9);
    }),
  );
});

test("weights at the ends, for parallel and for opposite vectors", () => {
  expect(slerpWeights(0.4, 0)).toEqual([1, 0]);
  expect(slerpWeights(0.4, 1)[1]).toBeCloseTo(1, 12);
  expect(slerpWeights(0, 0.5)[0]).toBeCloseTo(Math.SQRT1_2, 12);
  expect(slerpWeights(1, 0.3)).toEqual([0.7, 0.3]);
  expect(slerpWeights(1.0000001, 0.3)).toEqual([0.7, 0.3]); // rounding went past 1
  expect(slerpWeights(-1.0000001, 0.3)).toEqual([1, 0]);
});

test("the limit of parallel vectors is smooth", () => {
  for (const w of [0.999e-3, 1.001e-3]) {
    const [a, b] = slerpWeights(Math.cos(w), 0.3);
    expect(Math.abs(a - 0.7)).toBeLessThan(1e-6);
    expect(Math.abs(b - 0.3)).toBeLessThan(1e-6);
  }
});
