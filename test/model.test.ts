import { afterAll, beforeAll, expect, test } from "vitest";
import { NonFiniteError } from "../src/errors";
import type { Inversion } from "../src/inject/inversion";
import type { Model } from "../src/inject/model";
import { seeded } from "../src/random";
import { type NetworkManifest, openNetwork, readManifest } from "./golden-runner/files";
import { expectClose } from "./support/close";
import { testDevice } from "./support/device";

const folder = new URL("./golden", import.meta.url).pathname;
const STEPS = 6;

let model: Model;
let pair: Inversion;
/** How far the same pair may be off in another batch: a GPU shares out its sums as the batch is large. */
let alike: { rtol: number; atol: number };
const side = 32;
/** Smooth waves, unlike in every seed. */
const picture = (seed: number) => {
  const [a, b, c] = seeded(seed, [3]) as unknown as [number, number, number];
  const wave = (i: number) => {
    const [channel, y, x] = [Math.floor(i / side ** 2), Math.floor(i / side) % side, i % side];
    return 0.7 * Math.sin(0.25 * x * (1 + a) + 0.2 * y * (1 + b) + channel * (1 + c));
  };
  return { tensor: Float32Array.from({ length: 3 * side * side }, (_, i) => wave(i)) };
};

beforeAll(async () => {
  model = await openNetwork(folder, readManifest<NetworkManifest>(folder, "ddpm_tiny_trained"), await testDevice());
  pair = await model.invert([picture(1), picture(2)], { steps: STEPS });
  alike = { rtol: 0, atol: model.device.adapterClass === "gpu" ? 5e-4 : 1e-5 };
}, 200_000);

afterAll(() => {
  pair?.dispose();
  model?.dispose();
});

const run = async (options: Partial<Parameters<Model["inject"]>[0]>) => {
  using result = await model.inject({
    content: pair.select(0),
    original: pair.select(1),
    steps: STEPS,
    tBoost: 0,
    ...options,
  });
  return result.read();
};

const rms = (a: Float32Array, b: Float32Array): number =>
  Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]!) ** 2, 0) / a.length);

test("no host round trip: one submit a step, nothing read or written from the first step to the last", async () => {
  const { gpu } = model.device;
  const calls: string[] = [];
  const spy = <T extends object>(target: T, key: keyof T & string) => {
    const original = target[key] as (...args: unknown[]) => unknown;
    Object.defineProperty(target, key, {
      configurable: true,
      value: (...args: unknown[]) => {
        calls.push(key);
        return original.apply(target, args);
      },
    });
    return () => Reflect.deleteProperty(target, key);
  };
  const mapAsync = GPUBuffer.prototype.mapAsync;
  GPUBuffer.prototype.mapAsync = function (this: GPUBuffer, ...args) {
    calls.push("mapAsync");
    return mapAsync.apply(this, args);
  };
  const restore = [spy(gpu.queue, "submit"), spy(gpu.queue, "writeBuffer"), spy(gpu, "createBuffer")];
  try {
    for (const options of [{}, { omega: 0.3 }, { tBoost: 200 }]) {
      calls.length = 0;
      const steps: number[] = [];
      using result = await model.inject({
        content: pair.select(0),
        original: pair.select(1),
        steps: STEPS,
        tBoost: 0,
        ...options,
        onStep: () => void steps.push(calls.filter((c) => c === "submit").length),
      });
      expect(result.count).toBe(1);
      const during = calls.slice(calls.indexOf("submit"), calls.indexOf("submit") + STEPS);
      expect(during).toEqual(Array(STEPS).fill("submit"));
      expect(calls.filter((c) => c === "mapAsync")).toHaveLength(1); // the check for values that are not finite, at the end
      expect(steps).toHaveLength(STEPS);
    }
  } finally {
    for (const undo of restore) undo();
    GPUBuffer.prototype.mapAsync = mapAsync;
  }
});

test("gamma 0 and content equal to original both give the reconstruction", async () => {
  const plain = await run({ gamma: 0 });
  const same = await run({ gamma: 0.3, content: pair.select(1) });
  // The bank was made on the way up, so its h differs a little from h on the way down: less, the more steps there are.
  expect(rms(same, plain)).toBeLessThan(0.4 * rms(await run({ gamma: 0.3 }), plain));
  expect(same.every(Number.isFinite)).toBe(true);
});

test("a batch of pairs and of variants equals single runs", async () => {
  const single = [await run({ gamma: 0.3 }), await run({ gamma: 0.6, omega: "off" })];
  const variants = await run({ variants: [{ gamma: 0.3 }, { gamma: 0.6 }] });
  expectClose(variants, [...single[0]!, ...single[1]!], [2, 3, side, side], alike);
  const swapped = await run({ content: pair.select(0, 1), original: pair.select(1, 0), gamma: 0.3 });
  const other = await run({ content: pair.select(1), original: pair.select(0), gamma: 0.3 });
  expectClose(swapped, [...single[0]!, ...other], [2, 3, side, side], alike);
});

test("omega 1 without re-scaling injects nothing", async () => {
  const plain = await run({ gamma: 0 });
  const held = await run({ gamma: 0.5, omega: 1, rescale: false });
  const free = await run({ gamma: 0.5, omega: 0, rescale: false });
  expect(rms(held, plain)).toBeLessThan(0.2 * rms(free, plain));
});

test("boosting draws seeded noise: the same seed repeats, another differs", async () => {
  const [a, b, c] = [
    await run({ tBoost: 400, seed: 1 }),
    await run({ tBoost: 400, seed: 1 }),
    await run({ tBoost: 400, seed: 2 }),
  ];
  expect(a).toEqual(b);
  expect(a).not.toEqual(c);
});

test("a soft mask of ones is no mask, of next to nothing no injection, of zeros an error", async () => {
  const mask = (value: number) => ({ values: new Float32Array(64).fill(value), width: 8, height: 8 });
  expectClose(await run({ mask: mask(1) }), await run({}), [1, 3, side, side], alike);
  expectClose(await run({ mask: mask(1e-30) }), await run({ gamma: 0 }), [1, 3, side, side], alike);
  await expect(run({ mask: mask(0) })).rejects.toThrow(/^mask .*expected a value above 0 somewhere in the mask/);
  const variants = await run({ mask: mask(1e-30), variants: [{ gamma: 0.2 }, { gamma: 0.9 }] });
  const [first, second] = [variants.subarray(0, 3 * side * side), variants.subarray(3 * side * side)];
  expectClose(second, first, [3, side, side], alike);
  await expect(run({ mask: { values: [0.5, 2, 0, 0], width: 2, height: 2 } })).rejects.toThrow("mask: a value of 2");
  await expect(run({ mask: { values: Array(6).fill(1), width: 3, height: 2 } })).rejects.toThrow(
    "mask: 3x2, expected a square",
  );
});

test("omega by region: a mask of ones is a scalar omega", async () => {
  const flat = (value: number) => ({ values: [value], width: 1, height: 1 });
  const shape = [1, 3, side, side];
  const same = { rtol: 0, atol: 2e-4 }; // other roundings, after a whole run: 1e-6 on the software adapter, 1e-4 on an H100
  const scalar = await run({ omega: 0.3 });
  expectClose(await run({ omegaRegions: [{ mask: flat(1), omega: 0.3 }] }), scalar, shape, same);
  expectClose(await run({ omega: 0.3, omegaRegions: [{ mask: flat(0), omega: 0.9 }] }), scalar, shape, same);
  expectClose(
    await run({ content: undefined, contents: [{ inversion: pair.select(0), omega: 0.3 }] }),
    scalar,
    shape,
    same,
  );

  const bad = { mask: flat(1), omega: 1.5 };
  await expect(run({ omegaRegions: [bad] })).rejects.toThrow("omega 1.5 of a region");
  await expect(run({ faithful: true, omegaRegions: [{ ...bad, omega: 1 }] })).rejects.toThrow("one omega");
});

test("omega by region: each half of the picture goes its own way", async () => {
  const half = (left: number, right: number) => ({ values: [left, right, left, right], width: 2, height: 2 });
  // omega 1 without re-scaling injects nothing, omega 0 injects strongest. The network sees both halves from either.
  const strong = { gamma: 0.5, rescale: false };
  const [plain, free] = [await run({ gamma: 0 }), await run({ ...strong, omega: 0 })];
  const local = await run({ ...strong, omega: 1, omegaRegions: [{ mask: half(0, 1), omega: 0 }] });
  const part = (values: Float32Array, inside: (column: number) => boolean) => values.filter((_, i) => inside(i % side));
  const [left, right] = [(c: number) => c < side / 2 - 4, (c: number) => c >= side / 2 + 4];
  const apart = (a: Float32Array, b: Float32Array, where: (column: number) => boolean) =>
    rms(part(a, where), part(b, where));
  expect(apart(local, plain, left)).toBeLessThan(0.75 * apart(local, free, left));
  expect(apart(local, free, right)).toBeLessThan(0.75 * apart(local, plain, right));
});

test("inversions survive a file, and refuse another model", async () => {
  const bytes = await pair.save();
  using loaded = await model.loadInversion(bytes);
  expect(loaded.times).toEqual(pair.times);
  expect(await loaded.readXT()).toEqual(await pair.readXT());
  expect(await run({ content: loaded.select(0), original: loaded.select(1) })).toEqual(await run({}));
  const text = new TextDecoder("latin1").decode(bytes);
  const at = text.indexOf(model.hash);
  const forged = bytes.slice();
  forged[at] = forged[at] === 0x30 ? 0x31 : 0x30;
  await expect(model.loadInversion(forged)).rejects.toThrow(/made with another model/);
});

test("the sample of a seed is the same in any batch", async () => {
  using both = await model.sample({ count: 2, seed: 7, steps: STEPS });
  using second = await model.sample({ count: 1, first: 1, seed: 7, steps: STEPS });
  const values = await both.read();
  expectClose(await second.read(), values.subarray(values.length / 2), [1, 3, side, side], alike);
});

test("cancelling stops the run with the signal's reason", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const running = model.invert(picture(3), {
    steps: STEPS,
    signal: controller.signal,
    onStep: ({ step }) => void (step === 2 && controller.abort(reason)),
  });
  await expect(running).rejects.toBe(reason);
});

test("a preview is a picture of the predicted x0", async () => {
  const seen: number[] = [];
  using inversion = await model.invert(picture(1), {
    steps: 3,
    onStep: async ({ step, preview }) => {
      if (step === 1) seen.push((await preview())[0]!.data.length);
    },
  });
  expect(inversion.count).toBe(1);
  expect(seen).toEqual([4 * side * side]);
});

test.each([
  [() => model.forward(new Float32Array(5), 0), "x has 5 values; expected a multiple of 3x32x32"],
  [() => model.forward(new Float32Array(3 * side * side), -1), "time step -1: expected a number from 0"],
  [() => model.invert([]), "no picture to invert"],
  [() => model.invert(picture(1), { steps: 1 }), "inversion steps 1"],
  [() => model.invert({ tensor: new Float32Array(7) }), "a tensor of 7 values"],
  [() => run({ gamma: 1.5 }), "gamma 1.5"],
  [() => run({ content: pair.select(0, 1, 0), original: pair.select(0, 1) }), "2 pictures against 3"],
])("bad input is refused in one line", async (call, message) => {
  await expect((call as () => Promise<unknown>)()).rejects.toThrow(message);
});

test("values that are not finite name the step and the node", async () => {
  const bias = model.network.weights.get("mid.block_1.conv1.bias")!;
  const kept = new Float32Array(bias.size / 4);
  const { queue } = model.device.gpu;
  queue.writeBuffer(bias, 0, new Float32Array([Number.NaN]));
  const failed = model.invert(picture(1), { steps: 3 });
  await expect(failed).rejects.toThrow(NonFiniteError);
  await expect(failed).rejects.toThrow(/step 1 of the inversion \(t = 0\) .* from node mid\.block_1\.conv1/);
  queue.writeBuffer(bias, 0, kept); // this test is the last
});
