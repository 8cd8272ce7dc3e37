import { expect, test } from "vitest";
import { linearAttention } from "../src/kernels/attention/linear-attention";
import { f32 } from "../src/kernels/dispatch";
import { attention } from "../src/kernels/product/attention";
import { linearAttentionReference, memoryAttentionReference } from "../src/reference/product";
import { expectClose, seeded } from "./support/close";
import { runDispatches } from "./support/device";
import { software } from "./support/targets";

const cases = {
  "one pixel, one channel": { n: 1, c: 1, h: 1, w: 1, heads: 1, learned: 0, scale: 1 },
  "four heads of 32": { n: 2, c: 128, h: 8, w: 8, heads: 4, learned: 4, scale: 1 },
  "odd plane, odd heads": { n: 2, c: 15, h: 5, w: 7, heads: 3, learned: 3, scale: 1 },
  "heads of 12, values divided": { n: 1, c: 24, h: 6, w: 4, heads: 2, learned: 0, divided: true, scale: 1 },
  "several parts": { n: 2, c: 16, h: 24, w: 24, heads: 2, learned: 4, scale: 1 },
  "keys in the hundreds": { n: 1, c: 16, h: 9, w: 9, heads: 2, learned: 2, scale: 300 },
} as const;

for (const [name, given] of Object.entries(cases))
  test(`linear attention: ${name}`, async () => {
    const { n, c, h, w, heads, learned, divided, scale } = { divided: false, ...given };
    const [qkv, y] = [f32("qkv", n, 3 * c, h, w), f32("y", n, c, h, w)];
    const memory = f32("memory", 2, heads, c / heads, learned);
    const values = seeded(1, qkv.shape).map((v) => v * scale);
    const remembered = learned ? seeded(2, memory.shape).map((v) => v * scale) : undefined;
    const data = new Map([[qkv, values], ...(remembered ? [[memory, remembered] as const] : [])]);
    const dispatches = linearAttention({ qkv, memory: remembered && memory, y }, { heads, divided });
    const [found] = await runDispatches(dispatches, data, [y]);
    const expected = linearAttentionReference(values, remembered, { n, c, h, w, heads, divided });
    expectClose(found!, expected, y.shape, { rtol: 1e-5, atol: 1e-6 * scale });
  });

const full = [
  { n: 2, c: 128, h: 4, w: 4, heads: 4, learned: 4 },
  { n: 1, c: 15, h: 5, w: 3, heads: 3, learned: 1 },
  { n: 2, c: 32, h: 6, w: 6, heads: 4, learned: 3 },
  { n: 3, c: 32, h: 6, w: 4, heads: 4, learned: 1 },
] as const;

for (const s of full)
  for (const on of [{ subgroups: true }, { subgroups: false }, { adapterClass: "gpu" as const }])
    test(`attention with learned positions ${JSON.stringify(s)} ${JSON.stringify(on)}`, async () => {
      const { n, c, h, w, heads, learned } = s;
      const [qkv, y] = [f32("qkv", n, 3 * c, h, w), f32("y", n, c, h, w)];
      const memory = f32("memory", 2, heads, learned, c / heads);
      const data = new Map([
        [qkv, seeded(1, qkv.shape)],
        [memory, seeded(2, memory.shape)],
      ]);
      const dispatches = attention({ qkv, memory, y }, { heads, order: "new", target: { ...software, ...on } });
      const [found] = await runDispatches(dispatches, data, [y]);
      const expected = memoryAttentionReference(data.get(qkv)!, data.get(memory)!, s);
      expectClose(found!, expected, y.shape, { rtol: 0, atol: 2e-6 });
    });

test("heads and memories that do not fit are refused", () => {
  const io = { qkv: f32("qkv", 1, 30, 2, 2), y: f32("y", 1, 10, 2, 2) };
  expect(() => linearAttention(io, { heads: 4 })).toThrow("10 channels do not divide into 4 heads");
  expect(() => linearAttention({ ...io, memory: f32("memory", 2, 5, 3, 4) }, { heads: 5 })).toThrow(
    "memory: shape [2,5,3,4], expected [2,5,2,4]",
  );
  const memory = f32("memory", 2, 5, 4, 3);
  expect(() => attention({ ...io, memory }, { heads: 5, order: "new", target: software })).toThrow(
    "memory: shape [2,5,4,3], expected [2,5,4,2]",
  );
});
