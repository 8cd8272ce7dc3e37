import { expect, test } from "vitest";
import { fromHalf, toHalf } from "../src/half";
import { f32 } from "../src/kernels/dispatch";
import { chooseLinear, linear, linearWeight } from "../src/kernels/product/linear";
import * as reference from "../src/reference";
import { expectClose, seeded } from "./support/close";
import { runDispatches } from "./support/device";

for (const { n, columns, rows, siluIn, siluOut, adapterClass } of [
  { n: 1, columns: 128, rows: 1000, siluIn: true }, // all projections of a time embedding
  { n: 2, columns: 32, rows: 257, siluOut: true },
  { n: 3, columns: 16, rows: 5 },
  { n: 8, columns: 512, rows: 300 },
  { n: 2, columns: 33, rows: 7, siluIn: true, siluOut: true }, // odd
  { n: 1, columns: 5, rows: 1 },
].flatMap((s) =>
  (["software", "gpu"] as const).map((adapterClass) => ({ siluIn: false, siluOut: false, ...s, adapterClass })),
)) {
  const variant = chooseLinear(columns, { adapterClass });
  test(`linear ${n} x ${columns} to ${rows}, silu in ${siluIn}, out ${siluOut}, ${adapterClass}`, async () => {
    const [x, weight, bias] = [f32("x", n, columns), f32("weight", rows, columns), f32("bias", rows)];
    const y = f32("y", n, rows);
    const data = new Map([
      [x, seeded(1, x.shape)],
      [weight, seeded(2, weight.shape)],
      [bias, seeded(3, bias.shape)],
    ]);
    const [got] = await runDispatches(linear({ x, weight, bias, y }, { siluIn, siluOut, variant }), data, [y]);
    const input = siluIn ? Array.from(data.get(x)!, reference.silu) : data.get(x)!;
    const sums = reference.linear(input, data.get(weight)!, data.get(bias)!, n);
    expectClose(got!, siluOut ? sums.map(reference.silu) : sums, y.shape, { rtol: 1e-5, atol: 1e-5 });
  });
}

for (const [n, columns, rows, variant] of [
  [1, 128, 1000, "lanes"],
  [2, 12, 257, "lanes"],
  [3, 20, 5, "lanes"],
  [5, 512, 1, "lanes"],
  [2, 12, 257, "rows"],
  [5, 512, 3, "rows"],
] as const) {
  test(`linear ${n} x ${columns} to ${rows}, ${variant}, weights in f16: as f32 with rounded weights`, async () => {
    const [x, bias, y] = [f32("x", n, columns), f32("bias", rows), f32("y", n, rows)];
    const weight = linearWeight("weight", rows, columns, "f16");
    const halves = toHalf(seeded(2, weight.shape));
    const data = new Map<typeof x, Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>>([
      [x, seeded(1, x.shape)],
      [weight, halves],
      [bias, seeded(3, bias.shape)],
    ]);
    const [got] = await runDispatches(linear({ x, weight, bias, y }, { variant }), data, [y]);
    const sums = reference.linear(data.get(x)!, fromHalf(halves), data.get(bias)!, n);
    expectClose(got!, sums, y.shape, { rtol: 1e-5, atol: 1e-5 });
  });
}

test("rows that are no whole fours stay f32", () => {
  expect(linearWeight("weight", 7, 33, "f16").dtype).toBe("f32");
  const weight = { name: "weight", shape: [7, 33], dtype: "f16" } as const;
  expect(() => linear({ x: f32("x", 1, 33), weight, bias: f32("bias", 7), y: f32("y", 1, 7) })).toThrow(/rows of 33/);
});
