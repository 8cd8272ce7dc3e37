import { expect, test } from "vitest";
import { f32, read, write } from "../src/kernels/dispatch";
import { gemmTile } from "../src/kernels/product/gemm";
import { chooseConvTile, chooseGemmTile, lanesOf, slicedConstants, type Tile } from "../src/kernels/product/tiles";
import { seeded } from "../src/random";
import { expectClose } from "./support/close";
import { runDispatches } from "./support/device";

const tiles: readonly Tile[] = [
  { tileM: 16, tileN: 32, slices: 1 },
  { tileM: 16, tileN: 32, slices: 8 },
  { tileM: 16, tileN: 64 },
  { tileM: 32, tileN: 16, slices: 4 },
  { tileM: 32, tileN: 16, slices: 8 },
  { tileM: 32, tileN: 32 },
  { tileM: 32, tileN: 32, slices: 2 },
  { tileM: 32, tileN: 32, slices: 4 },
  { tileM: 64, tileN: 64 },
  { tileM: 64, tileN: 128 },
  { tileM: 128, tileN: 128 },
];

for (const tile of tiles)
  for (const [aColumns, k] of [
    [true, 44],
    [false, 44],
    [true, 200],
    [false, 200],
  ] as const)
    test(`${tile.slices ? "product/sliced" : "product/tile"} ${tile.tileM} x ${tile.tileN}, ${tile.slices ?? 1} slices, ${k} deep, A in ${aColumns ? "columns" : "rows"}`, async () => {
      const [m, n, batches] = [68, 132, 2];
      const a = f32("a", batches, ...(aColumns ? [k, m] : [m, k]));
      const b = f32("b", batches, k, n);
      const c = f32("c", batches, m, n);
      const [left, right] = [seeded(1, a.shape), seeded(2, b.shape)];
      const shape = {
        m,
        n,
        k,
        batches,
        inner: 1,
        a: { start: 0, outer: m * k, inner: 0 },
        b: { start: 0, outer: k * n, inner: 0 },
        aColumns,
      };
      const product = gemmTile("product", [read(a), read(b), write(c)], shape, tile);
      const inputs = new Map([
        [a, left],
        [b, right],
      ]);
      const [actual] = await runDispatches([product], inputs, [c]);
      const expected = new Float64Array(batches * m * n);
      for (let z = 0; z < batches; z++)
        for (let i = 0; i < m; i++)
          for (let j = 0; j < n; j++)
            for (let l = 0; l < k; l++)
              expected[(z * m + i) * n + j]! +=
                left[z * m * k + (aColumns ? l * m + i : i * k + l)]! * right[(z * k + l) * n + j]!;
      expectClose(actual!, expected, c.shape, { rtol: 0, atol: 3e-5 });
    });

test("every tile that is chosen gives each lane whole loads, and fits the least workgroup memory and the lanes there are", () => {
  const sizes = [1, 3, 16, 17, 32, 48, 64, 96, 128, 192, 512];
  for (const m of sizes)
    for (const n of [...sizes, 1024, 4096, 65536]) {
      const tile = chooseConvTile(m, n);
      const { tileM, tileN, slices = 1 } = tile;
      const lanes = lanesOf(tile);
      expect(lanes).toBeLessThanOrEqual(256);
      expect((16 * tileM) / 4 / lanes).toSatisfy(Number.isInteger);
      expect((16 * tileN) / lanes).toSatisfy(Number.isInteger);
      expect(16 / slices).toSatisfy(Number.isInteger);
      expect(4 * Math.max(16 * (tileM + tileN), slices > 1 ? slices * tileM * tileN : 0)).toBeLessThanOrEqual(16384);
      for (const k of [4, 32, 36, 192, 1024])
        for (const most of [128, 256, 1024]) {
          const tile = chooseGemmTile(m, n, k, 36, most);
          const { tileM, tileN, slices } = tile;
          if (!slices) {
            expect(lanesOf(tile)).toBe(256);
            continue;
          }
          const { LANES_M, LANES_N, COLUMNS, STEP } = slicedConstants(tile, k);
          expect(LANES_M * LANES_N * slices).toBeLessThanOrEqual(most);
          expect([4 * LANES_M, 4 * LANES_N * COLUMNS]).toEqual([tileM, tileN]);
          expect(k % STEP).toBe(0);
          expect(4 * Math.ceil(slices / 2) * tileM * tileN).toBeLessThanOrEqual(16384);
        }
    }
});
