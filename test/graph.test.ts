import { expect, test } from "vitest";
import { type Graph, instance, spliceAfter, taps } from "../src/graph/graph";
import { lower } from "../src/graph/lower";
import { defaults, resolveParameters } from "../src/inject/parameters";
import { generationPlan, inversionPlan } from "../src/inject/plan-run";
import { expectedTensors } from "../src/model/checkpoint/expected";
import { modelPresets } from "../src/model/presets";
import { nearestTime, timeSteps } from "../src/model/schedule";
import { unet } from "../src/model/unet";

const chain: Graph = {
  inputs: { x: [1, 4, 8, 8] },
  nodes: [
    { name: "a", op: { kind: "avgPool2" }, inputs: { x: "x" }, output: "a" },
    { name: "b", op: { kind: "upsample2x" }, inputs: { x: "a" }, output: "b" },
    { name: "c", op: { kind: "concat" }, inputs: { x: "b", skip: "x" }, output: "c" },
  ],
  outputs: ["c"],
};

test("a splice reroutes every later reader and leaves the given graph alone", () => {
  const before = structuredClone(chain);
  const node = { name: "m", op: { kind: "stack" } as const, inputs: { a: "a", b: "a" }, output: "m" };
  const edited = spliceAfter(chain, "a", [node], "m");
  expect(taps(edited)).toEqual(["a", "m", "b", "c"]);
  expect(edited.nodes[2]!.inputs).toEqual({ x: "m" });
  expect(chain).toEqual(before);
  expect(() => spliceAfter(chain, "z", [], "m")).toThrow('no tap "z" in this network; its taps are a, b, c');
});

test("behind a stack the batch is doubled, before it not", () => {
  const node = { name: "m", op: { kind: "stack" } as const, inputs: { a: "a", b: "a" }, output: "m" };
  const { nodes } = lower(spliceAfter({ ...chain, nodes: chain.nodes.slice(0, 2), outputs: ["b"] }, "a", [node], "m"), {
    adapterClass: "software",
    subgroups: false,
    precision: "fast",
    weights: "f32",
    maxBindingBytes: 2 ** 28,
  });
  expect(nodes.map((n) => n.output.shape[0])).toEqual([1, 2, 2]);
});

test("an instance keeps layers and renames tensors", () => {
  const copy = instance(chain.nodes, "again/", { x: "moved" });
  expect(copy.map((n) => n.output)).toEqual(["again/a", "again/b", "again/c"]);
  expect(copy[2]!.inputs).toEqual({ x: "again/b", skip: "moved" });
});

test.each(Object.entries(modelPresets))("%s has the published tensors and parameters", (_, preset) => {
  const shapes = expectedTensors(preset.config);
  expect(shapes.size).toBe(preset.tensors);
  const count = [...shapes.values()].reduce((sum, s) => sum + s.reduce((a, b) => a * b, 1), 0);
  expect(count).toBe(preset.parameters);
});

test.each(Object.entries(modelPresets))("%s: the graph reads every tensor of the checkpoint once", (_, preset) => {
  const { weights } = lower(unet(preset.config, 1).graph, {
    adapterClass: "software",
    subgroups: true,
    precision: "fast",
    weights: "f32",
    maxBindingBytes: 2 ** 30,
  });
  const read = [...weights.values()].flatMap((w) => w.sources.map((s) => s.key)).sort();
  expect(read).toEqual([...expectedTensors(preset.config).keys()].sort());
});

test("time steps and the nearest stored one", () => {
  expect(timeSteps(10)).toEqual([0, 111, 222, 333, 444, 555, 666, 777, 888, 999]);
  expect(timeSteps(50)[49]).toBe(999);
  expect(nearestTime([0, 20, 40], 10)).toBe(20); // of two as near, the larger
  expect(nearestTime([0, 20, 40], 999)).toBe(40);
  expect(() => timeSteps(0)).toThrow("0 steps");
});

test("the official program keeps no h at the top step; this one does", () => {
  expect(inversionPlan(3, 999, true).map((s) => s.t)).toEqual([0, 499]);
  expect(inversionPlan(3, 999, false).map((s) => s.t)).toEqual([0, 499, 999]);
});

test("which step runs which graph", () => {
  const sample = (given: Parameters<typeof resolveParameters>[0]) => {
    const parameters = resolveParameters({ steps: 10, ...given });
    return { parameters, gammas: [parameters.gamma], rules: [parameters.rule] };
  };
  const programs = (given: Parameters<typeof resolveParameters>[0]) =>
    generationPlan([sample(given)], [0, 500]).map((s) => s.program);
  expect(programs({ tEdit: 400 })).toEqual([...Array(6).fill("injected"), ...Array(4).fill("plain")]);
  expect(programs({ tEdit: 400, omega: 0.3 }).slice(0, 6)).toEqual(Array(6).fill("calibrated"));
  expect(programs({ tEdit: 400, omega: 0 }).slice(0, 6)).toEqual(Array(6).fill("calibrated"));
  expect(programs({ gamma: 0 })).toEqual(Array(10).fill("plain"));
  const faithful = generationPlan([sample({ faithful: true, replaceSteps: 4, tBoost: 400 })], [0, 500]);
  expect(faithful.map((s) => s.program)).toEqual(["injected", "plain", "plain", "injected", ...Array(6).fill("plain")]);
  expect(faithful.map((s) => s.samples[0]!.eta)).toEqual([0, 0, 0, 0, 0, 0, 1, 0, 0, 1]); // boosted where replaced only
});

test.each([
  [{ gamma: 1.2 }, "gamma 1.2: needed 0 to 1"],
  [{ tEdit: -1 }, "tEdit -1: needed 0 to 1000"],
  [{ omega: 2 }, "omega 2"],
  [{ steps: 1 }, "steps 1: needed a whole number from 2 to 1000"],
  [{ tBoost: 500, tEdit: 400 }, "tBoost 500 is above tEdit 400"],
  [{ seed: -1 }, "seed -1"],
])("parameters out of range are refused: %j", (given, message) => {
  expect(() => resolveParameters(given)).toThrow(message);
});

test("presets fill in what is not given", () => {
  expect(resolveParameters({}, "paper")).toEqual({
    ...defaults,
    gamma: 0.3,
    tEdit: 400,
    tBoost: 200,
    omega: 0.3,
    steps: 1000,
  });
  expect(resolveParameters({ gamma: 0.5 }, "faces").gamma).toBe(0.5);
  expect(() => resolveParameters({}, "vivid")).toThrow('no preset "vivid"; presets are quick, paper');
});
