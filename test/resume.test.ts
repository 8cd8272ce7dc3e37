import { afterEach, expect, test } from "vitest";
import type { RunOptions, RunSnapshot } from "../src/api";
import { DeviceLostError } from "../src/errors";
import type { Device } from "../src/gpu/device";
import { openDevice } from "../src/gpu/open-node";
import { Inversion } from "../src/inject/inversion";
import type { Model } from "../src/inject/model";
import { type NetworkManifest, openNetwork, readManifest } from "./golden-runner/files";
import { seeded } from "./support/seeded";

const folder = new URL("./golden", import.meta.url).pathname;
const STEPS = 6;
const LOST_AFTER = 3;
const side = 32;
const pictures = [1, 2].map((seed) => ({ tensor: seeded(seed, [3, side, side]).map((v) => Math.tanh(v)) }));

const devices: Device[] = [];
afterEach(() => {
  for (const device of devices.splice(0)) device.destroy();
});

/** The small trained network on a device of its own: no device survives another's loss. */
async function onNewDevice(): Promise<Model> {
  const device = await openDevice();
  devices.push(device);
  return openNetwork(folder, readManifest<NetworkManifest>(folder, "ddpm_tiny_trained"), device);
}

/** Runs until a step is finished, then loses the device. @returns what the error carries */
async function cutShort(model: Model, run: (options: RunOptions) => Promise<unknown>, every = 1, after = LOST_AFTER) {
  const onStep = ({ step }: { step: number }) => {
    if (step === after) model.device.gpu.destroy();
  };
  const error = await run({ snapshotEvery: every, onStep }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DeviceLostError);
  return structuredClone((error as DeviceLostError).snapshot);
}

/** Numbers of the steps a run reports. */
const counting = () => {
  const steps: number[] = [];
  return { steps, onStep: ({ step }: { step: number }) => void steps.push(step) };
};

/** An inversion in full: x_T and every h. */
const valuesOf = async (inversion: Inversion) => ({
  xT: await inversion.readXT(),
  h: await Promise.all(inversion.times.map((t) => inversion.readH(t))),
});

test("an inversion goes on from the last finished step on a new device, to the bit", async () => {
  const first = await onNewDevice();
  using whole = await first.invert(pictures, { steps: STEPS });
  const expected = await valuesOf(whole);
  const snapshot = await cutShort(first, (options) => first.invert(pictures, { steps: STEPS, ...options }));
  expect(snapshot).toMatchObject({ phase: "invert", step: LOST_AFTER });
  expect(Object.keys(snapshot!.kept)).toHaveLength(LOST_AFTER);

  const second = await onNewDevice();
  const { steps, onStep } = counting();
  using resumed = await second.invert(pictures, { steps: STEPS, resume: snapshot!, onStep });
  expect(steps).toEqual([4, 5, 6]);
  expect(await valuesOf(resumed)).toEqual(expected);
});

test("a snapshot of the last step is the whole run", async () => {
  const first = await onNewDevice();
  using whole = await first.invert(pictures, { steps: STEPS });
  const expected = await valuesOf(whole);
  const snapshot = await cutShort(first, (options) => first.invert(pictures, { steps: STEPS, ...options }), 1, STEPS);
  const second = await onNewDevice();
  const { steps, onStep } = counting();
  using resumed = await second.invert(pictures, { steps: STEPS, resume: snapshot!, onStep });
  expect(steps).toEqual([]);
  expect(await valuesOf(resumed)).toEqual(expected);
});

test("an injection goes on from the last finished step, with mask, calibration and seeded noise", async () => {
  const first = await onNewDevice();
  using pair = await first.invert(pictures, { steps: STEPS });
  const saved = await pair.save();
  const mask = { values: Array.from({ length: 64 }, (_, i) => (i % 8) / 7), width: 8, height: 8 };
  const run = async (model: Model, options: RunOptions) => {
    using inverted = await Inversion.load(model.device, saved, model.hash);
    const [content, original] = [inverted.select(0), inverted.select(1)];
    const asked = { gamma: 0.6, omega: 0.3, tEdit: 300, tBoost: 250, seed: 5, steps: STEPS, mask };
    using result = await model.inject({ content, original, ...asked, ...options });
    return result.read();
  };
  const expected = await run(first, {});
  const snapshot = await cutShort(first, (options) => run(first, options));
  expect(snapshot).toMatchObject({ phase: "generate", step: LOST_AFTER, kept: {} });

  const second = await onNewDevice();
  const { steps, onStep } = counting();
  expect(await run(second, { resume: snapshot!, onStep })).toEqual(expected);
  expect(steps).toEqual([4, 5, 6]);

  await expect(run(second, { resume: { ...snapshot!, run: "0" } })).rejects.toThrow("belongs to another run");
  const otherSize = { ...snapshot!, x: new Float32Array(3) };
  await expect(run(second, { resume: otherSize })).rejects.toThrow("belongs to another run");
  await expect(run(second, { snapshotEvery: 0 })).rejects.toThrow("snapshotEvery 0: needed a whole number from 1");
});

test("samples go on too; snapshots come as often as asked, and none unless asked", async () => {
  const first = await onNewDevice();
  const asked = { count: 1, seed: 3, steps: STEPS, eta: 1 };
  using whole = await first.sample(asked);
  const expected = await whole.read();
  const mapped: number[] = [];
  const { mapAsync } = GPUBuffer.prototype;
  GPUBuffer.prototype.mapAsync = function (this: GPUBuffer, ...args) {
    mapped.push(this.size);
    return mapAsync.apply(this, args);
  };
  try {
    (await first.sample(asked)).dispose();
    expect(mapped).toEqual([4]); // the check for values that are not finite
    mapped.length = 0;
    (await first.sample({ ...asked, snapshotEvery: 3 })).dispose();
    const x = 3 * side * side * 4;
    expect(mapped).toEqual([x, x, x, 4]); // x_T is drawn by a step of its own: 7 steps, after the 3rd, 6th and last
  } finally {
    GPUBuffer.prototype.mapAsync = mapAsync;
  }
  const snapshot = await cutShort(first, (options) => first.sample({ ...asked, ...options }), 2, 5);
  expect(snapshot).toMatchObject({ step: 4 });
  const second = await onNewDevice();
  using resumed = await second.sample({ ...asked, resume: snapshot as RunSnapshot });
  expect(await resumed.read()).toEqual(expected);
});

test("a device lost without snapshots says so with none", async () => {
  const model = await onNewDevice();
  const onStep = ({ step }: { step: number }) => void (step === 1 && model.device.gpu.destroy());
  const lost = model.sample({ steps: STEPS, onStep });
  await expect(lost).rejects.toThrow(DeviceLostError);
  await expect(lost).rejects.toMatchObject({ snapshot: undefined });
});
