import { expect, test } from "vitest";
import { f32, type Tensor } from "../src/kernels/dispatch";
import { mix } from "../src/kernels/step/mix";
import { MIX, type MixRule, STEP } from "../src/kernels/step/step-row";
import * as reference from "../src/reference";
import { expectClose, seeded } from "./support/close";
import { runDispatches } from "./support/device";
import { stepRows } from "./support/rows";

type Floats = Float32Array<ArrayBuffer>;

const rules = Object.keys(MIX) as MixRule[];

/** One sample of [1, C, H, W], or several with rows of their own. */
async function mixed(
  shape: readonly [number, number, number, number],
  rows: readonly { rule: MixRule; gamma: number }[],
  h: Floats,
  content: Floats,
  mask?: Floats,
): Promise<Floats> {
  const [n, c, height, width] = shape;
  const { steps, data } = stepRows(...rows.map(({ rule, gamma }) => ({ GAMMA: gamma, RULE: MIX[rule] })));
  const tensors = {
    h: f32("h", ...shape),
    content: f32("content", (content.length / h.length) * n, c, height, width),
    ...(mask && { mask: f32("mask", mask.length / (height * width), height, width) }),
    y: f32("y", ...shape),
  };
  const inputs = new Map<Tensor, Floats>([
    [steps, data],
    [tensors.h, h],
    [tensors.content, content],
  ]);
  if (tensors.mask) inputs.set(tensors.mask, mask!);
  const [y] = await runDispatches(mix({ steps, ...tensors }, { slot: 0 }), inputs, [tensors.y]);
  return y!;
}

/** The same by the reference, sample by sample; one mask for each. */
function expected(rows: readonly { rule: MixRule; gamma: number }[], h: Floats, content: Floats, mask?: Floats) {
  const n = rows.length;
  const contents = Math.round((content.length / h.length) * n);
  return rows.flatMap(({ rule, gamma }, i) => {
    const one = mask && reference.sample(mask, n, i);
    return [...reference.mix(reference.sample(h, n, i), reference.sample(content, contents, i), one, rule, gamma)];
  });
}

for (const rule of rules)
  for (const shape of [
    [1, 512, 8, 8],
    [2, 5, 3, 7],
  ] as const) {
    test(`mix by ${rule}, [${shape}]`, async () => {
      const [n, c, h, w] = shape;
      const [a, b] = [seeded(1, shape), seeded(2, [1, c, h, w]).map((v) => 2 * v)]; // one content for all
      const rows = Array.from({ length: n }, (_, i) => ({ rule, gamma: 0.3 + 0.4 * i }));
      expectClose(await mixed(shape, rows, a, b), expected(rows, a, b), shape, { rtol: 0, atol: 1e-5 });
    });

    test(`mix by ${rule} in soft masks, [${shape}]`, async () => {
      const [n, , h, w] = shape;
      const plane = h * w;
      const [a, b] = [seeded(3, shape), seeded(4, shape)];
      const mask = seeded(5, [n, h, w]).map((v) => Math.max(0, v));
      const rows = Array.from({ length: n }, () => ({ rule, gamma: 0.6 }));
      const got = await mixed(shape, rows, a, b, mask);
      expectClose(got, expected(rows, a, b, mask), shape, { rtol: 0, atol: 1e-5 });
      const outside = [...a.keys()].filter((i) => mask[Math.floor(i / (a.length / n)) * plane + (i % plane)] === 0);
      expect(outside.length).toBeGreaterThan(0);
      for (const i of outside) expect(got[i]).toBe(a[i]);
    });
  }

const bits = (v: Floats) => [...new Uint32Array(v.buffer.slice(v.byteOffset, v.byteOffset + v.byteLength))];
const shape = [1, 16, 8, 8] as const;
const h = seeded(6, shape);
h[7] = -0; // a sum with zero would lose the sign

test.each(rules)("gamma 0 returns h to the bit: %s", async (rule) => {
  expect(bits(await mixed(shape, [{ rule, gamma: 0 }], h, seeded(7, shape)))).toEqual(bits(h));
});

for (const rule of ["slerp", "slerpRaw"] as const) {
  test(`${rule}: a content equal to h returns h to the bit, for every gamma`, async () => {
    const n = 11;
    const rows = Array.from({ length: n }, (_, i) => ({ rule, gamma: i / 10 }));
    const many = Float32Array.from({ length: n * h.length }, (_, i) => h[i % h.length]!);
    expect(bits(await mixed([n, 16, 8, 8], rows, many, many))).toEqual(bits(many));
  });

  for (const [name, content] of [
    ["all zero", h.map(() => 0)],
    ["opposite", h.map((v) => -v)],
    ["opposite and longer", h.map((v) => -3 * v)],
  ] as const) {
    test(`${rule}: a content ${name} keeps h`, async () => {
      expect(bits(await mixed(shape, [{ rule, gamma: 0.4 }], h, content))).toEqual(bits(h));
    });
  }

  test(`${rule}: h all zero stays`, async () => {
    const zero = h.map(() => 0);
    expect(bits(await mixed(shape, [{ rule, gamma: 0.4 }], zero, h))).toEqual(bits(zero));
  });

  test(`${rule}: an empty mask keeps h`, async () => {
    const mask = new Float32Array(64);
    expect(bits(await mixed(shape, [{ rule, gamma: 0.4 }], h, seeded(8, shape), mask))).toEqual(bits(h));
  });

  for (const off of [1e-6, 1e-4, 1e-3, 1e-2]) {
    test(`${rule}: a content ${off} away is exact`, async () => {
      const content = h.map((v, i) => v + off * seeded(9, [1024])[i]!);
      const row = { rule, gamma: 0.3 };
      const want = reference.mix(h, content, undefined, rule, 0.3);
      expectClose(await mixed(shape, [row], h, content), want, shape, { rtol: 0, atol: 1e-6 });
    });
  }
}

test("slerp: a content twice as long is h again; its length does not count", async () => {
  const got = await mixed(
    shape,
    [{ rule: "slerp", gamma: 0.4 }],
    h,
    h.map((v) => 2 * v),
  );
  expectClose(got, h, shape, { rtol: 1e-6, atol: 0 });
});

test("nearly opposite vectors give finite values of the right length", async () => {
  for (const off of [3e-3, 1e-2, 0.1]) {
    const content = h.map((v, i) => -v + off * seeded(10, [1024])[i]!);
    const got = await mixed(shape, [{ rule: "slerp", gamma: 0.5 }], h, content);
    const length = Math.hypot(...got) / Math.hypot(...h);
    expect(length).toBeGreaterThan(0.98);
    expect(length).toBeLessThan(1.02);
  }
});

test("slot k reads its own gamma and rule", async () => {
  const { steps, data } = stepRows({});
  data[STEP.GAMMA + 3] = 0.25;
  data[STEP.RULE + 3] = MIX.lerp;
  const [a, content, y] = [f32("h", ...shape), f32("content", ...shape), f32("y", ...shape)];
  const other = seeded(11, shape);
  const inputs = new Map([
    [steps, data],
    [a, h],
    [content, other],
  ]);
  const [got] = await runDispatches(mix({ steps, h: a, content, y }, { slot: 3 }), inputs, [y]);
  expectClose(got!, reference.mix(h, other, undefined, "lerp", 0.25), shape, { rtol: 0, atol: 1e-6 });
});

test("mix refuses what does not fit", () => {
  const { steps } = stepRows({});
  const io = { steps, h: f32("h", ...shape), content: f32("bank", 1, 16, 4, 8), y: f32("y", ...shape) };
  expect(() => mix(io, { slot: 0 })).toThrow("bank: shape [1,16,4,8], expected [1,16,8,8]");
  expect(() => mix({ ...io, content: io.h }, { slot: 8 })).toThrow("contents 0 to 7");
});
