import { describe, expect, type TestContext, test } from "vitest";
import { fromHalf, toHalf } from "../src/half";
import { linearAttention } from "../src/kernels/attention/linear-attention";
import { anyConv, anyConvSize, anyConvWeight, packAnyConv } from "../src/kernels/conv/any";
import { finished } from "../src/kernels/conv/packing";
import { convVariants } from "../src/kernels/conv/tuner-variants";
import { convShape } from "../src/kernels/conv/variant";
import { type Dispatch, f32, type Tensor } from "../src/kernels/dispatch";
import { channelNorm } from "../src/kernels/norm/channel-norm";
import { groupNorm } from "../src/kernels/norm/group-norm";
import { activation } from "../src/kernels/pointwise/activation";
import { add } from "../src/kernels/pointwise/add";
import { affine } from "../src/kernels/pointwise/affine";
import { avgPool2 } from "../src/kernels/pointwise/avg-pool2";
import { concat } from "../src/kernels/pointwise/concat";
import { spaceToDepth } from "../src/kernels/pointwise/space-to-depth";
import { upsample2x } from "../src/kernels/pointwise/upsample2x";
import { attention } from "../src/kernels/product/attention";
import { mix } from "../src/kernels/step/mix";
import { MIX } from "../src/kernels/step/step-row";
import type { Target } from "../src/kernels/target";
import { seeded } from "../src/random";
import { type ConvCase, convData, convReference } from "../src/reference/conv";
import { convRun } from "../src/tune/conv-run";
import { inHalves } from "../src/wgsl/halves";
import { expectClose } from "./support/close";
import { type Data, runDispatches, testDevice } from "./support/device";
import { stepRows } from "./support/rows";
import { software } from "./support/targets";

const head = (x: string, y: string) => `
@group(0) @binding(0) var<storage, read> x: array<${x}>;
@group(0) @binding(1) var<storage, read_write> y: array<${y}>;
`;
const both = (x: string, y: string, body: string) => inHalves(head(x, y) + body, [0, 1]);

describe("text", () => {
  test("loads and stores of values, vectors and components are converted", () => {
    expect(both("vec4f", "f32", "y[i + 1u] = x[i].y + x[at[i]][j] - s.x[i];")).toBe(
      `enable f16; ${head("vec4h", "f16")}y[i + 1u] = f16(f32(x[i].y) + f32(x[at[i]][j]) - s.x[i]);`,
    );
    expect(both("mat4x4f", "vec4f", "y[n] = x[i][0] + x[j][1].xyzw; m = x[i];")).toBe(
      `enable f16; ${head("mat4x4h", "vec4h")}y[n] = vec4h(vec4f(x[i][0]) + vec4f(x[j][1].xyzw)); m = mat4x4f(x[i]);`,
    );
  });

  test("an index may hold another load, and a store may add", () => {
    expect(both("f32", "f32", "y[u32(x[i])] /= x[i + 1u];")).toBe(
      `enable f16; ${head("f16", "f16")}y[u32(f32(x[i]))] = f16(f32(y[u32(f32(x[i]))]) / (f32(x[i + 1u])));`,
    );
  });

  test("whole arrays go through a loop, by any alias", () => {
    const aliases = "alias Row = array<f32, WIDE>;\nalias Block = Row;\n";
    expect(both("Block", "array<f32, 4>", `${aliases}let v = x[i]; y[id] = v; y[id][2] = v[1];`)).toBe(
      `enable f16; ${head("array<f16, WIDE>", "array<f16, 4>")}${aliases}let v = load_x_(i); store_y_(id, v); y[id][2] = f16(v[1]);
fn load_x_(i: u32) -> array<f32, WIDE> {
  var all: array<f32, WIDE>;
  for (var e_ = 0u; e_ < WIDE; e_++) { all[e_] = f32(x[i][e_]); } // unroll
  return all;
}
fn store_y_(i: u32, all: array<f32, 4>) {
  for (var e_ = 0u; e_ < 4; e_++) { y[i][e_] = f16(all[e_]); } // unroll
}`,
    );
  });

  test("comparisons are no stores, comments no code, and marks stay", () => {
    const code = "if (x[i] == 1.0) { } // x[i] = 2\nfor (;;) { // unroll\n// import a\n";
    expect(both("f32", "f32", code)).toContain("if (f32(x[i]) == 1.0) { }\nfor (;;) { // unroll\n// import a\n");
  });

  test("words, and bindings that are f32, are left alone", () => {
    expect(both("u32", "Words", "y[i] = x[i];")).toBe(`${head("u32", "Words")}y[i] = x[i];`);
    expect(inHalves(`${head("f32", "f32")}y[i] = x[i];`, [1])).toBe(
      `enable f16; ${head("f32", "f16")}y[i] = f16(x[i]);`,
    );
    expect(inHalves(`${head("f32", "f32")}// x\n`, [])).toBe(`${head("f32", "f32")}// x\n`);
  });
});

// Kernels run where the adapter has shader-f16, which SwiftShader lacks: Mesa's lavapipe has it, and most GPUs.
async function needHalves(context: TestContext) {
  const device = await testDevice();
  context.skip(!device.has("shader-f16"), "this adapter lacks shader-f16");
}

const rounded = (values: Float32Array) => fromHalf(toHalf(values));

/** Runs dispatches of f32 tensors on rounded values, and again with these tensors in f16. Both compute the same in between, so
 *  that the second result is the first, rounded: to half a unit in the last of 11 bits. What is not named stays f32. */
async function expectRounded(
  dispatches: readonly Dispatch[],
  inputs: ReadonlyMap<Tensor, Data>,
  y: Tensor,
  names: readonly string[] = ["x", "skip", "residual", "qkv", "b", "h", y.name],
) {
  const stored = (t: Tensor): Tensor => (names.includes(t.name) ? { ...t, dtype: "f16" } : t);
  const known = new Map<string, Tensor>();
  const same = (t: Tensor) => known.get(t.name) ?? known.set(t.name, stored(t)).get(t.name)!;
  const halves = dispatches.map((d) => ({
    ...d,
    bindings: d.bindings.map(({ tensor, access }) => ({ tensor: same(tensor), access })),
  }));
  const values = [...inputs].map(([t, data]) =>
    names.includes(t.name) ? ([t, rounded(data as Float32Array)] as const) : ([t, data] as const),
  );
  const narrow = values.map(([t, data]) =>
    names.includes(t.name) ? ([same(t), toHalf(data as Float32Array)] as const) : ([t, data] as const),
  );
  const [expected] = await runDispatches(dispatches, new Map(values), [y]);
  const [got] = await runDispatches(halves, new Map(narrow), [same(y)]);
  expect(expected!.some((v) => v !== 0)).toBe(true);
  if (names.includes(y.name)) expect(got).toEqual(rounded(got!));
  expectClose(got!, expected!, y.shape, { rtol: 2 ** -11 * 1.01, atol: 2e-6 });
}

const gpu: Target = { ...software, adapterClass: "gpu", activations: "f16" };
const targets: Readonly<Record<string, Target>> = {
  GPUs: gpu,
  "adapters without subgroups": { ...gpu, adapterClass: "software", subgroups: false },
  "software adapters": { ...gpu, adapterClass: "software" },
};

const everything = { skipN: 1, normN: 2, tembN: 1, residualN: 1, silu: true } as const;
const cases: Record<string, ConvCase> = {
  "3x3, odd plane": { kernel: 3, n: 1, c1: 5, oc: 7, h: 5, w: 7 },
  "3x3, everything at once": { kernel: 3, n: 2, c1: 20, c2: 12, oc: 28, h: 8, w: 16, ...everything },
  "3x3, stride 2": { kernel: 3, n: 2, c1: 12, oc: 20, h: 8, w: 10, stride: 2 },
  "3x3, enlarged first": { kernel: 3, n: 1, c1: 20, oc: 17, h: 5, w: 6, upsample: true },
  "1x1, odd plane": { kernel: 1, n: 1, c1: 9, oc: 7, h: 3, w: 5 },
  "1x1, everything at once": { kernel: 1, n: 2, c1: 20, c2: 12, oc: 28, h: 8, w: 16, ...everything },
};

for (const [where, target] of Object.entries(targets))
  for (const [name, s] of Object.entries(cases))
    test(`convolution ${name}, every variant for ${where}, against f64`, { timeout: 600_000 }, async (context) => {
      await needHalves(context);
      const shape = convShape(s);
      const d = convData(s);
      const read = {
        ...d,
        x: rounded(d.x),
        skip: d.skip && rounded(d.skip),
        residual: d.residual && rounded(d.residual),
      };
      for (const weights of ["f32", "f16"] as const) {
        const at: Target = { ...target, weights };
        const variants = convVariants.filter(({ name, runs }) => !name.startsWith("matrix") && runs(shape, at));
        expect(variants.length).toBeGreaterThan(0);
        const expected = convReference(s, weights === "f16" ? { ...read, weight: rounded(d.weight) } : read);
        const scale = Math.max(1, ...expected.map(Math.abs));
        for (const variant of variants) {
          const { dispatches, inputs, y } = convRun(s, d, variant, at);
          const [got] = await runDispatches(dispatches, inputs, [y]);
          const normalised = dispatches.some(({ bindings }) =>
            bindings.some(({ tensor, access }) => access === "write" && tensor !== y && tensor.dtype === "f16"),
          );
          const between = normalised ? 2 ** -11 : 0; // what a normalised input loses when it is stored in f16
          const atol = (variant.tolerance(weights) + between) * scale;
          try {
            expectClose(got!, expected, y.shape, { rtol: 2 ** -11 * 1.01, atol });
          } catch (error) {
            throw new Error(`${variant.name}, weights in ${weights}: ${(error as Error).message}`);
          }
        }
      }
    });

test("a 1x1 convolution whose sums wait in its result is not chosen for f16", () => {
  const deep = convShape({ kernel: 1, n: 1, c1: 128, oc: 64, h: 8, w: 8 });
  const held = convVariants.find(({ name }) => name === "stationary")!;
  expect(held.runs(deep, software)).toBe(true);
  expect(held.runs(deep, { ...software, activations: "f16" })).toBe(false);
});

const shape = [2, 6, 4, 6] as const;
const odd = [1, 3, 5, 7] as const;
const tensor = (name: string, key: number, ...sides: number[]) => [f32(name, ...sides), seeded(key, sides)] as const;

for (const sides of [shape, odd]) {
  const [n, c, h, w] = sides;
  const [x, data] = tensor("x", 1, ...sides);
  const [b, other] = tensor("b", 2, ...sides);
  const pointwise: Record<string, (y: Tensor) => Dispatch[]> = {
    "activation gelu": (y) => activation({ x, y }, "gelu"),
    affine: (y) => affine({ x, y }, { scale: 0.5, shift: 2 }),
    add: (y) => add({ a: x, b, y }),
  };
  for (const [name, of] of Object.entries(pointwise))
    test(`${name} [${sides}]`, async (context) => {
      await needHalves(context);
      const y = f32("y", ...sides);
      const inputs = new Map([[x, data] as const, ...(name === "add" ? [[b, other] as const] : [])]);
      await expectRounded(of(y), inputs, y);
    });

  test(`concat [${sides}] of f16 and f32, and resizing`, async (context) => {
    await needHalves(context);
    const [skip, joined] = tensor("skip", 3, n, 2, h, w);
    const y = f32("y", n, c + 2, h, w);
    const inputs = new Map([
      [x, data],
      [skip, joined],
    ]);
    for (const names of [
      ["x", "y"],
      ["skip", "y"],
      ["x", "skip"],
      ["x", "skip", "y"],
    ])
      await expectRounded(concat({ x, skip, y }), inputs, y, names);
    const up = f32("up", n, c, 2 * h, 2 * w);
    await expectRounded(upsample2x({ x, y: up }), new Map([[x, data]]), up);
    const down = f32("down", n, c, h >> 1, w >> 1);
    await expectRounded(avgPool2({ x, y: down }), new Map([[x, data]]), down);
    const deep = f32("deep", n, 4 * c, h >> 1, w >> 1);
    if (h % 2 === 0 && w % 2 === 0) await expectRounded(spaceToDepth({ x, y: deep }), new Map([[x, data]]), deep);
  });

  test(`norms [${sides}]`, async (context) => {
    await needHalves(context);
    const [skip, joined] = tensor("skip", 3, 1, 3, h, w);
    const channels = c + 3;
    const [gamma, beta] = [tensor("gamma", 4, channels), tensor("beta", 5, channels)];
    const inputs = new Map<Tensor, Data>([[x, data], [skip, joined], gamma, beta]);
    const [norm, y] = [f32("norm", n, channels, 4), f32("y", n, channels, h, w)];
    const io = { x, skip, gamma: gamma[0], beta: beta[0], norm, y };
    const variants = ["partials", ...((h * w) % 4 === 0 ? ["group"] : []), ...((h * w) % 16 === 0 ? ["quad"] : [])];
    for (const variant of variants as ("partials" | "group" | "quad")[])
      await expectRounded(groupNorm(io, { groups: 3, eps: 1e-5, silu: true, variant }), inputs, y);
    for (const kind of ["rms", "layer"] as const)
      for (const adapterClass of ["gpu", "software"] as const) {
        const [residual, rest] = tensor("residual", 6, ...sides);
        const z = f32("z", ...sides);
        const [scale, values] = tensor("scale", 7, c);
        const given = new Map<Tensor, Data>([
          [x, data],
          [residual, rest],
          [scale, values],
        ]);
        await expectRounded(
          channelNorm({ x, residual, gamma: scale, y: z }, { kind, silu: true }, { adapterClass }),
          given,
          z,
        );
      }
  });

  test(`mixing [${sides}]`, async (context) => {
    await needHalves(context);
    const rows = stepRows(...Array.from({ length: n }, () => ({ GAMMA: 0.4, RULE: MIX.slerp })));
    const [hs, values] = tensor("h", 8, ...sides);
    const [content, others] = tensor("content", 9, ...sides);
    const y = f32("y", ...sides);
    const inputs = new Map<Tensor, Data>([
      [rows.steps, rows.data],
      [hs, values],
      [content, others],
    ]);
    await expectRounded(mix({ steps: rows.steps, h: hs, content, y }, { slot: 0 }), inputs, y);
  });
}

for (const [heads, c, h, w] of [
  [2, 32, 8, 8],
  [1, 6, 3, 5],
] as const)
  test(`attention and linear attention of ${heads} heads [2, ${c}, ${h}, ${w}]`, {
    timeout: 600_000,
  }, async (context) => {
    await needHalves(context);
    const qkv = tensor("qkv", 1, 2, 3 * c, h, w);
    const memory = tensor("memory", 2, 2, heads, 4, c / heads);
    const y = f32("y", 2, c, h, w);
    for (const target of Object.values(targets)) {
      await expectRounded(attention({ qkv: qkv[0], y }, { heads, order: "legacy", target }), new Map([qkv]), y);
      await expectRounded(
        attention({ qkv: qkv[0], memory: memory[0], y }, { heads, order: "new", target }),
        new Map([qkv, memory]),
        y,
      );
    }
    const learned = tensor("memory", 2, 2, heads, c / heads, 4);
    await expectRounded(linearAttention({ qkv: qkv[0], memory: learned[0], y }, { heads }), new Map([qkv, learned]), y);
  });

test("convolution of any size", async (context) => {
  await needHalves(context);
  const options = { kernel: 7, stride: 1, pad: 3 };
  const x = tensor("x", 1, 1, 3, 9, 11);
  const weight = anyConvWeight("weight", 5, 3, options);
  const bias = tensor("bias", 3, 5);
  const y = f32("y", 1, 5, anyConvSize(9, options), anyConvSize(11, options));
  const packed = finished(packAnyConv(seeded(2, [5, 3, 7, 7]), 5, 3, 7));
  const inputs = new Map<Tensor, Data>([x, [weight, packed], bias]);
  await expectRounded(anyConv({ x: x[0], weight, bias: bias[0], y }, options), inputs, y);
});
