import type { Graph, Node } from "../../src/graph/graph";
import { officialMask } from "../../src/inject/images";
import type { Model } from "../../src/inject/model";
import { calibratedStep, injectedStep, plainStep, TENSOR } from "../../src/inject/step-graphs";
import { type Step, stepTable } from "../../src/inject/step-table";
import { STEP, STEP_FLOATS } from "../../src/kernels/step/step-row";
import { hShape } from "../../src/model/config";
import type { NetworkOptions } from "../../src/model/network";
import type { NetworkOp } from "../../src/model/ops";
import { alphaBars } from "../../src/model/schedule";
import { allowed, compare, type Tolerance } from "./compare";
import { evaluate } from "./evaluate";
import type { CaseResult, Values } from "./kernels";

const TOLERANCE = 1e-4;

const rows = (steps: readonly Step[]): Float32Array =>
  new Float32Array(stepTable([steps], alphaBars("f32")).buffer).subarray(0, steps.length * STEP_FLOATS);

/** The ancestral sampler's rows, from t to t - 1, which no run here uses: x_{t-1} = (x - beta / sqrt(1 - a) e) /
 *  sqrt(1 - beta) + sigma z, written as scale P + direction e + sigma z; sigma^2 = beta (1 - a_prev) / (1 - a), the
 *  posterior's variance.   DDPM, Ho et al. 2020, algorithm 2 */
function ancestralRows(steps: readonly Step[]): Float32Array {
  const table = rows(steps);
  const alphaBar = alphaBars("f32");
  steps.forEach(({ t }, n) => {
    const [a, previous] = [alphaBar[t]!, t === 0 ? 1 : alphaBar[t - 1]!];
    const kept = a / previous; // 1 - beta
    const noise = Math.sqrt(1 - a);
    const row = table.subarray(n * STEP_FLOATS);
    row[STEP.SQRT_ALPHA_NEXT] = Math.sqrt(a / kept);
    row[STEP.DIRECTION] = (noise - (1 - kept) / noise) / Math.sqrt(kept);
    row[STEP.SIGMA] = previous === 1 ? 0 : Math.sqrt(((1 - kept) * (1 - previous)) / (1 - a));
  });
  return table;
}

/** eps, h and every recorded activation of one forward. */
export async function* runForward(
  model: Model,
  tensors: ReadonlyMap<string, Values>,
  options: NetworkOptions,
): AsyncGenerator<CaseResult> {
  const tolerance = allowed(TOLERANCE, options);
  const x = tensors.get("x")!;
  const t = [...tensors.get("t")!.data];
  const net = model.network.unet(x.shape[0]!);
  const { eps, h } = await model.forward(x.data, t);
  const out = tensors.get("out");
  if (out) yield compare("out", eps, out, tolerance);
  const expectedEps = tensors.get("eps");
  if (expectedEps) {
    const per = expectedEps.data.length / x.shape[0]!;
    const own = eps.length / x.shape[0]!;
    const first = Float32Array.from(expectedEps.data, (_, i) => eps[Math.floor(i / per) * own + (i % per)]!);
    yield compare("eps", first, expectedEps, tolerance);
  }
  yield compare("middle_h", h, tensors.get("middle_h")!, tolerance);
  const steps = rows(t.map((time) => ({ t: time, next: -1 })));
  yield* activations(model, net.graph, tensors, { x: x.data, steps }, tolerance);
}

/** Every recorded activation, from one run of the graph. Some of the official modules are fused here: their values are
 *  completed on the host. */
async function* activations(
  model: Model,
  graph: Graph<NetworkOp>,
  tensors: ReadonlyMap<string, Values>,
  inputs: Record<string, Float32Array>,
  tolerance: Tolerance,
): AsyncGenerator<CaseResult> {
  const recorded = [...tensors].filter(([name]) => name.startsWith("act.") || name === "temb.sinusoidal");
  const nodes = recorded.map(([name]) => nodeOf(graph, name));
  const wanted = nodes.flatMap((n) => (n ? [n.output, ...(n.op.kind === "groupNorm" ? [n.inputs.x!] : [])] : []));
  const values = await evaluate(model.network, graph, inputs, [...new Set(wanted)]);
  for (const [k, [name, expected]] of recorded.entries()) {
    const node = nodes[k];
    if (!node) {
      yield {
        id: name,
        ok: false,
        worstAbs: Infinity,
        worstRel: Infinity,
        tolerance: 0,
        reason: "no such tensor",
      };
      continue;
    }
    let { data } = values.get(node.output)!;
    let golden = expected;
    if (node.op.kind === "groupNorm" && !node.op.apply) data = normalised(values.get(node.inputs.x!)!, data);
    if (node.op.kind === "linear" && node.op.siluOut)
      golden = { ...expected, data: Float32Array.from(expected.data, (v) => v / (1 + Math.exp(-v))) };
    // Some cases record the first sample only.
    yield compare(name, data.subarray(0, golden.data.length), golden, tolerance);
  }
}

/** The node whose output is that of an official module: itself, or the last part of a block. */
function nodeOf(graph: Graph<NetworkOp>, name: string): Node<NetworkOp> | undefined {
  const module = name.replace(/^act\./, "");
  const find = (output: string) => graph.nodes.find((n) => n.output === output);
  if (name === "temb.sinusoidal") return find("temb") ?? find("time_embed");
  if (/^(conv_out|out\.2|out)$/.test(module)) return find("eps");
  const parts = [module, `${module}.2`, `${module}.1`, `${module}.0`, module.replace(/\.attention\.in_qkv$/, ".qkv")];
  return parts.map(find).find((n) => n !== undefined);
}

/** What a group norm node describes, applied. */
function normalised({ data, shape }: Values, norm: Float32Array): Float32Array<ArrayBuffer> {
  const plane = shape[2]! * shape[3]!;
  return Float32Array.from(data, (v, i) => {
    const c = 4 * Math.floor(i / plane);
    return (v - norm[c]!) * norm[c + 1]! + norm[c + 2]!;
  });
}

interface StepCase {
  readonly id: string;
  readonly scalars: Readonly<Record<string, unknown>>;
  readonly tensors?: Readonly<Record<string, string>>;
}

/** Single steps in every branch of the official `denoising_step`. Roles missing in a subcase are not compared. */
export async function* runStepCase(
  model: Model,
  { id, scalars, tensors: roles }: StepCase,
  tensors: ReadonlyMap<string, Values>,
  options: NetworkOptions,
): AsyncGenerator<CaseResult> {
  const of = (role: string): Values | undefined =>
    tensors.get(roles?.[role] ?? "") ?? (roles ? undefined : tensors.get(`${id}.${role}`));
  const x = of("xt") ?? tensors.get("step.xt")!;
  const n = x.shape[0]!;
  const list = (v: unknown): number[] => (Array.isArray(v) ? v.map(Number) : Array<number>(n).fill(Number(v)));
  const number = (key: string, otherwise: number): number => Number(scalars[key] ?? otherwise);
  const times = list(scalars.t);
  const nexts = list(scalars.t_next);
  const indexed = scalars.index !== undefined && scalars.index !== null;
  const edits = indexed && times[0]! >= number("t_edit", 0);
  const omega = number("omega", 0);
  const calibrates = edits && omega !== 0;
  const masked = Boolean(scalars.use_mask);
  const hs = scalars.hs_coeff;
  const gamma = 1 - Number(Array.isArray(hs) ? hs[0] : (hs ?? 1));
  const lambda = number("dt_lambda", 1);
  const late = times[0]! >= number("dt_end", 999) && !(indexed && omega !== 0);
  const steps = (scalars.sampling_type === "ddpm" ? ancestralRows : rows)(
    times.map((t, i) => ({
      t,
      next: nexts[i]!,
      eta: number("eta", 0),
      dtLambda: late ? lambda : 1,
      gammas: [gamma],
      rules: [masked ? ("slerpRaw" as const) : ("slerp" as const)],
      omega,
      rescale: true,
    })),
  );
  const shape = hShape(model.config);
  const net = model.network.unet(n);
  const noise = of("noise1") ?? of("noise0");
  const spec = { contents: [{ masked }], givenNoise: noise !== undefined };
  const graph = calibrates
    ? calibratedStep(net, spec, shape)
    : edits
      ? injectedStep(net, spec, shape)
      : plainStep(net, { givenNoise: noise !== undefined });
  const inputs: Record<string, Float32Array> = { x: x.data, steps };
  if (noise) inputs[TENSOR.noise] = noise.data;
  if (edits) {
    inputs[TENSOR.content(0)] = (of("delta_h") ?? tensors.get("step.delta_h_hi")!).data;
    if (masked) inputs[TENSOR.mask(0)] = officialMask(shape[1], shape[2]).values as Float32Array;
  }
  const mixed = edits ? `${net.h}/mix.0` : net.h;
  const results = await evaluate(model.network, graph, inputs, [net.eps, net.h, mixed, TENSOR.next, TENSOR.x0]);
  const { data: eps, shape: epsShape } = results.get(net.eps)!;
  const first = firstChannels(eps, epsShape, x.shape[1]!, 0, n);
  const second = edits ? firstChannels(eps, epsShape, x.shape[1]!, n, n) : first;
  const found: Record<string, Float32Array> = {
    et: first,
    et_modified: second,
    out_modified: second,
    middle_h: results.get(net.h)!.data,
    h2: results.get(mixed)!.data,
    x0_t: results.get(TENSOR.x0)!.data,
    xt_next: results.get(TENSOR.next)!.data,
  };
  for (const [role, data] of Object.entries(found)) {
    const expected = of(role);
    if (expected) yield compare(`${id}.${role}`, data, expected, allowed(TOLERANCE, options));
  }
}

/** The first `wanted` channels of `n` samples from sample `from` on. */
function firstChannels(values: Float32Array, shape: readonly number[], wanted: number, from: number, n: number) {
  const [, channels, height, width] = shape as [number, number, number, number];
  const plane = height * width;
  const out = new Float32Array(n * wanted * plane);
  for (let s = 0; s < n; s++) {
    const at = (from + s) * channels * plane;
    out.set(values.subarray(at, at + wanted * plane), s * wanted * plane);
  }
  return out;
}
