import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunOptions, RunSnapshot } from "../src/api";
import type { Inversion } from "../src/inject/inversion";
import type { Model } from "../src/inject/model";
import type { InjectOptions } from "../src/inject/options";
import { planInvert } from "../src/inject/plan-invert";
import { planSample } from "../src/inject/plan-sample";
import { resolveInvert, resolveSample } from "../src/inject/requests";
import { type Step, stepRow } from "../src/inject/step-table";
import { STEP } from "../src/kernels/step/step-row";
import { hShape } from "../src/model/config";
import {
  alphaBars,
  DDPM_SCHEDULE,
  generationSteps,
  inversionSteps,
  lastTimes,
  logSnr,
  multistepPairs,
  type Solver,
  samplingSteps,
  spacedBy,
  timeSteps,
} from "../src/model/schedule";
import { unet } from "../src/model/unet";
import { seeded } from "../src/random";
import * as reference from "../src/reference";
import { DDPM_TINY } from "./checkpoint-models";
import { type NetworkManifest, openNetwork, readManifest } from "./golden-runner/files";
import { testDevice } from "./support/device";

const bars = alphaBars();
const at = (t: number) => (t < 0 ? 1 : bars[t]!);

/** The named scalars of a row. */
const scalars = (step: Step) => {
  const row = stepRow(step, bars);
  return Object.fromEntries(
    Object.entries(STEP).map(([name, k]) => [name, row[k]!]),
  ) as unknown as reference.Scalars & {
    BEFORE: number;
  };
};

describe("rows", () => {
  test("of second order are DPM-Solver++(2M) in its usual form, on the way up and down", () => {
    for (const [last, t, next] of [
      [999, 749, 499],
      [100, 150, 300],
    ] as const) {
      const [x, o, before] = [0.7, -0.3, 1.1];
      const [a, s, aNext, sNext] = [t, next].flatMap((k) => [Math.sqrt(at(k)), Math.sqrt(1 - at(k))]);
      const h = logSnr(at(next)) - logSnr(at(t));
      const r = (logSnr(at(t)) - logSnr(at(last))) / h;
      const p = (x - s! * o) / a!;
      const d = (1 + 1 / (2 * r)) * p - before / (2 * r);
      const expected = (sNext! / s!) * x - aNext! * Math.expm1(-h) * d;
      const [got] = reference.ddim(scalars({ t, next, last }), [x], [o], [o], [0], [before]);
      expect(got).toBeCloseTo(expected, 4);
    }
  });

  test("with noise of eta 1 are the stochastic DPM-Solver++(2M)", () => {
    const [last, t, next] = [749, 499, 249];
    const [x, o, before, z] = [0.7, -0.3, 1.1, 0.4];
    const [a, s, aNext, sNext] = [t, next].flatMap((k) => [Math.sqrt(at(k)), Math.sqrt(1 - at(k))]);
    const h = logSnr(at(next)) - logSnr(at(t));
    const r = (logSnr(at(t)) - logSnr(at(last))) / h;
    const p = (x - s! * o) / a!;
    const d = p + (p - before) / (2 * r);
    const fresh = sNext! * Math.sqrt(-Math.expm1(-2 * h));
    const expected = (sNext! / s!) * Math.exp(-h) * x - aNext! * Math.expm1(-2 * h) * d + fresh * z;
    const [got] = reference.ddim(scalars({ t, next, last, eta: 1 }), [x], [o], [o], [z], [before]);
    expect(got).toBeCloseTo(expected, 5);
  });

  test("of first order are DDIM's to the bit", () => {
    const row = stepRow({ t: 500, next: 400 }, bars);
    expect(row[STEP.BEFORE]).toBe(-0);
    expect(row[STEP.SQRT_ALPHA_NEXT]).toBe(Math.fround(Math.sqrt(bars[400]!)));
  });
});

test("the order falls at both ends: first step, step to the clean picture, and the last of fewer than 15", () => {
  const up = (n: number) => lastTimes("dpm++2m", inversionSteps(timeSteps(n)), DDPM_SCHEDULE);
  const down = (n: number) => lastTimes("dpm++2m", generationSteps(timeSteps(n)), DDPM_SCHEDULE);
  expect(up(5)).toEqual([undefined, 0, 249, undefined]);
  expect(up(17).filter((t) => t === undefined)).toHaveLength(1);
  // The step to t = 0 is much longer in lambda than the one before it.
  expect(down(5)).toEqual([undefined, 999, 749, undefined, undefined]);
  expect(down(20).filter((t) => t === undefined)).toHaveLength(3);
  const even = generationSteps(spacedBy("lambda", 20, 999, DDPM_SCHEDULE));
  expect(lastTimes("dpm++2m", even, DDPM_SCHEDULE).filter((t) => t === undefined)).toHaveLength(2);
  const { t, next } = { t: timeSteps(5)[4]!, next: timeSteps(5)[4]! };
  expect(lastTimes("dpm++2m", [...inversionSteps(timeSteps(5)), { t, next }], DDPM_SCHEDULE)).toEqual([
    undefined,
    0,
    249,
    undefined,
    undefined,
  ]);
  expect(lastTimes("ddim", generationSteps(timeSteps(5)), DDPM_SCHEDULE)).toEqual(Array(5).fill(undefined));
});

/** Runs the solver in f64 over data that is normal with deviation 0.5, for which eps is linear and the path known. */
function distance(solver: Solver, pairs: readonly { t: number; next: number }[]): number {
  const variance = 0.25;
  const spread = (t: number) => Math.sqrt(at(t) * variance + 1 - at(t));
  const last = lastTimes(solver, pairs, DDPM_SCHEDULE);
  let x = spread(pairs[0]!.t);
  let before = 0;
  pairs.forEach(({ t, next }, k) => {
    const o = (Math.sqrt(1 - at(t)) * x) / spread(t) ** 2;
    const row = scalars({ t, next, ...(last[k] !== undefined && { last: last[k] }) });
    [x, before] = [reference.ddim(row, [x], [o], [o], [0], [before])[0]!, reference.predictX0(row, [x], [o])[0]!];
  });
  return Math.abs(x - spread(pairs.at(-1)!.next));
}

test("on data with a known path it is nearer than DDIM in as many steps, in both directions and spacings", () => {
  for (const spacing of ["time", "lambda"] as const) {
    const times = spacedBy(spacing, 20, 999, DDPM_SCHEDULE);
    const up = inversionSteps(times);
    const down = generationSteps(times);
    for (const pairs of [up, down])
      expect(distance("dpm++2m", pairs) / distance("ddim", pairs)).toBeLessThan(spacing === "lambda" ? 0.15 : 0.6);
  }
});

test("time steps spaced by lambda: from 0 to the top, all different, lambda as even as they allow", () => {
  for (const [count, top] of [
    [2, 999],
    [20, 999],
    [50, 800],
    [999, 999],
    [1000, 999],
  ] as const) {
    const times = spacedBy("lambda", count, top, DDPM_SCHEDULE);
    expect([times.length, times[0], times.at(-1)]).toEqual([count, 0, top]);
    expect(times.every((t, i) => i === 0 || t > times[i - 1]!)).toBe(true);
  }
  const lambda = spacedBy("lambda", 20, 999, DDPM_SCHEDULE).map((t) => logSnr(bars[t]!));
  const strides = lambda.slice(1).map((l, i) => lambda[i]! - l);
  const even = (lambda[0]! - lambda[19]!) / 19;
  expect(Math.max(...strides) / even).toBeLessThan(1.4);
  expect(spacedBy("time", 20, 999, DDPM_SCHEDULE)).toEqual(timeSteps(20));
});

test("sampling takes diffusers' time steps; what they cannot be is refused", () => {
  expect(multistepPairs(4, DDPM_SCHEDULE).map(({ t }) => t)).toEqual([999, 749, 500, 250]);
  expect(multistepPairs(4, DDPM_SCHEDULE).at(-1)!.next).toBe(-1);
  expect(samplingSteps(4, DDPM_SCHEDULE)).toHaveLength(4);
  expect(() => multistepPairs(1, DDPM_SCHEDULE)).toThrow("1 steps: expected a whole number from 2 to 999");
  const few = { ...DDPM_SCHEDULE, trainSteps: 10, spacing: "leading" as const, stepsOffset: 9 };
  expect(() => multistepPairs(4, few)).toThrow("steps_offset 9");
  expect(() => resolveInvert({ steps: 1, solver: "dpm++2m" }, "quick")).toThrow("inversion steps 1: expected");
  expect(() => resolveSample({ steps: 1, solver: "dpm++2m" })).toThrow("steps 1: expected a whole number from 2");
  expect(() => resolveInvert({ solver: "euler" as "ddim" }, "quick")).toThrow(
    'solver "euler": expected one of ddim, dpm++2m',
  );
  expect(() => resolveInvert({ solver: "dpm++2m", faithful: true }, "quick")).toThrow(
    "the official program has ddim only",
  );
  expect(() => resolveInvert({ spacing: "lambda", faithful: true }, "quick")).toThrow(
    "the official program spaces by time",
  );
});

test("plans keep the last prediction as state, and only those of this solver", () => {
  const options = { model: "m", steps: 4, top: 999, faithful: false, tap: unet(DDPM_TINY, 1).h };
  const invert = { ...options, shape: hShape(DDPM_TINY) };
  const plan = planInvert(unet(DDPM_TINY, 1), { ...invert, solver: "dpm++2m" });
  expect(plan.state).toEqual(["x", "x0_before"]);
  expect(plan.steps.map(({ samples }) => samples[0]!.last)).toEqual([undefined, 0, undefined, undefined]);
  expect(plan.steps[0]!.after.slice(0, 3)).toEqual([
    { from: options.tap, to: "h.0" },
    { from: "x_next", to: "x" },
    { from: "x0", to: "x0_before" },
  ]);
  expect(planInvert(unet(DDPM_TINY, 1), invert).state).toEqual(["x"]);
  const sample = planSample(unet(DDPM_TINY, 1), { ...options, solver: "dpm++2m", seed: 1, eta: 0, streams: [0] });
  expect(sample.state).toEqual(["x", "x0_before"]);
  expect(sample.steps.map(({ samples }) => samples[0]!.last)).toEqual([undefined, undefined, 999, 749, undefined]);
});

describe("on the small trained network", () => {
  const STEPS = 16; // enough for the last steps to be of second order
  const side = 32;
  const pictures = [1, 2].map((seed) => ({ tensor: seeded(seed, [3, side, side]).map((v) => Math.tanh(v)) }));
  const mask = { values: Array.from({ length: 64 }, (_, i) => (i % 8) / 7), width: 8, height: 8 };
  let model: Model;
  let pair: Inversion;

  beforeAll(async () => {
    const folder = new URL("./golden", import.meta.url).pathname;
    model = await openNetwork(folder, readManifest<NetworkManifest>(folder, "ddpm_tiny_trained"), await testDevice());
    pair = await model.invert(pictures, { steps: STEPS, solver: "dpm++2m" });
  }, 100_000);
  afterAll(() => pair?.dispose());

  const inject = async (options: Partial<InjectOptions>) => {
    const shared = { original: pair.select(1), steps: STEPS, solver: "dpm++2m", tEdit: 300 } as const;
    using result = await model.inject({
      ...(options.contents ? {} : { content: pair.select(0) }),
      ...shared,
      ...options,
    });
    const all = await result.read();
    return Array.from({ length: result.count }, (_, n) => reference.sample(all, result.count, n));
  };

  test("gamma 0 is the plain solver to the bit, also in the edited step graphs", async () => {
    using plain = await model.reconstruct(pair.select(1));
    const expected = await plain.read();
    const [, zero] = await inject({ variants: [{ gamma: 0.5 }, { gamma: 0 }] });
    expect([...zero!]).toEqual([...expected]);
    const kept = await inject({ gamma: (u) => u * 0 }); // edited steps with nothing in them
    const first = await inject({ gamma: 0 });
    expect([...first[0]!]).toEqual([...expected]);
    expect(kept[0]!.every(Number.isFinite)).toBe(true);
  });

  test("it is another path than DDIM's, and the one that its rows describe", async () => {
    const [ddim] = await inject({ solver: "ddim", spacing: "lambda", gamma: 0 });
    const [multi] = await inject({ gamma: 0 });
    expect([...multi!]).not.toEqual([...ddim!]);
    // The same run by hand: one forward a step, the update in f64.
    const pairs = generationSteps(spacedBy("lambda", STEPS, 999, DDPM_SCHEDULE));
    const last = lastTimes("dpm++2m", pairs, DDPM_SCHEDULE);
    let x: ArrayLike<number> = await pair.select(1).readXT();
    let before: ArrayLike<number> = [];
    for (const [k, { t, next }] of pairs.entries()) {
      const { eps } = await model.forward(Float32Array.from(x), t);
      const row = scalars({ t, next, ...(last[k] !== undefined && { last: last[k] }) });
      const moved = reference.ddim(row, x, eps, eps, new Float32Array(eps.length), before);
      before = reference.predictX0(row, x, eps);
      x = moved;
    }
    const worst = Math.max(...multi!.map((v, i) => Math.abs(v - x[i]!)));
    expect(worst).toBeLessThan(2e-3);
  }, 100_000);

  test("with masks, calibration, several contents and seeds it goes on after a snapshot to the same bits", async () => {
    const cases: Partial<InjectOptions>[] = [
      { gamma: 0.6, omega: 0.3, tBoost: 250, seed: 5, mask },
      {
        contents: [
          { inversion: pair.select(0), gamma: 0.3 },
          { inversion: pair.select(1), mask },
        ],
        gamma: 0.4,
      },
    ];
    for (const asked of cases) {
      let snapshot: RunSnapshot | undefined;
      const options: RunOptions = {
        snapshotEvery: 7,
        onSnapshot: (made) => {
          if (made.step === 7) snapshot = structuredClone(made);
        },
      };
      const [expected] = await inject({ ...asked, ...options });
      expect(Object.keys(snapshot!.kept)).toEqual(["x0_before"]);
      const [resumed] = await inject({ ...asked, resume: snapshot! });
      expect([...resumed!]).toEqual([...expected!]);
    }
    const boosted = (seed: number) => inject({ tBoost: 250, gamma: 0.3, seed });
    const [[one], [same], [other]] = [await boosted(1), await boosted(1), await boosted(2)];
    expect([...one!]).toEqual([...same!]);
    expect([...one!]).not.toEqual([...other!]);
  }, 200_000);

  test("a spacing that an inversion does not have is refused", async () => {
    for (const asked of [{ spacing: "time" }, { solver: "ddim" }] as const)
      await expect(inject(asked)).rejects.toThrow(
        'spacing "time": an inversion is spaced by "lambda"; invert and inject alike',
      );
    const loaded = await model.loadInversion(await pair.save());
    expect(loaded.info).toMatchObject({ solver: "dpm++2m", spacing: "lambda" });
    using result = await model.reconstruct(loaded);
    expect((await result.read()).every(Number.isFinite)).toBe(true);
    loaded.dispose();
  }, 100_000);
});
