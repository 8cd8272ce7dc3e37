import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunOptions, RunSnapshot } from "../src/api";
import { DeviceLostError } from "../src/errors";
import type { Device } from "../src/gpu/device";
import { openDevice } from "../src/gpu/open-node";
import type { Inversion } from "../src/inject/inversion";
import type { Model } from "../src/inject/model";
import { seeded } from "../src/random";
import { type NetworkManifest, openNetwork, readManifest } from "./golden-runner/files";

const folder = new URL("./golden", import.meta.url).pathname;
const STEPS = 6;
const CUT = 3;
const side = 32;
const pictures = [1, 2].map((seed) => ({ tensor: seeded(seed, [3, side, side]).map((v) => Math.tanh(v)) }));

const devices: Device[] = [];
let model: Model;

/** The small trained network on a device of its own. */
async function onNewDevice(): Promise<Model> {
  const device = await openDevice();
  devices.push(device);
  return openNetwork(folder, readManifest<NetworkManifest>(folder, "ddpm_tiny_trained"), device);
}

beforeAll(async () => {
  model = await onNewDevice();
}, 100_000);

afterAll(() => {
  for (const device of devices) device.destroy();
});

/** Stops a run after some steps. @returns the newest snapshot, as it would come back from a file or a worker */
async function cutShort(run: (options: RunOptions) => Promise<unknown>, every = 1, after = CUT): Promise<RunSnapshot> {
  const controller = new AbortController();
  const reason = new Error("enough");
  let last: RunSnapshot | undefined;
  const stopped = run({
    signal: controller.signal,
    snapshotEvery: every,
    onSnapshot: (snapshot) => (last = snapshot),
    onStep: ({ step }) => void (step === after && controller.abort(reason)),
  });
  await expect(stopped).rejects.toBe(reason);
  return structuredClone(last!);
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

test("an injection goes on after its last finished step, with mask, calibration and seeded noise", async () => {
  using pair = await model.invert(pictures, { steps: STEPS });
  const mask = { values: Array.from({ length: 64 }, (_, i) => (i % 8) / 7), width: 8, height: 8 };
  const asked = { gamma: 0.6, omega: 0.3, tEdit: 300, tBoost: 250, seed: 5, steps: STEPS, mask };
  const run = async (options: RunOptions) => {
    using result = await model.inject({ content: pair.select(0), original: pair.select(1), ...asked, ...options });
    return result.read();
  };
  const expected = await run({});
  const snapshot = await cutShort(run);
  expect(snapshot).toMatchObject({ phase: "generate", step: CUT, kept: {} });
  const { steps, onStep } = counting();
  expect(await run({ resume: snapshot, onStep })).toEqual(expected);
  expect(steps).toEqual([4, 5, 6]);

  await expect(run({ resume: { ...snapshot, run: "0" } })).rejects.toThrow("belongs to another run");
  await expect(run({ resume: { ...snapshot, x: new Float32Array(3) } })).rejects.toThrow("belongs to another run");
  await expect(run({ snapshotEvery: 0 })).rejects.toThrow("snapshotEvery 0: expected a whole number from 1");
}, 200_000);

test("samples go on too; snapshots come as often as asked, and none unless asked", async () => {
  const run = async (options: RunOptions) => {
    using result = await model.sample({ count: 1, seed: 3, steps: STEPS, eta: 1, ...options });
    return result.read();
  };
  const mapped: number[] = [];
  const { mapAsync } = GPUBuffer.prototype;
  GPUBuffer.prototype.mapAsync = function (this: GPUBuffer, ...args) {
    mapped.push(args[2] ?? this.size);
    return mapAsync.apply(this, args);
  };
  const x = 3 * side * side * 4;
  let expected: Float32Array;
  try {
    expected = await run({});
    expect(mapped).toEqual([4, x]); // the check for values that are not finite, and the result
    mapped.length = 0;
    expect(await run({ snapshotEvery: 3 })).toEqual(expected);
    expect(mapped).toEqual([x, x, x, 4, x]); // x_T is drawn by a step of its own: 7 steps, after the 3rd, 6th and last
  } finally {
    GPUBuffer.prototype.mapAsync = mapAsync;
  }
  const snapshot = await cutShort(run, 2, 5);
  // A GPU may finish the sixth before it hears of the fifth.
  expect(model.device.adapterClass === "gpu" ? [4, 6] : [4]).toContain(snapshot.step);
  expect(await run({ resume: snapshot })).toEqual(expected);
}, 200_000);

test("a lost device rejects with the last finished step, from which a new device goes on", async () => {
  using whole = await model.invert(pictures, { steps: STEPS });
  const expected = await valuesOf(whole);
  let finished: RunSnapshot | undefined;
  const onSnapshot = (snapshot: RunSnapshot) => (finished = snapshot);
  using again = await model.invert(pictures, { steps: STEPS, snapshotEvery: STEPS, onSnapshot });
  expect(await valuesOf(again)).toEqual(expected);
  expect(finished?.step).toBe(STEPS);

  const lost = model.invert(pictures, {
    steps: STEPS,
    snapshotEvery: 1,
    onStep: ({ step }) => void (step === CUT && model.device.gpu.destroy()),
  });
  const error = (await lost.catch((reason: unknown) => reason)) as DeviceLostError;
  expect(error).toBeInstanceOf(DeviceLostError);
  const { phase, step, kept } = error.snapshot!;
  expect(phase).toBe("invert");
  expect(step).toBeGreaterThanOrEqual(CUT);
  if (model.device.adapterClass === "software") expect(step).toBe(CUT); // a GPU may finish another before it is gone
  expect(Object.keys(kept)).toHaveLength(step);
  await expect(model.invert(pictures, { steps: STEPS })).rejects.toThrow(DeviceLostError);

  const second = await onNewDevice();
  const { steps, onStep } = counting();
  using resumed = await second.invert(pictures, { steps: STEPS, resume: error.snapshot!, onStep });
  const left = [4, 5, 6].filter((k) => k > step);
  expect(steps).toEqual(left);
  expect(await valuesOf(resumed)).toEqual(expected);
  using complete = await second.invert(pictures, { steps: STEPS, resume: finished!, onStep });
  expect(steps).toEqual(left); // nothing was left to do
  expect(await valuesOf(complete)).toEqual(expected);
}, 200_000);
