import { expect, test } from "vitest";
import { f32, u32 } from "../src/kernels/dispatch";
import { ACTIVATION, type Activation, activation } from "../src/kernels/pointwise/activation";
import { add } from "../src/kernels/pointwise/add";
import { addRow } from "../src/kernels/pointwise/add-row";
import { affine } from "../src/kernels/pointwise/affine";
import { avgPool2 } from "../src/kernels/pointwise/avg-pool2";
import { concat } from "../src/kernels/pointwise/concat";
import { silu } from "../src/kernels/pointwise/silu";
import { stack } from "../src/kernels/pointwise/stack";
import { upsample2x } from "../src/kernels/pointwise/upsample2x";
import * as reference from "../src/reference";
import { expectClose, seeded } from "./support/close";
import { type Data, runDispatches } from "./support/device";

const exact = { rtol: 0, atol: 0 };

const shapes = [
  [1, 3, 8, 8],
  [2, 5, 7, 17],
  [4, 33, 2, 3],
] as const;

for (const shape of shapes) {
  const [n, c, h, w] = shape;
  const x = f32("x", ...shape);
  const data = seeded(1, shape);

  test(`upsample2x [${shape}]`, async () => {
    const y = f32("y", n, c, 2 * h, 2 * w);
    const [got] = await runDispatches(upsample2x({ x, y }), new Map([[x, data]]), [y]);
    expectClose(got!, reference.upsample2x(data, shape), y.shape, exact);
  });

  test(`avgPool2 [${shape}]`, async () => {
    const y = f32("y", n, c, h >> 1, w >> 1);
    const [got] = await runDispatches(avgPool2({ x, y }), new Map([[x, data]]), [y]);
    expectClose(got!, reference.avgPool2(data, shape), y.shape, { rtol: 1e-6, atol: 1e-7 });
  });

  test(`silu [${shape}]`, async () => {
    const y = f32("y", ...shape);
    const wide = data.map((v) => 200 * v);
    const [got] = await runDispatches(silu({ x, y }), new Map([[x, wide]]), [y]);
    expectClose(got!, Array.from(wide, reference.silu), shape, { rtol: 1e-5, atol: 1e-30 });
  });

  for (const kind of Object.keys(ACTIVATION) as Activation[])
    test(`activation ${kind} [${shape}]`, async () => {
      const y = f32("y", ...shape);
      const wide = data.map((v, i) => (i % 3 === 0 ? 40 * v : 2 * v));
      const [got] = await runDispatches(activation({ x, y }, kind), new Map([[x, wide]]), [y]);
      expectClose(got!, Array.from(wide, reference.activations[kind]), shape, { rtol: 1e-5, atol: 2e-6 });
    });

  test(`affine [${shape}]`, async () => {
    const y = f32("y", ...shape);
    const [got] = await runDispatches(affine({ x, y }, { scale: 2, shift: -1 }), new Map([[x, data]]), [y]);
    expectClose(
      got!,
      Array.from(data, (v) => 2 * v - 1),
      shape,
      { rtol: 1e-6, atol: 1e-7 },
    );
  });

  for (const shared of n === 1 ? [1] : [n, n / 2]) {
    const b = f32("b", shared, c, h, w);
    const other = seeded(2, b.shape);
    const inputs = new Map([
      [x, data],
      [b, other],
    ]);

    test(`add [${shape}] and [${b.shape}]`, async () => {
      const y = f32("y", ...shape);
      const [got] = await runDispatches(add({ a: x, b, y }), inputs, [y]);
      const expected = data.map((v, i) => Math.fround(v + other[i % other.length]!));
      expectClose(got!, expected, shape, exact);
    });

    test(`stack [${shape}] and [${b.shape}]`, async () => {
      const y = f32("y", n + shared, c, h, w);
      const [got] = await runDispatches(stack({ a: x, b, y }), inputs, [y]);
      expectClose(got!, [...data, ...other], y.shape, exact);
    });

    test(`concat [${shape}] and ${shared} samples of one channel`, async () => {
      const skip = f32("skip", shared, 1, h, w);
      const one = seeded(3, skip.shape);
      const y = f32("y", n, c + 1, h, w);
      const given = new Map([
        [x, data],
        [skip, one],
      ]);
      const [got] = await runDispatches(concat({ x, skip, y }), given, [y]);
      expectClose(got!, reference.concat(data, one, n, shared), y.shape, exact);
    });
  }
}

test("addRow picks each sample's row", async () => {
  const [x, table, labels, y] = [f32("x", 3, 1030), f32("table", 5, 1030), u32("labels", 3), f32("y", 3, 1030)];
  const [a, rows, chosen] = [seeded(1, x.shape), seeded(2, table.shape), Uint32Array.of(4, 0, 4)];
  const inputs = new Map<typeof x, Data>([
    [x, a],
    [table, rows],
    [labels, chosen],
  ]);
  const [got] = await runDispatches(addRow({ x, table, labels, y }), inputs, [y]);
  const expected = a.map((v, i) => Math.fround(v + rows[chosen[Math.floor(i / 1030)]! * 1030 + (i % 1030)]!));
  expectClose(got!, expected, y.shape, exact);
});

test("a batch that does not divide is refused", () => {
  const [a, b] = [f32("a", 3, 2), f32("b", 2, 2)];
  expect(() => add({ a, b, y: f32("y", 3, 2) })).toThrow("b: 2 samples do not divide 3 evenly");
});
