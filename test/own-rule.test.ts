import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { InjectOptions } from "../src/inject/options";
import { f32 } from "../src/kernels/dispatch";
import { mix } from "../src/kernels/step/mix";
import { STEP, STEP_FLOATS } from "../src/kernels/step/step-row";
import { loadModel, type Model, UserError } from "../src/node";
import { seeded } from "../src/random";
import { ownRuleShader } from "../src/wgsl/own-rule";
import { runOn } from "./support/run";

const root = fileURLToPath(new URL("..", import.meta.url));
let model: Model;
beforeAll(async () => {
  model = await loadModel(join(root, "test", "golden", "containers", "ddpm.safetensors"), { resolution: 16 });
});
afterAll(() => model.dispose());

const signature = "fn mix_rule(gamma: f32, norm_h: f32, norm_content: f32, cosine: f32) -> vec2f";

test("a rule of one's own gets gamma, the norms and the cosine of each sample", async () => {
  const [n, c, h, w] = [2, 3, 2, 4];
  const steps = f32("steps", n, STEP_FLOATS);
  const tensors = { steps, h: f32("h", n, c, h, w), content: f32("content", n, c, h, w), y: f32("y", n, c, h, w) };
  const [u, v] = [seeded(1, [n, c, h, w]), seeded(2, [n, c, h, w])];
  const rows = new Float32Array(n * STEP_FLOATS);
  const gammas = [0.25, 0.75];
  gammas.forEach((gamma, i) => {
    rows[i * STEP_FLOATS + STEP.GAMMA] = gamma;
  });
  const shader = ownRuleShader(`${signature} { return vec2f(gamma * norm_h + cosine, norm_content); }`);
  const data = new Map([
    [steps, rows],
    [tensors.h, u],
    [tensors.content, v],
  ]);
  const [y] = await runOn(model.device, mix(tensors, { slot: 0, shader }), data, [tensors.y]);
  const size = c * h * w;
  gammas.forEach((gamma, i) => {
    const [a, b] = [u, v].map((values) => [...values.subarray(i * size, (i + 1) * size)]) as [number[], number[]];
    const dot = (p: number[], q: number[]) => p.reduce((sum, value, k) => sum + value * q[k]!, 0);
    const [normA, normB] = [Math.sqrt(dot(a, a)), Math.sqrt(dot(b, b))];
    const weight = gamma * normA + dot(a, b) / normA / normB;
    a.forEach((value, k) => {
      expect(y![i * size + k]).toBeCloseTo(weight * value + normB * b[k]!, 3);
    });
  });
});

test("inject takes it: the example's rule, and lerp written anew is lerp", async () => {
  const side = 16;
  const picture = (seed: number) => ({
    tensor: seeded(seed, [3, side, side]).map((value) => Math.max(-1, Math.min(1, value))),
  });
  const inverted = await model.invert([picture(3), picture(4)], { steps: 3 });
  const run = async (rule: InjectOptions["rule"]) => {
    const options = {
      content: inverted.select(0),
      original: inverted.select(1),
      steps: 3,
      tBoost: 0,
      gamma: 0.5,
      rule,
    };
    const result = await model.inject(options);
    const values = await result.read();
    result.dispose();
    return values;
  };
  const lerp = await run("lerp");
  const own = await run({ wgsl: `${signature} {\n  return vec2f(1.0 - gamma, gamma);\n}\n` });
  expect([...own]).toEqual([...lerp]);
  const example = await run({ wgsl: readFileSync(join(root, "examples", "rule.wgsl"), "utf8") });
  expect(example.every(Number.isFinite)).toBe(true);
  expect([...example]).not.toEqual([...lerp]);

  await expect(run({ wgsl: "fn other() {}" })).rejects.toThrow(/rule .*fn mix_rule/);
  const broken = run({ wgsl: `${signature} {\n  return gama;\n}` });
  await expect(broken).rejects.toThrow(UserError);
  await expect(broken).rejects.toThrow(/^rule: the WGSL does not compile \(line 2: .*gama/);
  const two = { content: inverted.select(0), original: inverted.select(1), steps: 3, tBoost: 0 };
  const variants = [{ rule: "lerp" as const }, { rule: { wgsl: `${signature} { return vec2f(1.0, gamma); }` } }];
  await expect(model.inject({ ...two, variants })).rejects.toThrow(/holds for a whole batch/);
  inverted.dispose();
});
