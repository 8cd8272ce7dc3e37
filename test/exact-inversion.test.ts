import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunOptions, RunSnapshot } from "../src/api";
import type { Inversion } from "../src/inject/inversion";
import type { Model } from "../src/inject/model";
import type { InjectOptions } from "../src/inject/options";
import { checkPlan } from "../src/inject/plan";
import { planInvert } from "../src/inject/plan-invert";
import { resolveInvert } from "../src/inject/requests";
import { stepRow } from "../src/inject/step-table";
import { f32 } from "../src/kernels/dispatch";
import { diffuse } from "../src/kernels/step/diffuse";
import { retrace } from "../src/kernels/step/retrace";
import { STEP } from "../src/kernels/step/step-row";
import { hShape } from "../src/model/config";
import { alphaBars } from "../src/model/schedule";
import { unet } from "../src/model/unet";
import { loadModel } from "../src/node";
import { seeded } from "../src/random";
import * as reference from "../src/reference";
import { DDPM_TINY } from "./checkpoint-models";
import { type NetworkManifest, openNetwork, readManifest } from "./golden-runner/files";
import { expectClose } from "./support/close";
import { runDispatches, testDevice } from "./support/device";
import { epsilonScalars, stepRows } from "./support/rows";

const close = { rtol: 1e-5, atol: 1e-5 };

describe("kernels", () => {
  const row = (alpha: number) => ({
    SQRT_ALPHA: Math.sqrt(alpha),
    SQRT_ONE_MINUS_ALPHA: Math.sqrt(1 - alpha),
    SQRT_ALPHA_NEXT: 0,
    DIRECTION: 0,
    SIGMA: 0,
    OMEGA: 0,
    RESCALE: 0,
    BACK_SIGNAL: 0.4,
    BACK_NOISE: 0.9,
    ...epsilonScalars(alpha),
    EPS_X: 0.1,
  });

  for (const { shape, extra } of [
    { shape: [2, 3, 16, 16], extra: 0 },
    { shape: [3, 3, 5, 7], extra: 3 },
  ] as const)
    for (const asymmetric of [false, true])
      test(`retrace [${shape}] and ${extra} more channels of eps, asymmetric ${asymmetric}`, async () => {
        const [n, c, h, w] = shape;
        const rows = Array.from({ length: n }, (_, i) => row(0.3 + 0.2 * i));
        const { steps, data } = stepRows(...rows);
        const [x, before, rest, moved] = ["x", "before", "rest", "moved"].map((name) => f32(name, ...shape));
        const eps = f32("eps", asymmetric ? 2 * n : n, c + extra, h, w);
        const e = seeded(2, eps.shape).map((v, i) => (i % ((c + extra) * h * w) < c * h * w ? v : Number.NaN));
        const inputs = new Map([
          [steps, data],
          [x!, seeded(1, shape)],
          [eps, e],
          [before!, seeded(3, shape)],
        ]);
        const io = { steps, x: x!, eps, before: before!, rest: rest!, moved: moved! };
        const [left, shifted] = await runDispatches(retrace(io, { asymmetric }), inputs, [rest!, moved!]);
        const of = (tensor: typeof x, i: number) => reference.sample(inputs.get(tensor!)!, n, i);
        const es = (j: number) => reference.sample(e, eps.shape[0]!, j).slice(0, c * h * w);
        const expected = rows.map((scalars, i) =>
          reference.retrace(scalars, of(x, i), es(i), es(asymmetric ? n + i : i), of(before, i)),
        );
        expectClose(
          left!,
          expected.flatMap((s) => [...s.rest]),
          shape,
          close,
        );
        expectClose(
          shifted!,
          expected.flatMap((s) => [...s.moved]),
          shape,
          close,
        );
        if (!asymmetric) expect([...shifted!]).toEqual([...inputs.get(x!)!]); // to the bit where nothing is edited
      });

  test("diffuse", async () => {
    const shape = [2, 3, 5, 7] as const;
    const rows = [row(0.3), row(0.9)];
    const { steps, data } = stepRows(...rows);
    const [x, z, y] = [f32("x", ...shape), f32("z", ...shape), f32("y", ...shape)];
    const [xs, zs] = [seeded(1, shape), seeded(2, shape)];
    const inputs = new Map([
      [steps, data],
      [x, xs],
      [z, zs],
    ]);
    const [got] = await runDispatches(diffuse({ steps, x, z, y }), inputs, [y]);
    const at = (i: number) => rows[Math.floor(i / 105)]!;
    const expected = [...xs].map((v, i) => at(i).SQRT_ALPHA * v + at(i).SQRT_ONE_MINUS_ALPHA * zs[i]!);
    expectClose(got!, expected, shape, close);
  });
});

test("the row of a noise map solves the DDPM step for its noise", () => {
  const bars = alphaBars();
  const step = stepRow({ t: 500, next: 400, eta: 1 }, bars);
  const map = stepRow({ t: 500, next: 400, eta: 1, solvesNoise: true }, bars);
  const [x, o, z] = [0.7, -0.2, 1.3];
  const mean = (row: Float32Array) =>
    row[STEP.SQRT_ALPHA_NEXT]! * (row[STEP.X0_X]! * x + row[STEP.X0_O]! * o) + row[STEP.DIRECTION]! * o;
  const next = mean(step) + step[STEP.SIGMA]! * z;
  expect(mean(map) + map[STEP.BEFORE]! * next).toBeCloseTo(z, 5);
  expect(map[STEP.SIGMA]).toBe(0);
});

test("plans: what an exact inversion keeps, and what its steps read", () => {
  const net = unet(DDPM_TINY, 2);
  const options = { model: "m", steps: 4, top: 999, faithful: false, tap: net.h, shape: hShape(DDPM_TINY) };
  const bdia = planInvert(net, { ...options, method: "bdia" });
  checkPlan(bdia);
  expect(Object.keys(bdia.kept)).toEqual(["x_T", "rest", "h.0", "h.333", "h.666", "h.999"]);
  expect(bdia.state).toEqual(["x", "x_back"]);
  expect(bdia.steps.map(({ samples }) => samples[0]!.back)).toEqual([
    undefined,
    { t: 0, weight: 1 },
    { t: 333, weight: 1 },
    { t: 666, weight: 0 },
  ]);
  expect(bdia.steps.at(-1)!.after).toContainEqual({ from: "x_rest", to: "rest" });
  const drawn = planInvert(net, { ...options, method: "edit-friendly", seed: 7 });
  checkPlan(drawn);
  expect(Object.keys(drawn.kept)).toEqual(["x_T", "z.333", "z.666", "z.999", "h.333", "h.666", "h.999"]);
  expect(drawn.steps.map(({ samples }) => samples.map(({ t, next }) => [t, next]))).toEqual(
    [
      [333, 0],
      [666, 333],
      [999, 666],
    ].map((pair) => [pair, pair]),
  );
  expect(() => resolveInvert({ method: "bdia", solver: "dpm++2m" }, "quick")).toThrow("method bdia has DDIM's steps");
  expect(() => resolveInvert({ method: "edit-friendly", faithful: true }, "quick")).toThrow(
    "the official program has ddim only",
  );
  expect(() => resolveInvert({ method: "null-text" as "ddim" }, "quick")).toThrow(
    "expected one of ddim, bdia, edit-friendly",
  );
});

/** PSNR of values in [-1, 1], unclamped. */
const decibels = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  const squares = Array.from(a, (v, i) => (v - b[i]!) ** 2);
  return 10 * Math.log10(4 / (squares.reduce((x, y) => x + y, 0) / squares.length));
};

describe.each(["bdia", "edit-friendly"] as const)("%s on the small trained network", (method) => {
  const STEPS = 8;
  const side = 32;
  const pictures = [1, 2].map((seed) => ({ tensor: seeded(seed, [3, side, side]).map((v) => Math.tanh(v)) }));
  const mask = { values: Array.from({ length: 64 }, (_, i) => (i % 8) / 7), width: 8, height: 8 };
  const folder = new URL("./golden", import.meta.url).pathname;
  let model: Model;
  let pair: Inversion;

  beforeAll(async () => {
    model = await openNetwork(folder, readManifest<NetworkManifest>(folder, "ddpm_tiny_trained"), await testDevice());
    pair = await model.invert(pictures, { steps: STEPS, method });
  }, 100_000);
  afterAll(() => pair?.dispose());

  const inject = async (options: Partial<InjectOptions>, source = pair) => {
    const shared = { content: source.select(0), original: source.select(1), steps: STEPS, method, tEdit: 300 };
    using result = await model.inject({ ...shared, ...options });
    const all = await result.read();
    return Array.from({ length: result.count }, (_, n) => reference.sample(all, result.count, n));
  };

  test("the pictures come back but for rounding; an injection shows, and gamma 0 in its batch does not", async () => {
    using back = await model.reconstruct(pair);
    const all = await back.read();
    const again = pictures.map((_, n) => reference.sample(all, 2, n));
    for (const [n, { tensor }] of pictures.entries()) expect(decibels(again[n]!, tensor)).toBeGreaterThan(80);
    const [injected, plain] = await inject({ variants: [{ gamma: 0.5 }, { gamma: 0 }] });
    expect(decibels(plain!, pictures[1]!.tensor)).toBeGreaterThan(80);
    expect(decibels(injected!, pictures[1]!.tensor)).toBeLessThan(60);
    expect(injected!.every(Number.isFinite)).toBe(true);
  }, 100_000);

  test("with mask and calibration it goes on after a snapshot to the same bits", async () => {
    const asked = { gamma: 0.6, omega: 0.3, mask } as const;
    let snapshot: RunSnapshot | undefined;
    const options: RunOptions = {
      snapshotEvery: 4,
      onSnapshot: (made) => {
        if (made.step === 4) snapshot = structuredClone(made);
      },
    };
    const [expected] = await inject({ ...asked, ...options });
    const [resumed] = await inject({ ...asked, resume: snapshot! });
    expect([...resumed!]).toEqual([...expected!]);
  }, 100_000);

  test("saved and loaded it gives the same bits; runs of another method or schedule are refused", async () => {
    const loaded = await model.loadInversion(await pair.save());
    expect(loaded.info).toMatchObject({ method, steps: STEPS });
    expect(await inject({ gamma: 0.4 }, loaded)).toEqual(await inject({ gamma: 0.4 }));
    await expect(inject({ method: "ddim" }, loaded)).rejects.toThrow(
      `method "ddim": an inversion was made by "${method}"; invert and inject alike`,
    );
    await expect(inject({ steps: 7 }, loaded)).rejects.toThrow(
      `steps 7: an inversion by ${method} in 8 steps is run back in the same 8`,
    );
    await expect(inject({ solver: "dpm++2m" }, loaded)).rejects.toThrow(`method ${method} has DDIM's steps`);
    await expect(inject({ spacing: "lambda" }, loaded)).rejects.toThrow('an inversion is spaced by "time"');
    using other = await model.invert(pictures, { steps: STEPS });
    await expect(inject({ content: other.select(0) })).rejects.toThrow('an inversion was made by "ddim"');
    loaded.dispose();
  }, 100_000);

  test("pictures given to inject are inverted alike, and the plan says the same", async () => {
    const [content, original] = pictures as [(typeof pictures)[0], (typeof pictures)[0]];
    const asked = { content: original, original: content, steps: STEPS, method, tEdit: 300, gamma: 0.4, seed: 3 };
    using result = await model.inject(asked);
    expect(result.parameters[0]).toMatchObject({ method, steps: STEPS, stepsInversion: STEPS });
    const [invert, run] = model.planInject(asked);
    expect([invert!.phase, run!.phase]).toEqual(["invert", "generate"]);
    expect(run!.steps.at(-1)!.samples[0]!.next).toBe(0);
  }, 100_000);

  test("the seed", async () => {
    using same = await model.invert(pictures, { steps: STEPS, method });
    using other = await model.invert(pictures, { steps: STEPS, method, seed: 1 });
    const [one, two, three] = [await inject({}), await inject({}, same), await inject({}, other)];
    expect(two).toEqual(one);
    if (method === "edit-friendly") {
      expect([...three[0]!]).not.toEqual([...one[0]!]);
      using back = await model.reconstruct(other.select(1));
      expect(decibels(await back.read(), pictures[1]!.tensor)).toBeGreaterThan(80);
    } else expect(three).toEqual(one);
  }, 100_000);
});

test.each(["bdia", "edit-friendly"] as const)(
  "%s: a portrait comes back from 20 steps on the shipped model, beyond 50 dB",
  async (method) => {
    using model = await loadModel("portraits64", { device: await testDevice() });
    using inversion = await model.invert(new URL("../weights/examples/portrait-01.png", import.meta.url).pathname, {
      steps: 20,
      method,
    });
    using result = await model.reconstruct(inversion);
    const { data, width, height } = (await inversion.toPixels())[0]!;
    const plane = width * height;
    const picture = Array.from(
      { length: 3 * plane },
      (_, i) => data[4 * (i % plane) + Math.floor(i / plane)]! / 127.5 - 1,
    );
    expect(decibels(await result.read(), picture)).toBeGreaterThan(80);
  },
  300_000,
);
