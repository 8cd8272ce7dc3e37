import { expect, test } from "vitest";
import { f32 } from "../src/kernels/dispatch";
import { attention } from "../src/kernels/product/attention";
import { softmax } from "../src/kernels/product/softmax";
import { type AttentionCase, attentionReference } from "../src/reference/product";
import { expectClose, seeded } from "./support/close";
import { runDispatches } from "./support/device";
import { software } from "./support/targets";

const cases: Record<string, AttentionCase & { /** inputs are uniform in [-scale, scale] */ scale: number }> = {
  "one pixel": { n: 1, c: 8, h: 1, w: 1, heads: 1, order: "new", scale: 1 },
  "DDPM: one head": { n: 2, c: 64, h: 8, w: 8, heads: 1, order: "new", scale: 1 },
  "odd plane and channels": { n: 1, c: 33, h: 7, w: 7, heads: 1, order: "legacy", scale: 1 },
  "four heads, legacy order": { n: 2, c: 32, h: 4, w: 6, heads: 4, order: "legacy", scale: 1 },
  "three heads, new order": { n: 2, c: 15, h: 5, w: 3, heads: 3, order: "new", scale: 1 },
  "heads whose rows a tile holds": { n: 2, c: 48, h: 6, w: 8, heads: 2, order: "legacy", scale: 1 },
  "a head deeper than a tile": { n: 1, c: 160, h: 4, w: 8, heads: 1, order: "new", scale: 1 },
  "scores in the thousands": { n: 1, c: 16, h: 4, w: 4, heads: 2, order: "new", scale: 50 },
};

for (const [name, s] of Object.entries(cases))
  for (const { kind, ...on } of [
    { kind: "", subgroups: true },
    { kind: ", without subgroups", subgroups: false },
    { kind: ", for GPUs", subgroups: true, adapterClass: "gpu" as const },
  ])
    test(`attention ${name}${kind}`, async () => {
      const qkv = f32("qkv", s.n, 3 * s.c, s.h, s.w);
      const y = f32("y", s.n, s.c, s.h, s.w);
      const data = seeded(1, qkv.shape).map((v) => v * s.scale);
      const target = { ...software, ...on };
      const dispatches = attention({ qkv, y }, { heads: s.heads, order: s.order, target });
      const [actual] = await runDispatches(dispatches, new Map([[qkv, data]]), [y]);
      // A score of 2000 carries an f32 error of 1e-4, and so do the weights.
      expectClose(actual!, attentionReference(data, s), y.shape, { rtol: 0, atol: s.scale > 1 ? 0.05 : 2e-6 });
    });

for (const adapterClass of ["software", "gpu"] as const)
  for (const [height, width] of [
    [1, 35],
    [5, 36],
    [257, 35],
    [260, 36],
    [1100, 9],
  ] as const)
    test(`softmax of ${width} columns of ${height}: ${adapterClass}`, async () => {
      const d = 3;
      const x = f32("x", 2, height, width);
      const data = seeded(1, x.shape).map((v) => 30 * v);
      const [actual] = await runDispatches([softmax("softmax", x, d, { adapterClass })], new Map([[x, data]]), [x]);
      const expected = Float64Array.from(data, (v) => Math.exp(v / Math.sqrt(d)));
      for (let column = 0; column < 2 * width; column++) {
        const at = (row: number) => (Math.floor(column / width) * height + row) * width + (column % width);
        let total = 0;
        for (let row = 0; row < height; row++) total += expected[at(row)]!;
        for (let row = 0; row < height; row++) expected[at(row)]! /= total;
      }
      expectClose(actual!, expected, x.shape, { rtol: 0, atol: 1e-6 });
    });

test("heads that do not divide the channels are refused", () => {
  const io = { qkv: f32("qkv", 1, 30, 2, 2), y: f32("y", 1, 10, 2, 2) };
  expect(() => attention(io, { heads: 4, order: "new", target: software })).toThrow(
    "10 channels do not divide into 4 heads",
  );
});
