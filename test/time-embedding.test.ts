import { expect, test } from "vitest";
import { f32 } from "../src/kernels/dispatch";
import { timeEmbedding } from "../src/kernels/pointwise/time-embedding";
import * as reference from "../src/reference";
import { expectClose } from "./support/close";
import { runDispatches } from "./support/device";
import { stepRows } from "./support/rows";

const times = [999, 0, 1, 387.5, 20];

for (const [order, shift] of [
  ["sin-cos", 1],
  ["cos-sin", 0],
  ["sin-cos", 0],
  ["cos-sin", 1],
] as const)
  for (const channels of [128, 33, 4]) {
    test(`timeEmbedding ${order}, shift ${shift}, ${channels} channels`, async () => {
      const { steps, data } = stepRows(...times.map((T) => ({ T })));
      const y = f32("y", times.length, channels);
      const [got] = await runDispatches(timeEmbedding({ steps, y }, { order, shift }), new Map([[steps, data]]), [y]);
      // t f_i is a product of f32: at 999 its last bit is worth 6e-5
      expectClose(got!, reference.timeEmbedding(times, channels, order, shift), y.shape, { rtol: 0, atol: 1e-4 });
    });
  }

test("timeEmbedding needs four channels", () => {
  const { steps } = stepRows({ T: 1 });
  expect(() => timeEmbedding({ steps, y: f32("temb", 1, 3) }, { order: "sin-cos", shift: 1 })).toThrow(
    "temb: shape [1,3]",
  );
});

test("timeEmbedding of labels as the numbers they are", async () => {
  const labels = f32("labels", times.length);
  const y = f32("y", times.length, 32);
  const options = { order: "cos-sin", shift: 0 } as const;
  const [got] = await runDispatches(
    timeEmbedding({ labels, y }, options),
    new Map([[labels, Float32Array.from(times)]]),
    [y],
  );
  expectClose(got!, reference.timeEmbedding(times, 32, "cos-sin", 0), y.shape, { rtol: 0, atol: 1e-4 });
});
