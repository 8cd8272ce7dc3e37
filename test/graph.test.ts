import { expect, test } from "vitest";
import { f32Input, type Graph, instance, type Operation, spliceAfter, taps, u32Input } from "../src/graph/graph";
import { lower, type Ops } from "../src/graph/lower";
import { type StepGraph, type StepNode, stepOps } from "../src/inject/ops";
import { defaults, resolveParameters } from "../src/inject/parameters";
import { injectSteps } from "../src/inject/plan-inject";
import { inversionTimes } from "../src/inject/plan-invert";
import { STEP_FLOATS } from "../src/kernels/step/step-row";
import type { Target } from "../src/kernels/target";
import { expectedTensors } from "../src/model/checkpoint/expected";
import { networkOps } from "../src/model/ops";
import { modelPresets } from "../src/model/presets";
import { nearestTime, timeSteps } from "../src/model/schedule";
import { unet } from "../src/model/unet";
import { software } from "./support/targets";

const chain: StepGraph = {
  inputs: { x: f32Input(1, 4, 8, 8) },
  nodes: [
    { name: "a", op: { kind: "avgPool2" }, inputs: { x: "x" }, output: "a" },
    { name: "b", op: { kind: "upsample2x" }, inputs: { x: "a" }, output: "b" },
    { name: "c", op: { kind: "concat" }, inputs: { x: "b", skip: "x" }, output: "c" },
  ],
  outputs: ["c"],
};

const target: Target = { ...software, maxBindingBytes: 2 ** 30 };

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
  const stacked = spliceAfter({ ...chain, nodes: chain.nodes.slice(0, 2), outputs: ["b"] }, "a", [node], "m");
  const { nodes } = lower(stacked, target, stepOps);
  expect(nodes.map((n) => n.output.shape[0])).toEqual([1, 2, 2]);
});

test("an instance keeps layers and renames tensors", () => {
  const copy = instance(chain.nodes, "again/", { x: "moved" });
  expect(copy.map((n) => n.output)).toEqual(["again/a", "again/b", "again/c"]);
  expect(copy[2]!.inputs).toEqual({ x: "again/b", skip: "moved" });
});

const step: StepNode = {
  name: "ddim",
  op: { kind: "ddim", asymmetric: false },
  inputs: { steps: "steps", x: "x", eps: "eps" },
  output: "next",
  sideOutputs: { x0: "clean" },
};
const update: StepGraph = {
  inputs: { x: f32Input(2, 3, 4, 4), eps: f32Input(2, 6, 4, 4), steps: f32Input(2, STEP_FLOATS) },
  nodes: [step, { name: "half", op: { kind: "avgPool2" }, inputs: { x: "clean" }, output: "half" }],
  outputs: ["next", "clean", "half"],
};

test("a node's side outputs are tensors like any other: read, kept, tapped and renamed", () => {
  const { nodes, external } = lower(update, target, stepOps);
  expect(nodes[1]!.output.shape).toEqual([2, 3, 2, 2]);
  expect(external.get("clean")).toEqual({ name: "clean", shape: [2, 3, 4, 4], dtype: "f32" });
  expect(taps(update)).toEqual(["next", "clean", "half"]);
  const node: StepNode = { name: "m", op: { kind: "moments" }, inputs: { x: "clean" }, output: "m" };
  expect(spliceAfter(update, "clean", [node], "next").nodes.map((n) => n.inputs.x)).toEqual(["x", "clean", "next"]);
  const copy = instance(update.nodes, "again/", {});
  expect(copy[0]!.sideOutputs).toEqual({ x0: "again/clean" });
  expect(copy[1]!.inputs).toEqual({ x: "again/clean" });
});

test("lowering refuses outputs, inputs and operations that are not there", () => {
  const of = (node: StepNode) => () => lower({ ...update, nodes: [node], outputs: [] }, target, stepOps);
  expect(of({ ...step, sideOutputs: { z: "z" } })).toThrow('ddim: a ddim node has no output "z"');
  expect(of({ ...step, inputs: { steps: "steps", x: "x" } })).toThrow('ddim: a ddim node needs an input "eps"');
  expect(of({ ...step, inputs: { ...step.inputs, x: "y" } })).toThrow('the graph reads "y" before any node writes it');
  const network: Graph = { ...update, outputs: [] };
  expect(() => lower(network, target, networkOps as unknown as Ops<Operation>)).toThrow(
    'ddim: no kernel for the operation "ddim"',
  );
});

test("graph inputs keep their type", () => {
  const labelled = { inputs: { labels: u32Input(2) }, nodes: [], outputs: [] };
  expect(lower(labelled, target, networkOps).external.get("labels")!.dtype).toBe("u32");
});

test.each(Object.entries(modelPresets))("%s has the published tensors and parameters", (_, preset) => {
  const shapes = expectedTensors(preset.config);
  expect(shapes.size).toBe(preset.tensors);
  const count = [...shapes.values()].reduce((sum, s) => sum + s.reduce((a, b) => a * b, 1), 0);
  expect(count).toBe(preset.parameters);
});

test.each(Object.entries(modelPresets))("%s: the graph reads every tensor of the checkpoint once", (_, preset) => {
  const { weights } = lower(unet(preset.config, 1).graph, { ...target, folds: false }, networkOps);
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
  expect(inversionTimes({ steps: 3, top: 999, faithful: true })).toEqual([0, 499]);
  expect(inversionTimes({ steps: 3, top: 999, faithful: false })).toEqual([0, 499, 999]);
});

test("which step runs which graph", () => {
  const sample = (given: Parameters<typeof resolveParameters>[0]) => {
    const parameters = resolveParameters({ steps: 10, ...given });
    return { parameters, gammas: [parameters.gamma], rules: ["slerp" as const] };
  };
  const programs = (given: Parameters<typeof resolveParameters>[0]) =>
    injectSteps([sample(given)], [0, 500]).map((s) => s.graph);
  expect(programs({ tEdit: 400 })).toEqual([...Array(6).fill("injected"), ...Array(4).fill("plain")]);
  expect(programs({ tEdit: 400, omega: 0.3 }).slice(0, 6)).toEqual(Array(6).fill("calibrated"));
  expect(programs({ tEdit: 400, omega: 0 }).slice(0, 6)).toEqual(Array(6).fill("calibrated"));
  expect(programs({ gamma: 0 })).toEqual(Array(10).fill("plain"));
  const faithful = injectSteps([sample({ faithful: true, replaceSteps: 4, tBoost: 400 })], [0, 500]);
  expect(faithful.map((s) => s.graph)).toEqual(["injected", "plain", "plain", "injected", ...Array(6).fill("plain")]);
  expect(faithful.map((s) => s.samples[0]!.eta)).toEqual([0, 0, 0, 0, 0, 0, 1, 0, 0, 1]); // boosted where replaced only
});

test.each([
  [{ gamma: 1.2 }, "gamma 1.2: expected 0 to 1"],
  [{ tEdit: -1 }, "tEdit -1: expected 0 to 1000"],
  [{ omega: 2 }, "omega 2"],
  [{ steps: 1 }, "steps 1: expected a whole number from 2 to 1000"],
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
    stepsInversion: 1000,
  });
  expect(resolveParameters({ gamma: 0.5 }, "faces").gamma).toBe(0.5);
  expect(() => resolveParameters({}, "vivid" as "paper")).toThrow('no preset "vivid"; presets are fast, quick, paper');
});
