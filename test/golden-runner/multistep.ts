import type { Device } from "../../src/gpu/device";
import { stepRow } from "../../src/inject/step-table";
import { f32 } from "../../src/kernels/dispatch";
import { ddimStep } from "../../src/kernels/step/ddim";
import { STEP_FLOATS } from "../../src/kernels/step/step-row";
import { readSchedule } from "../../src/model/checkpoint/scheduler-config";
import { alphaBars, lastTimes, logSnr, multistepPairs } from "../../src/model/schedule";
import { runOn } from "../support/run";
import { compare } from "./compare";
import type { CaseResult, Values } from "./kernels";

/** Trajectories of diffusers' DPMSolverMultistepScheduler over a network with a closed form. */
export interface MultistepManifest {
  /** the output's formula, and its constants */
  readonly model: { readonly formula: string; readonly a: number; readonly b: number; readonly c: number };
  readonly runs: readonly {
    readonly id: string;
    readonly config: Readonly<Record<string, unknown>>;
    readonly num_inference_steps: number;
    readonly timesteps: readonly number[];
    /** upstream's f32 against an independent program in f64, after each step */
    readonly f32_vs_own_f64_max_abs: readonly number[];
  }[];
}

/** A step may be off by this many times upstream's own error of f32. */
const FLOORS = 5;
/** Relative, of upstream's f32 sigmas, whose tiny alphas are off by 1.3e-5 each; and of 1 - a, which it rounds to f32. */
const SIGMAS = 2e-5;
const ROUNDED = 2 ** -24;
const SCALE = 0.9;

/** Every run step after step, all runs side by side as the samples of a batch; time steps and sigmas as well. */
export async function* runMultistep(
  { model, runs }: MultistepManifest,
  tensors: ReadonlyMap<string, Values>,
  device: Device,
): AsyncGenerator<CaseResult> {
  const start = tensors.get("x_T")!;
  if (model.formula !== "0.9 * tanh(a * x + b * cos(t / c))") throw new Error(`an unknown network: ${model.formula}`);
  const network = (x: Float32Array, t: number) =>
    x.map((v) => SCALE * Math.tanh(model.a * v + model.b * Math.cos(t / model.c)));
  const solved = runs.map((run) => {
    const { id, config, num_inference_steps: n } = run;
    const schedule = readSchedule({ _class_name: "DPMSolverMultistepScheduler", ...config }, id);
    const pairs = multistepPairs(n, schedule);
    const last = lastTimes("dpm++2m", pairs, schedule, schedule.finalAlphaOne);
    const bars = alphaBars("f64", schedule);
    const clean = schedule.finalAlphaOne ? ("one" as const) : ("first" as const);
    const rows = pairs.map(({ t, next }, k) =>
      stepRow({ t, next, clean, ...(last[k] !== undefined && { last: last[k] }) }, bars, schedule.prediction),
    );
    return { ...run, pairs, rows, bars, clean, x: start.data, before: new Float32Array(start.data.length) };
  });
  for (const { id, timesteps, pairs, bars, clean } of solved) {
    const ok = `${pairs.map(({ t }) => t)}` === `${timesteps}`;
    yield { id: `${id}.timesteps`, ok, worstAbs: Number(!ok), worstRel: Number(!ok), tolerance: 0 };
    const sigma = (t: number): number => (t >= 0 ? Math.exp(-logSnr(bars[t]!)) : clean === "one" ? 0 : sigma(0));
    const sigmas = Float32Array.from([...timesteps, -1], sigma);
    const expected = tensors.get(`${id}.sigmas`)!;
    const off = (v: number, i: number) =>
      v === sigmas[i] ? 0 : Math.max(0, Math.abs(sigmas[i]! / v - 1) - ROUNDED / Math.min(1, v) ** 2);
    const worst = Math.max(...expected.data.map(off));
    yield { id: `${id}.sigmas`, ok: worst <= SIGMAS, worstAbs: 0, worstRel: worst, tolerance: SIGMAS };
  }
  const most = Math.max(...solved.map(({ pairs }) => pairs.length));
  const size = start.data.length;
  for (let k = 0; k < most; k++) {
    const active = solved.filter(({ pairs }) => k < pairs.length);
    const shape = [active.length, ...start.shape.slice(1)];
    const [x, eps, before, next, x0] = ["x", "eps", "before", "next", "x0"].map((name) => f32(name, ...shape));
    const steps = f32("steps", active.length, STEP_FLOATS);
    const joined = (parts: readonly Float32Array[]) => Float32Array.from(parts.flatMap((part) => [...part]));
    const inputs = new Map([
      [steps, joined(active.map(({ rows }) => rows[k]!))],
      [x!, joined(active.map((run) => run.x))],
      [eps!, joined(active.map((run) => network(run.x, run.pairs[k]!.t)))],
      [before!, joined(active.map((run) => run.before))],
    ]);
    const io = { steps, x: x!, eps: eps!, before: before!, next: next!, x0: x0! };
    const [moved, clean] = await runOn(device, ddimStep(io, { asymmetric: false }), inputs, [next!, x0!]);
    for (const [n, run] of active.entries()) {
      run.x = moved!.slice(n * size, (n + 1) * size);
      run.before = clean!.slice(n * size, (n + 1) * size);
      const name = `${run.id}.x.${k}`;
      yield compare(name, run.x, tensors.get(name)!, FLOORS * run.f32_vs_own_f64_max_abs[k]!, true);
    }
  }
}
