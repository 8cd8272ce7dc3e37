import { afterAll, beforeAll, expect, test } from "vitest";
import type { Pixels } from "../src/api";
import { scheduleGamma } from "../src/experiments/gamma-schedule";
import { readBuffer } from "../src/gpu/buffers";
import { withHooks } from "../src/inject/hooks";
import { placeImages, placeMasks } from "../src/inject/images";
import type { Inversion } from "../src/inject/inversion";
import type { Model } from "../src/inject/model";
import { stepOps } from "../src/inject/ops";
import { centreSquare } from "../src/inject/placement";
import type { InjectStep } from "../src/inject/plan-inject";
import { calibratedStep, injectedStep } from "../src/inject/step-graphs";
import { seeded } from "../src/random";
import { type NetworkManifest, openNetwork, readManifest } from "./golden-runner/files";
import { expectClose } from "./support/close";
import { testDevice } from "./support/device";

// Several contents, masks, schedules and taps on a tiny trained network. The rule "lerp" is linear in every place, so what
// several contents, or parts of one, must add up to is known exactly.
const folder = new URL("./golden", import.meta.url).pathname;
const steps = 4;
const side = 32;
const shape = [1, 3, side, side];
/** Equal but for rounding, which grows with the values (this little network's reach 50). */
const expectSame = (found: Float32Array, wanted: Float32Array) => {
  const top = wanted.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
  expectClose(found, wanted, shape, { rtol: 0, atol: 2e-5 * top });
};

let model: Model;
let three: Inversion;
const picture = (seed: number) => {
  const [a, b] = seeded(seed, [2]) as unknown as [number, number];
  const wave = (i: number) =>
    0.7 * Math.sin(0.25 * (i % side) * (1 + a) + 0.2 * (Math.floor(i / side) % side) * (1 + b));
  return { tensor: Float32Array.from({ length: 3 * side * side }, (_, i) => wave(i)) };
};

beforeAll(async () => {
  model = await openNetwork(folder, readManifest<NetworkManifest>(folder, "ddpm_tiny_trained"), await testDevice());
  three = await model.invert([picture(1), picture(2), picture(3)], { steps });
}, 200_000);
afterAll(() => {
  three?.dispose();
  model?.dispose();
});

type Options = Parameters<Model["inject"]>[0];
const run = async (options: Partial<Options>, from = three) => {
  using result = await model.inject({ original: from.select(2), steps, tBoost: 0, rule: "lerp", ...options });
  return result.read();
};
const [left, right] = [
  { values: [1, 0, 1, 0], width: 2, height: 2 },
  { values: [0, 1, 0, 1], width: 2, height: 2 },
];
const difference = (a: Float32Array, b: Float32Array) =>
  a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0);

test("a blend of one content with itself is one content with 1 - (1 - g1)(1 - g2)", async () => {
  const a = three.select(0);
  const blend = await run({
    contents: [
      { inversion: a, gamma: 0.2 },
      { inversion: a, gamma: 0.5 },
    ],
  });
  expectSame(blend, await run({ content: a, gamma: 0.6 }));
});

test("a blend of two contents takes from both; a gamma of 0 takes one out", async () => {
  const [a, b] = [three.select(0), three.select(1)];
  const blend = (first: number, second: number) =>
    run({
      contents: [
        { inversion: a, gamma: first },
        { inversion: b, gamma: second },
      ],
    });
  const both = await blend(0.4, 0.4);
  expectSame(await blend(0.4, 0), await run({ content: a, gamma: 0.4 }));
  expectSame(await blend(0, 0.4), await run({ content: b, gamma: 0.4 }));
  for (const [first, second] of [
    [0.4, 0],
    [0, 0.4],
  ] as const)
    expect(difference(both, await blend(first, second))).toBeGreaterThan(1e-3);
});

test("two halves of one content are the whole; a gamma for each half is one soft mask", async () => {
  const a = three.select(0);
  const halves = (first: number, second: number) =>
    run({
      contents: [
        { inversion: a, mask: left, gamma: first },
        { inversion: a, mask: right, gamma: second },
      ],
    });
  // The masks meet in a soft edge that sums to 1, where two mixings in turn take a little less than one.
  const hard = (from: number, to: number) =>
    Float32Array.from({ length: 64 }, (_, i) => Number(i % 8 >= from && i % 8 < to));
  const sharp = (from: number, to: number) => ({ values: hard(from, to), width: 8, height: 8 });
  const whole = await run({
    contents: [
      { inversion: a, mask: sharp(0, 4), gamma: 0.5 },
      { inversion: a, mask: sharp(4, 8), gamma: 0.5 },
    ],
  });
  expectSame(whole, await run({ content: a, gamma: 0.5 }));
  const soft = { values: hard(0, 4).map((v) => (v ? 1 : 0.25)), width: 8, height: 8 };
  const each = await run({
    contents: [
      { inversion: a, mask: sharp(0, 4), gamma: 0.8 },
      { inversion: a, mask: sharp(4, 8), gamma: 0.2 },
    ],
  });
  expectSame(each, await run({ content: a, mask: soft, gamma: 0.8 }));
  expect(difference(await halves(0.8, 0.2), await halves(0.2, 0.8))).toBeGreaterThan(1e-3);
});

test("a content acts where its mask is: the other half changes less", async () => {
  const [plain, local] = [
    await run({ content: three.select(0), gamma: 0 }),
    await run({ content: three.select(0), mask: left, gamma: 0.6 }),
  ];
  const change = (inside: (column: number) => boolean) =>
    Math.sqrt(local.reduce((sum, v, i) => sum + (inside(i % side) ? (v - plain[i]!) ** 2 : 0), 0));
  expect(change((c) => c < side / 2)).toBeGreaterThan(2 * change((c) => c >= side / 2));
});

test("schedules: constant is none; fade is what its shares say, step by step", async () => {
  const content = three.select(0);
  const given = { content, gamma: 0.4, tEdit: 0 };
  const plain = await run(given);
  expect(await run(withHooks(given, { mutate: scheduleGamma("constant") }))).toEqual(plain);
  const fade = await run(withHooks(given, { mutate: scheduleGamma("fade") }));
  const shares = [0, 1, 2, 3].map((k) => 0.4 * (1 + Math.cos((Math.PI * k) / 3)));
  const byHand = (plan: readonly InjectStep[]) =>
    plan.map((step, k) => ({ ...step, samples: step.samples.map((s) => ({ ...s, gammas: [shares[k]!] })) }));
  expectSame(fade, await run(withHooks(given, { mutate: byHand })));
  expect(difference(fade, plain)).toBeGreaterThan(1e-3);
});

test("other taps: gamma 0 is the reconstruction, a content moves it, another tap another way", async () => {
  const plain = await run({ content: three.select(0), gamma: 0 });
  const moved: Float32Array[] = [];
  for (const tap of ["mid.block_1", "up.2.block.0"]) {
    const inverted = await model.invert([picture(1), picture(2), picture(3)], { steps, tap });
    expectSame(await run({ content: inverted.select(0), gamma: 0 }, inverted), plain);
    moved.push(await run({ content: inverted.select(0), gamma: 0.5 }, inverted));
    expect(difference(moved.at(-1)!, plain)).toBeGreaterThan(1e-3);
    inverted.dispose();
  }
  expect(difference(moved[0]!, moved[1]!)).toBeGreaterThan(1e-3);
});

test("every tap that a model names can be injected at; other tensors are refused by name, before a run", async () => {
  const { taps, network } = model;
  const net = network.unet(2);
  const shortcut = "up.1.block.0.nin_shortcut";
  expect(taps).not.toContain(shortcut);
  expect(taps).toEqual(expect.arrayContaining([net.h, "up.1.block.0", "up.1.block.0.conv1", "down.0.block.0"]));
  for (const tap of taps)
    for (const step of [injectedStep, calibratedStep]) {
      const edited = step(net, { tap, contents: [{ masked: false }] }, model.tapShape(tap));
      expect(network.lower(edited, stepOps).nodes.length, tap).toBeGreaterThan(0);
    }
  const others = network.lower(net.graph, stepOps).nodes.map(({ output }) => output);
  for (const { name, shape } of others.filter(({ name, shape }) => shape.length === 4 && !taps.includes(name)))
    expect(() => {
      const edited = injectedStep(net, { tap: name, contents: [{ masked: false }] }, shape.slice(1) as never);
      network.lower(edited, stepOps);
    }, name).toThrow(/samples|shape/);
  await expect(model.invert(picture(1), { steps, tap: shortcut })).rejects.toThrow(
    /^"up\.1\.block\.0\.nin_shortcut" is no tap in this network; among its \d+ taps are mid\.block_2, .*up\.1\.block\.0\.conv1/,
  );
  await expect(model.invert(picture(1), { steps, tap: "mid.blok_1" })).rejects.toThrow(
    /^no tap "mid\.blok_1" in this network; among its \d+ taps are mid\.block_2, mid\.block_1/,
  );
});

test("a mask goes to the h grid as its picture goes to the model's square", async () => {
  const device = await testDevice();
  const [width, height, grid] = [60, 40, 8];
  // One drawing, once as a grey picture and once as a mask: a blob near the right edge, partly cropped away.
  const value = (i: number) => Math.max(0, 1 - Math.hypot((i % width) - 46, Math.floor(i / width) - 12) / 14);
  const values = Float32Array.from({ length: width * height }, (_, i) => Math.round(255 * value(i)) / 255);
  const data = Uint8Array.from({ length: 4 * width * height }, (_, i) => (i % 4 === 3 ? 255 : 255 * values[i >> 2]!));
  const x = device.gpu.createBuffer({ size: 12 * grid * grid, usage: 0x80 | 0x8 | 0x4 });
  const pixels: Pixels = { data, width, height };
  await placeImages(
    device,
    [{ pixels, square: centreSquare(width, height) }],
    { channels: 3, height: grid, width: grid },
    x,
  );
  const red = new Float32Array(await readBuffer(device, x)).subarray(0, grid * grid);
  const mask = device.gpu.createBuffer({ size: 4 * grid * grid, usage: 0x80 | 0x8 | 0x4 });
  await placeMasks(device, [{ values, width, height }], { height: grid, width: grid }, mask, { width, height });
  const carried = new Float32Array(await readBuffer(device, mask));
  expectClose(
    carried,
    red.map((v) => (v + 1) / 2),
    [grid, grid],
    { rtol: 0, atol: 2e-3 },
  );
  expect(carried.indexOf(Math.max(...carried)) % grid).toBe(Math.floor(((46 - 10) / 40) * grid));
  x.destroy();
  mask.destroy();
});
