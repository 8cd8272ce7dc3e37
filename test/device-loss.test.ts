import { afterAll, beforeAll, expect, test } from "vitest";
import { randomCheckpoint, randomValues } from "../bench/random-checkpoint";
import type { RunOptions } from "../src/api";
import { DeviceLostError } from "../src/errors";
import type { Inversion } from "../src/inject/inversion";
import type { Model } from "../src/inject/model";
import { elements } from "../src/kernels/dispatch";
import { Network } from "../src/model/network";
import { modelPresets } from "../src/model/presets";
import { openDevice } from "../src/node";
import { type Alive, countAlive } from "./support/alive";
import { at, loadTrained, pictureOf } from "./support/trained";

const STEPS = 4;
const pictures = [pictureOf(1), pictureOf(2)];
let model: Model;
let alive: Alive;
let expected: { readonly inverted: Float32Array[]; readonly injected: Float32Array };

const lose = () => model.device.gpu.destroy();
const valuesOf = async (inversion: Inversion) => [
  await inversion.readXT(),
  ...(await Promise.all(inversion.times.map((t) => inversion.readH(t)))),
];
const inject = (pair: Inversion, options: RunOptions = {}) =>
  model.inject({
    content: pair.select(0),
    original: pair.select(1),
    steps: STEPS,
    omega: 0.4,
    tBoost: 300,
    ...options,
  });

beforeAll(async () => {
  (await openDevice()).dispose();
  alive = countAlive();
  model = await loadTrained({ recover: true });
  using pair = await model.invert(pictures, { steps: STEPS });
  using result = await inject(pair);
  expected = { inverted: await valuesOf(pair), injected: await result.read() };
}, 200_000);
afterAll(() => {
  model.dispose();
  expect(alive.labels()).toEqual([]);
  alive.restore();
});

test("with recover, a run goes on to the same bits whichever step the device is lost at", async () => {
  using pair = await model.invert(pictures, { steps: STEPS, snapshotEvery: 1, onStep: at(2, lose) });
  expect(await valuesOf(pair)).toEqual(expected.inverted);
  for (const step of [1, 3, STEPS]) {
    const seen: number[] = [];
    const lost = at(step, lose);
    using result = await inject(pair, {
      snapshotEvery: 1,
      onStep: (event) => {
        seen.push(event.step);
        return lost!(event);
      },
    });
    expect(await result.read()).toEqual(expected.injected);
    expect(seen.filter((k) => k < step)).toHaveLength(step - 1); // nothing before the loss is computed again
  }
}, 400_000);

test("what was made before the loss is there after it: inversions, results, the model", async () => {
  using pair = await model.invert(pictures, { steps: STEPS });
  using result = await inject(pair);
  lose();
  using again = await inject(pair);
  expect(await again.read()).toEqual(expected.injected);
  expect(await result.read()).toEqual(expected.injected);
  expect(await valuesOf(pair)).toEqual(expected.inverted);
}, 400_000);

test("two runs that lose their device together both go on", async () => {
  using pair = await model.invert(pictures, { steps: STEPS });
  const runs = [inject(pair, { onStep: at(2, lose) }), inject(pair)];
  for (const result of await Promise.all(runs)) {
    expect(await result.read()).toEqual(expected.injected);
    result.dispose();
  }
}, 400_000);

test("without recover, the loss is a DeviceLostError wherever it comes: at load, in a run, while reading back", async () => {
  const device = await openDevice();
  const loading = loadTrained({ device });
  device.gpu.destroy();
  await expect(loading).rejects.toThrow(DeviceLostError);
  device.dispose();

  using second = await openDevice();
  using loaded = await loadTrained({ device: second });
  const inverted = await loaded.invert(pictures, { steps: STEPS });
  const reading = inverted.readXT();
  second.gpu.destroy();
  await expect(reading).rejects.toThrow(DeviceLostError);
  await expect(inverted.toPixels()).rejects.toThrow("this inversion was lost with its device");
  await expect(loaded.sample({ steps: 2 })).rejects.toThrow(DeviceLostError);
  inverted.dispose();
}, 200_000);

test("recover is refused on a device that the engine did not open", async () => {
  using own = await openDevice();
  using wrapped = await openDevice({ device: own.gpu });
  await expect(loadTrained({ device: wrapped, recover: true })).rejects.toThrow("only a device that the engine opened");
});

/** Milliseconds from cancelling, `delay` after the start, to the rejection with the signal's reason. */
async function untilHeard(delay: number, start: (signal: AbortSignal) => Promise<unknown>): Promise<number> {
  const cancelled = new AbortController();
  const reason = new Error("enough");
  let from = 0;
  setTimeout(() => {
    from = performance.now();
    cancelled.abort(reason);
  }, delay);
  await expect(start(cancelled.signal)).rejects.toBe(reason);
  return performance.now() - from;
}

/** The promise: a cancel is heard within this, whatever the engine is at. */
const HEARD_MS = 200;

/** The shortest of a few tries, so that a busy machine does not fail what an idle one does in time. */
async function expectHeard(tries: number, once: () => Promise<number>): Promise<void> {
  let shortest = Number.POSITIVE_INFINITY;
  for (let n = 0; n < tries && shortest >= HEARD_MS; n++) shortest = Math.min(shortest, await once());
  expect(shortest).toBeLessThan(HEARD_MS);
}

test.each([0, 30, 100, 300, 800])(
  "cancelling %i ms into compiling is heard at once",
  async (delay) => {
    await expectHeard(4, async () => {
      using device = await openDevice(); // has compiled nothing
      using fresh = await loadTrained({ device });
      return await untilHeard(delay, (signal) => fresh.invert(pictures, { steps: 50, signal }));
    });
  },
  60_000,
);

test.each(["f32", "f16"] as const)(
  "cancelling while %s weights are packed is heard at once",
  async (dtype) => {
    using device = await openDevice();
    const whole = randomCheckpoint("celebahq", modelPresets.celebahq.config);
    const values = randomValues(1, "any.weight", [1024, 1024, 3, 3]); // as large as its largest
    const read = async (key: string) => values.subarray(0, elements({ shape: whole.tensors.get(key)!.shape }));
    for (const delay of [0, 50, 200, 500, 1000])
      await expectHeard(4, () =>
        untilHeard(delay, (signal) => Network.load({ ...whole, read }, device, { dtype, signal })),
      );
  },
  120_000,
);
