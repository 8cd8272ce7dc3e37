import { expect, test } from "vitest";
import { f32, read, write } from "../src/kernels/dispatch";
import { gemmStationary } from "../src/kernels/product/gemm";
import { stationaryDepth, stationaryPlace, stationaryTasks, stationaryTile } from "../src/kernels/product/stationary";
import { seeded } from "../src/random";
import { expectClose } from "./support/close";
import { runDispatches } from "./support/device";

// One pass and several, of one unit of k and of two; tasks that share the rows, and one that has them all.
for (const [tileN, k, m] of [
  [8, 64, 150],
  [8, 160, 33],
  [4, 128, 33],
  [4, 256, 150],
  [2, 24, 5],
  [1, 192, 7],
] as const)
  for (const packed of [true, false])
    test(`gemm_stationary, ${tileN} columns a lane, k = ${k}, ${packed ? "packed rows" : "rows as they are"}`, async () => {
      const [n, samples, heads] = [8 * tileN, 2, 2];
      const batches = samples * heads;
      // Matrices do not start at 0, and heads lie in another order than they are counted.
      const a = f32("a", samples + 1, heads, m, k);
      const b = f32("b", heads, samples, k, n);
      const c = f32("c", batches, m, n);
      const [rows, right] = [seeded(1, a.shape), seeded(2, b.shape)];
      const shape = {
        m,
        n,
        k,
        batches,
        inner: heads,
        a: { start: heads * m * k, outer: heads * m * k, inner: m * k },
        b: { start: 0, outer: k * n, inner: samples * k * n },
      };
      const place = stationaryPlace(m, k);
      const left = new Float32Array(rows.length);
      rows.forEach((value, i) => {
        const [matrix, row, l] = [Math.floor(i / (m * k)), Math.floor(i / k) % m, i % k];
        left[packed ? matrix * m * k + place(row, l) : i] = value;
      });
      const product = gemmStationary("product", [read(a), read(b), write(c)], shape, { tileN, packed });
      const inputs = new Map([
        [a, left],
        [b, right],
        [c, new Float32Array(batches * m * n).fill(Number.NaN)],
      ]);
      const [actual] = await runDispatches([product], inputs, [c]);
      const expected = new Float64Array(batches * m * n);
      for (let z = 0; z < batches; z++) {
        const [sample, head] = [Math.floor(z / heads), z % heads];
        const a0 = ((sample + 1) * heads + head) * m * k;
        const b0 = (head * samples + sample) * k * n;
        for (let i = 0; i < m; i++)
          for (let j = 0; j < n; j++)
            for (let l = 0; l < k; l++)
              expected[(z * m + i) * n + j]! += rows[a0 + i * k + l]! * right[b0 + l * n + j]!;
      }
      expectClose(actual!, expected, c.shape, { rtol: 0, atol: 3e-5 });
    });

test("columns of a lane are as many as pay, padding included", () => {
  expect([1, 4, 5, 8, 16, 17, 32, 33, 48, 64, 1024].map(stationaryTile)).toEqual([1, 1, 2, 2, 4, 8, 8, 4, 4, 8, 8]);
});

test("units divide the padded depth into eights, and are at least 32 where it is deep", () => {
  for (let k = 1; k <= 2048; k++) {
    const depth = stationaryDepth(k);
    const { UNIT: unit, UNITS: units } = stationaryTasks(64, depth, 1, 4);
    expect(depth).toBeGreaterThanOrEqual(k);
    expect(depth % (unit * units)).toBe(0);
    expect(unit % 8).toBe(0);
    expect(unit).toBeLessThanOrEqual(96);
    expect(unit).toBeGreaterThanOrEqual(Math.min(32, depth));
  }
});
