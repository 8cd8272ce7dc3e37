import { expect, test } from "vitest";
import { resolveRun } from "../src/inject/parameters";
import { checkPlan, printPlan, type RunPlan, runKey } from "../src/inject/plan";
import { injectSteps, planInject, type SampleRun } from "../src/inject/plan-inject";
import { planInvert } from "../src/inject/plan-invert";
import { planSample } from "../src/inject/plan-sample";
import type { MixRule } from "../src/kernels/step/step-row";
import { hShape } from "../src/model/config";
import { unet } from "../src/model/unet";
import { DDPM_TINY } from "./checkpoint-models";

const shape = hShape(DDPM_TINY);
const { h } = unet(DDPM_TINY, 1);
const invertOptions = { model: "m", steps: 3, top: 999, faithful: false, tap: h, shape };

const bank = (count: number, samples: number[]) => ({
  info: {
    model: "m",
    steps: 3,
    top: 999,
    faithful: false,
    picture: { channels: 3, height: 16, width: 16 },
    h: shape,
    sources: Array.from({ length: count }, () => undefined),
    tap: h,
  },
  samples,
  times: [0, 499, 999],
});

function injectPlan(given: Parameters<typeof resolveRun>[0], extra: Partial<Parameters<typeof planInject>[1]> = {}) {
  const parameters = resolveRun({ steps: 3, tEdit: 400, ...given });
  const sample: SampleRun = { parameters, gammas: [parameters.gamma], rules: [parameters.rule as MixRule] };
  return planInject(unet(DDPM_TINY, 1), {
    model: "m",
    samples: [sample],
    variants: 1,
    original: bank(2, [1]),
    contents: [{ ...bank(2, [0]), masked: false }],
    tap: h,
    omegaRegions: 0,
    ...extra,
  });
}

test("an inversion as a plan: the pictures go in, h of every step and x_T stay", () => {
  const plan = planInvert(unet(DDPM_TINY, 2), invertOptions);
  checkPlan(plan);
  expect(plan.given).toEqual({ images: [2, 3, 16, 16] });
  expect(plan.kept).toEqual({
    x_T: [2, 3, 16, 16],
    "h.0": [2, ...shape],
    "h.499": [2, ...shape],
    "h.999": [2, ...shape],
  });
  expect(plan.steps.map(({ before, after }) => [before.length, after.map(({ to }) => to)])).toEqual([
    [1, ["h.0", "x"]],
    [0, ["h.499", "x", "x_T"]],
    [0, ["h.999", "x"]],
  ]);
  const text = printPlan(plan).replace(/\d+ nodes, [0-9a-f]{16}/, "N nodes, HASH");
  expect(text).toMatchInlineSnapshot(`
    "invert: 3 steps, schedule {"trainSteps":1000,"betas":{"kind":"linear","start":0.0001,"end":0.02},"zeroSnr":false,"prediction":"epsilon","spacing":"paper","stepsOffset":0,"finalAlphaOne":true,"clip":0} in f64, model m
    graph plain: N nodes, HASH
    given images [2, 3, 16, 16]
    kept x_T [2, 3, 16, 16]
    kept h.0 [2, 32, 8, 8]
    kept h.499 [2, 32, 8, 8]
    kept h.999 [2, 32, 8, 8]
    state x
    step 1: plain, t 0
      before: images -> x
      sample 0: t 0, next 499, draw 0
      sample 1: t 0, next 499, draw 0
      after: mid.block_2 -> h.0
      after: x_next -> x
    step 2: plain, t 499
      sample 0: t 499, next 999, draw 1
      sample 1: t 499, next 999, draw 1
      after: mid.block_2 -> h.499
      after: x_next -> x
      after: x_next -> x_T
    step 3: plain, t 999
      sample 0: t 999, next 999, draw 2
      sample 1: t 999, next 999, draw 2
      after: mid.block_2 -> h.999
      after: x_next -> x"
  `);
});

test("an injection as a plan: one picture of each inversion, a content only where it is injected", () => {
  const plan = injectPlan({ gamma: 0.3 });
  checkPlan(plan);
  const text = printPlan(plan).replaceAll(/\d+ nodes, [0-9a-f]{16}/g, "N nodes, HASH");
  expect(text).toMatchInlineSnapshot(`
    "generate: 3 steps, schedule {"trainSteps":1000,"betas":{"kind":"linear","start":0.0001,"end":0.02},"zeroSnr":false,"prediction":"epsilon","spacing":"paper","stepsOffset":0,"finalAlphaOne":true,"clip":0} in f64, model m
    graph plain: N nodes, HASH
    graph injected: N nodes, HASH
    given original/x_T [2, 3, 16, 16]
    given content.0/h.999 [2, 32, 8, 8]
    given content.0/h.499 [2, 32, 8, 8]
    kept x [1, 3, 16, 16]
    state x
    step 1: injected, t 999
      before: original/x_T[1] -> x
      before: content.0/h.999[0] -> content.0
      sample 0: t 999, next 499, eta 0, dtLambda 1, gammas 0.3, rules slerp, omega 0, rescale true, seed 0, stream 0, draw 0
      after: x_next -> x
    step 2: injected, t 499
      before: content.0/h.499[0] -> content.0
      sample 0: t 499, next 0, eta 0, dtLambda 1, gammas 0.3, rules slerp, omega 0, rescale true, seed 0, stream 0, draw 1
      after: x_next -> x
    step 3: plain, t 0
      sample 0: t 0, next -1, eta 1, dtLambda 1, gammas 0, rules slerp, omega 0, rescale true, seed 0, stream 0, draw 2
      after: x_next -> x"
  `);
});

test("gamma may be a function of the position in the injected part", () => {
  const seen: number[] = [];
  const gamma = (u: number) => {
    seen.push(u);
    return u / 2;
  };
  const gammas = injectPlan({ gamma, steps: 5, tEdit: 200 }).steps.map(({ samples }) => samples[0]!.gammas);
  expect(gammas).toEqual([[0], [1 / 6], [2 / 6], [0.5], [0]]);
  expect(seen).toEqual([0, 1 / 3, 2 / 3, 1]);
  expect(() => injectPlan({ gamma: () => 2 })).toThrow("gamma(0) gave 2: expected a number from 0 to 1");
});

test("pairs and variants of a batch pick their own pictures; regions and noise are given", () => {
  const runs = [0.2, 0.4].map((gamma): SampleRun => {
    const parameters = resolveRun({ gamma, steps: 3, omega: 0.2 });
    return { parameters, gammas: [gamma], rules: ["slerp"] };
  });
  const plan = planInject(unet(DDPM_TINY, 4), {
    model: "m",
    samples: [...runs, ...runs],
    variants: 2,
    original: bank(3, [2, 0]),
    contents: [{ ...bank(3, [1]), masked: true }],
    tap: h,
    omegaRegions: 2,
    givenNoise: (k) => k === 1,
  });
  checkPlan(plan);
  expect(plan.steps[0]!.before.map(({ from, samples }) => [from, samples])).toEqual([
    ["original/x_T", [2, 2, 0, 0]],
    ["content.0/h.999", [1, 1, 1, 1]],
  ]);
  expect(Object.keys(plan.given)).toEqual([
    "original/x_T",
    "content.0/h.999",
    "content.0/h.499",
    "noise.1",
    "mask.0",
    "omega.masks",
    "omega.values",
  ]);
});

test("what differs in a run differs in its key, and nothing else", () => {
  const keys = [
    injectPlan({ gamma: 0.3 }),
    injectPlan({ gamma: 0.31 }),
    injectPlan({ gamma: 0.3, omega: 0.5 }),
    injectPlan({ gamma: 0.3, steps: 4 }),
    injectPlan({ gamma: 0.3 }, { model: "n" }),
    injectPlan({ gamma: 0.3 }, { original: bank(2, [0]) }),
    injectPlan({ gamma: 0.3, rule: "lerp" }),
  ].map(runKey);
  expect(new Set(keys).size).toBe(keys.length);
  expect(runKey(injectPlan({ gamma: 0.3 }))).toBe(keys[0]);
});

test("a sample as a plan: a first step draws x_T, and no later step has its draw", () => {
  const options = { model: "m", steps: 3, seed: 3, eta: 1, streams: [4, 5] };
  const plan = planSample(unet(DDPM_TINY, 2), options);
  checkPlan(plan);
  expect(plan.steps.map(({ graph }) => graph)).toEqual(["start", "plain", "plain", "plain"]);
  expect(new Set(plan.steps.map(({ samples }) => samples[0]!.draw)).size).toBe(4);
  expect(plan.steps.map(({ samples }) => samples.map(({ stream }) => stream))).toEqual(Array(4).fill([4, 5]));
});

test("a plan that names what it does not have is refused", () => {
  const plan = planInvert(unet(DDPM_TINY, 1), invertOptions);
  const withStep = (edit: Partial<RunPlan["steps"][number]>): RunPlan => ({
    ...plan,
    steps: plan.steps.map((step, k) => (k === 1 ? { ...step, ...edit } : step)),
  });
  expect(() => checkPlan(withStep({ graph: "other" }))).toThrow('step 2 of the plan: there is no graph "other"');
  expect(() => checkPlan(withStep({ before: [{ from: "y", to: "x" }] }))).toThrow('the plan has no tensor "y"');
  expect(() => checkPlan(withStep({ after: [{ from: "x", to: "images" }] }))).toThrow('"images" is given');
  expect(() => checkPlan(withStep({ samples: [] }))).toThrow("0 samples, expected 1");
  expect(() => checkPlan({ ...plan, state: ["z"] })).toThrow('state: the plan has no tensor "z"');
});

test("steps of a batch share times; of two samples with other t_edit each counts its own position", () => {
  const sample = (tEdit: number): SampleRun => {
    const parameters = resolveRun({ steps: 5, tEdit, gamma: (u) => u });
    return { parameters, gammas: [parameters.gamma], rules: ["slerp"] };
  };
  const gammas = injectSteps([sample(700), sample(0)], [0]).map(({ samples }) => samples.map((s) => s.gammas![0]));
  expect(gammas).toEqual([
    [0, 0],
    [1, 0.25],
    [0, 0.5],
    [0, 0.75],
    [0, 1],
  ]);
});
