import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { UserError } from "../src/errors";
import type { Device } from "../src/gpu/device";
import type { Inversion } from "../src/inject/inversion";
import type { Model } from "../src/inject/model";
import { openDevice } from "../src/node";
import { type Alive, countAlive } from "./support/alive";
import { at, loadTrained, pictureOf } from "./support/trained";

const STEPS = 3;
let alive: Alive;
let device: Device;
let model: Model;
let pair: Inversion;
let expected: Float32Array;
let before: number;

const invert = (steps = STEPS) => model.invert([pictureOf(1), pictureOf(2)], { steps });
const inject = async (options: Partial<Parameters<Model["inject"]>[0]> = {}) => {
  using result = await model.inject({ content: pair.select(0), original: pair.select(1), steps: STEPS, ...options });
  return result.read();
};

beforeAll(async () => {
  device = await openDevice();
  alive = countAlive();
  model = await loadTrained({ device });
  pair = await invert();
  expected = await inject();
  (await model.sample({ steps: 2 })).dispose();
}, 200_000);
beforeEach(() => {
  before = alive.buffers;
});
afterAll(() => {
  pair.dispose();
  model.dispose();
  device.dispose();
  expect(alive.labels()).toEqual([]);
  alive.restore();
});

test("create, run and dispose again and again by README's lines: buffers and bytes return to the start", {
  timeout: 600_000,
}, async () => {
  const cycle = async () => {
    using inverted = await invert(2);
    using result = await model.inject({
      content: inverted.select(0),
      original: inverted.select(1),
      gamma: 0.3,
      steps: 2,
    });
    await result.toImageData();
  };
  await cycle();
  const [buffers, bytes, held] = [alive.buffers, alive.bytes, device.heldBytes];
  // INJECTFUSION_CYCLES=200 is for a longer look
  for (let i = 0; i < Number(process.env.INJECTFUSION_CYCLES ?? 8); i++) await cycle();
  expect([alive.buffers, alive.bytes, device.heldBytes]).toEqual([buffers, bytes, held]);
});

/** Buffers but those of pipelines, which stay for the next run. */
const count = () => alive.labels().filter((label) => label !== "uniforms").length;

/** Makes the buffers of this label fail as if memory had run out. */
function starve(label: RegExp): () => void {
  const { gpu } = device;
  const [createBuffer, popErrorScope] = [gpu.createBuffer.bind(gpu), gpu.popErrorScope.bind(gpu)];
  let filters: string[] = [];
  let failed = false;
  const push = gpu.pushErrorScope.bind(gpu);
  gpu.pushErrorScope = (filter) => {
    filters.push(filter);
    push(filter);
  };
  gpu.createBuffer = (descriptor) => {
    failed ||= label.test(descriptor.label ?? "");
    return createBuffer(descriptor);
  };
  gpu.popErrorScope = async () => {
    const filter = filters.pop();
    const out = failed && filter === "out-of-memory";
    if (out) failed = false;
    const error = await popErrorScope();
    return out ? new GPUOutOfMemoryError("Allocation failed") : error;
  };
  return () => {
    filters = [];
    Object.assign(gpu, { createBuffer, popErrorScope, pushErrorScope: push });
  };
}

test.each([
  ["images"],
  ["x_T"],
  ["h.0"],
  ["h.999"],
  ["steps"],
  ["x_next"],
  ["slot 0"],
  ["image", true],
  ["staging", true],
])(
  "an inversion for which %s cannot be allocated rejects with its size, and leaves nothing behind",
  async (label, pixels = false) => {
    device.staging.destroy(); // what it keeps would serve instead
    const before = count();
    const feed = starve(new RegExp(`^${label.replace(".", "\\.")}$`));
    try {
      const picture = pixels ? { data: new Uint8Array(4 * 70 * 70), width: 70, height: 70 } : pictureOf(1);
      const failing = model.invert(picture as never, {
        steps: STEPS,
        ...(label === "staging" && { snapshotEvery: 1 }),
      });
      const error = (await failing.catch((reason: unknown) => reason)) as Error;
      expect(error).toBeInstanceOf(UserError);
      expect(error.message).toMatch(new RegExp(`^${label}: \\d+ bytes could not be allocated .* holds \\d+ already`));
      expect(error.message).not.toContain("\n");
    } finally {
      feed();
    }
    expect(count()).toBe(before);
  },
);

test("errors belong to the call that made them, also when calls interleave", async () => {
  const feed = starve(/^h\.499$/); // only an inversion of 3 steps has it
  try {
    const [failing, other, third] = await Promise.allSettled([invert(3), invert(2), inject()]);
    expect(failing).toMatchObject({ status: "rejected", reason: { message: expect.stringMatching(/^h\.499: /) } });
    expect(third).toEqual({ status: "fulfilled", value: expected });
    expect(other.status).toBe("fulfilled");
    if (other.status === "fulfilled") other.value.dispose();
  } finally {
    feed();
  }
  expect(alive.buffers).toBe(before);
});

test("a submit with a destroyed buffer rejects the run", async () => {
  const broken = await invert();
  (await broken.store.buffers()).get("x_T")!.destroy();
  await expect(inject({ original: broken.select(0) })).rejects.toThrow(/destroyed/);
  broken.dispose();
  expect(await inject()).toEqual(expected);
});

test("what a run uses lives until the run ends; after that nothing of it is left", async () => {
  const own = await invert();
  const view = own.select(0);
  const running = model.inject({
    content: view,
    original: own.select(1),
    steps: STEPS,
    onStep: at(1, () => own.dispose()),
  });
  using result = await running;
  expect(await result.read()).toEqual(expected);
  await expect(inject({ content: view })).rejects.toThrow("this inversion was disposed; invert the picture again");
  expect(() => own.select(0)).toThrow("this inversion was disposed");
  await expect(own.toPixels()).rejects.toThrow("this inversion was disposed");
  result.dispose();
  await expect(result.read()).rejects.toThrow("this result was disposed; run again");
  expect(alive.buffers).toBe(before);
});

test("a model disposed during a run ends with it; calls after that are refused in one line", async () => {
  const second = await loadTrained({ device });
  const weights = alive.buffers - before;
  using inverted = await second.invert([pictureOf(1), pictureOf(2)], {
    steps: STEPS,
    onStep: at(1, () => second.dispose()),
  });
  expect(await inverted.readXT()).toEqual(await pair.readXT());
  expect(weights).toBeGreaterThan(10);
  inverted.dispose();
  expect(alive.buffers).toBe(before);
  const gone = "this model was disposed; load it again";
  await expect(second.invert(pictureOf(1))).rejects.toThrow(gone);
  await expect(second.inject({ content: pair, original: pair })).rejects.toThrow(gone);
  await expect(second.sample()).rejects.toThrow(gone);
  await expect(second.forward(pictureOf(1).tensor, 0)).rejects.toThrow(gone);
});

test("forgotten selections cost nothing, and disposing of one frees nothing", async () => {
  const view = pair.select(1, 0);
  view.dispose();
  await expect(view.readXT()).rejects.toThrow("this inversion was disposed");
  expect(await inject()).toEqual(expected);
  expect(alive.buffers).toBe(before);
});

test("a preview asked for after its run is refused", async () => {
  let late: (() => Promise<unknown>) | undefined;
  await inject({ onStep: ({ preview }) => void (late = preview) });
  await expect(late!()).rejects.toThrow("the run has ended");
});

test("inversions of another device are refused, two models on one device run at once", async () => {
  using other = await openDevice();
  using elsewhere = await loadTrained({ device: other });
  await expect(elsewhere.inject({ content: pair, original: pair })).rejects.toThrow(
    "this inversion is on another device",
  );
  using second = await loadTrained({ device });
  const options = { content: pair.select(0), original: pair.select(1), steps: STEPS };
  const [a, b] = await Promise.all([model.inject(options), second.inject(options)]);
  expect([await a.read(), await b.read()]).toEqual([expected, expected]);
  a.dispose();
  b.dispose();
});

test("a device of the caller's stays open; a model that opened its own closes it", async () => {
  const own = await loadTrained();
  const opened = own.device;
  (await own.sample({ steps: 2 })).dispose();
  own.dispose();
  await expect(opened.lost).rejects.toThrow("lost");
  using wrapped = await openDevice({ device: device.gpu });
  using borrowed = await loadTrained({ device: wrapped });
  using sampled = await borrowed.sample({ steps: 2 });
  expect(sampled.count).toBe(1);
  wrapped.dispose();
  device.check();
  expect(await inject()).toEqual(expected);
});
