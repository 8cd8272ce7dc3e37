import { expect, test } from "vitest";
import { f32 } from "../src/kernels/dispatch";
import { timeEmbedding } from "../src/kernels/pointwise/time-embedding";
import * as reference from "../src/reference";
import { expectClose } from "./support/close";
import { runDispatches } from "./support/device";
import { stepRows } from "./support/rows";

const times = [999, 0, 1, 387.5, 20];

for (const order of ["sin-cos", "cos-sin"] as const)
  for (const channels of [128, 33, 4]) {
    test(`timeEmbedding ${order}, ${channels} channels`, async () => {
      const { steps, data } = stepRows(...times.map((T) => ({ T })));
      const y = f32("y", times.length, channels);
      const [got] = await runDispatches(timeEmbedding({ steps, y }, { order }), new Map([[steps, data]]), [y]);
      // t f_i is a product of f32: at 999 its last bit is worth 6e-5
      expectClose(got!, reference.timeEmbedding(times, channels, order), y.shape, { rtol: 0, atol: 1e-4 });
    });
  }

test("timeEmbedding needs four channels", () => {
  const { steps } = stepRows({ T: 1 });
  expect(() => timeEmbedding({ steps, y: f32("temb", 1, 3) }, { order: "sin-cos" })).toThrow("temb: shape [1,3]");
});
