import { expect, test } from "vitest";
import { f32, read, write } from "../src/kernels/dispatch";
import { gemmTile } from "../src/kernels/gemm";
import { chooseConvTile, chooseGemmTile, lanesOf, type Tile, tileConstants } from "../src/kernels/tiles";
import { expectClose } from "./support/close";
import { runDispatches } from "./support/device";
import { seeded } from "./support/seeded";

const tiles: readonly Tile[] = [
  { tileM: 16, tileN: 64 },
  { tileM: 32, tileN: 16, slices: 4 },
  { tileM: 32, tileN: 32 },
  { tileM: 32, tileN: 32, slices: 2 },
  { tileM: 32, tileN: 32, slices: 4 },
  { tileM: 64, tileN: 64 },
  { tileM: 64, tileN: 128 },
  { tileM: 128, tileN: 128 },
];

for (const tile of tiles)
  for (const aColumns of tile.slices === 2 || tile.tileM === 128 ? [true, false] : [true])
    test(`gemm_tile ${tile.tileM} x ${tile.tileN}, ${tile.slices ?? 1} slices, A in ${aColumns ? "columns" : "rows"}`, async () => {
      const [m, n, k, batches] = [68, 132, 44, 2];
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

test("every tile that is chosen gives each lane whole loads, fits the least workgroup memory, and has at most 256 lanes", () => {
  const sizes = [1, 3, 16, 17, 32, 48, 64, 96, 128, 192, 512];
  for (const m of sizes)
    for (const n of [...sizes, 1024, 4096, 65536])
      for (const deep of [false, true])
        for (const [tile, depth] of [
          [chooseGemmTile(m, n, 36), undefined],
          [chooseConvTile(m, n, deep), deep ? 32 : 16],
        ] as const) {
          const { tileM, tileN, slices = 1 } = tile;
          const k = slices > 1 ? (depth ?? 32) : 16;
          const lanes = lanesOf(tile);
          expect(lanes).toBeLessThanOrEqual(256);
          expect((k * tileM) / 4 / lanes).toSatisfy(Number.isInteger);
          expect((k * tileN) / (depth ? 1 : 4) / lanes).toSatisfy(Number.isInteger);
          expect(k / slices).toSatisfy(Number.isInteger);
          expect(4 * Math.max(k * (tileM + tileN), slices > 1 ? slices * tileM * tileN : 0)).toBeLessThanOrEqual(16384);
          expect(tileConstants(tile).SLICES).toBe(slices);
        }
});
