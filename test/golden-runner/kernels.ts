import type { Device } from "../../src/gpu/device";
import { stepRow } from "../../src/inject/step-table";
import { avgPool2 } from "../../src/kernels/avg-pool2";
import { calibrate } from "../../src/kernels/calibrate";
import { concat } from "../../src/kernels/concat";
import { ddimStep } from "../../src/kernels/ddim";
import { type Dispatch, elements, f32, type Tensor, u32 } from "../../src/kernels/dispatch";
import { groupNorm } from "../../src/kernels/group-norm";
import { linear } from "../../src/kernels/linear";
import { mix } from "../../src/kernels/mix";
import { moments } from "../../src/kernels/moments";
import { predictX0 } from "../../src/kernels/predict-x0";
import { PLACEMENT_FLOATS, placementData, resample } from "../../src/kernels/resample";
import { silu } from "../../src/kernels/silu";
import { MIX, type MixRule, STEP, STEP_FLOATS } from "../../src/kernels/step-row";
import { timeEmbedding } from "../../src/kernels/time-embedding";
import { upsample2x } from "../../src/kernels/upsample2x";
import { alphaBars } from "../../src/model/schedule";
import { type Data, runOn } from "../support/run";

export interface Values {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A manifest of the golden directory, as far as kernels read it. */
export interface Manifest {
  readonly case: string;
  readonly tolerance?: number;
  readonly subcases?: readonly Subcase[];
}

interface Subcase {
  readonly id: string;
  readonly op?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  /** role -> tensor name */
  readonly tensors?: Readonly<Record<string, string>>;
  readonly tolerance?: number;
  readonly [extra: string]: unknown;
}

export interface CaseResult {
  readonly id: string;
  readonly ok: boolean;
  readonly worstAbs: number;
  /** worst |difference| / max(|expected|, rms of expected) */
  readonly worstRel: number;
  readonly tolerance: number;
  /** why it could not be run, or did not pass */
  readonly reason?: string;
}

export interface KernelCaseOptions {
  readonly device: Device;
  /** the tensors of another file of the directory, for cases that borrow a model's weights */
  readonly load?: (file: string) => Promise<ReadonlyMap<string, Values>>;
}

/** What one check needs: kernels to run, and what they should give. `offset` maps the output to the expected scale. */
interface Check {
  readonly id: string;
  readonly dispatches: readonly Dispatch[];
  readonly inputs: ReadonlyMap<Tensor, Data>;
  readonly output: Tensor;
  readonly expected: ArrayLike<number>;
  /** picks from the output what is compared */
  readonly pick?: (output: Float32Array) => ArrayLike<number>;
  /** largest relative error, or the largest absolute one */
  readonly tolerance?: number;
  readonly absolute?: boolean;
}

const TOLERANCE = 1e-4;

/** Runs every check of a `kernel_*`, `slerp`, `timestep_embedding` or `preprocess` manifest on the GPU.
 *  What cannot be run is a failed result with its reason, never left out. */
export async function* runKernelCase(
  manifest: Manifest,
  tensors: ReadonlyMap<string, Values>,
  { device, load }: KernelCaseOptions,
): AsyncIterable<CaseResult> {
  let checked = 0;
  for await (const made of checksOf(manifest, tensors, load)) {
    checked++;
    yield "error" in made ? failed(made.id, made.error) : await runCheck(device, manifest, made);
  }
  if (checked === 0) yield failed(manifest.case, "nothing in it that this runner knows how to check");
}

const failed = (id: string, reason: string): CaseResult => ({
  id,
  ok: false,
  worstAbs: Number.NaN,
  worstRel: Number.NaN,
  tolerance: TOLERANCE,
  reason,
});

async function runCheck(device: Device, manifest: Manifest, check: Check): Promise<CaseResult> {
  const { id, dispatches, inputs, output, expected, pick = (v) => v, absolute = false } = check;
  const tolerance = check.tolerance ?? manifest.tolerance ?? TOLERANCE;
  try {
    const [all] = await runOn(device, dispatches, inputs, [output]);
    const { worstAbs, worstRel } = compare(pick(all!), expected);
    return { id, ok: (absolute ? worstAbs : worstRel) <= tolerance, worstAbs, worstRel, tolerance };
  } catch (error) {
    return failed(id, (error as Error).message);
  }
}

/** NaN where either side has one: no comparison with a tolerance holds then. */
function compare(actual: ArrayLike<number>, expected: ArrayLike<number>): { worstAbs: number; worstRel: number } {
  if (actual.length !== expected.length)
    throw new Error(`${actual.length} values computed, ${expected.length} expected`);
  let squares = 0;
  for (let i = 0; i < expected.length; i++) squares += expected[i]! ** 2;
  const rms = Math.sqrt(squares / expected.length);
  let worstAbs = 0;
  let worstRel = 0;
  for (let i = 0; i < expected.length; i++) {
    const off = Math.abs(actual[i]! - expected[i]!);
    const relative = off === 0 ? 0 : off / Math.max(Math.abs(expected[i]!), rms);
    if (!(off <= worstAbs)) worstAbs = off;
    if (!(relative <= worstRel)) worstRel = relative;
    if (Number.isNaN(off)) break;
  }
  return { worstAbs, worstRel };
}

type Made = Check | { readonly id: string; readonly error: string };

async function* checksOf(
  manifest: Manifest,
  tensors: ReadonlyMap<string, Values>,
  load: KernelCaseOptions["load"],
): AsyncIterable<Made> {
  const families: Record<string, () => AsyncIterable<Made> | Iterable<Made>> = {
    slerp: () => slerpChecks(manifest, tensors),
    timestep_embedding: () => embeddingChecks(tensors, load),
    preprocess: () => preprocessChecks(manifest, tensors),
  };
  // A hidden or renamed case is known by its kind: the part of its name before any suffix.
  const family = Object.keys(families).find((name) => manifest.case === name || manifest.case.startsWith(`${name}_`));
  if (family) {
    yield* families[family]!();
    return;
  }
  for (const subcase of manifest.subcases ?? []) yield* opChecks(subcase, tensors);
}

/** The tensors of a subcase by role, on both sides. */
class Roles {
  readonly inputs = new Map<Tensor, Data>();

  constructor(
    readonly subcase: Subcase,
    readonly tensors: ReadonlyMap<string, Values>,
  ) {}

  has(role: string): boolean {
    return this.subcase.tensors?.[role] !== undefined;
  }

  values(role: string): Values {
    const name = this.subcase.tensors?.[role];
    const found = name === undefined ? undefined : this.tensors.get(name);
    if (!found) throw new Error(`no tensor for "${role}"`);
    return found;
  }

  /** A tensor with the data of this role, in another shape if asked. */
  input(role: string, ...shape: number[]): Tensor {
    const { shape: stored, data } = this.values(role);
    return this.given(role, data, ...(shape.length > 0 ? shape : stored));
  }

  given(name: string, data: ArrayLike<number>, ...shape: number[]): Tensor {
    const t = f32(name, ...shape);
    if (elements(t) !== data.length) throw new Error(`${name}: ${data.length} values for shape [${shape}]`);
    this.inputs.set(t, Float32Array.from(data));
    return t;
  }

  param<T>(name: string): T | undefined {
    return this.subcase.params?.[name] as T | undefined;
  }

  /** The check that `output` equals the tensor of `role`. */
  check(dispatches: readonly Dispatch[], output: Tensor, role = "y", more: Partial<Check> = {}): Check {
    const { subcase, inputs } = this;
    const id = role === "y" ? subcase.id : `${subcase.id}.${role}`;
    const tolerance = subcase.tolerance === undefined ? {} : { tolerance: subcase.tolerance };
    return { id, dispatches, inputs, output, expected: this.values(role).data, ...tolerance, ...more };
  }
}

function* opChecks(subcase: Subcase, tensors: ReadonlyMap<string, Values>): Iterable<Made> {
  const op = ops[subcase.op ?? ""];
  if (!op) {
    yield { id: subcase.id, error: `no kernel for the operation "${subcase.op}"` };
    return;
  }
  try {
    yield* op(new Roles(subcase, tensors));
  } catch (error) {
    yield { id: subcase.id, error: (error as Error).message };
  }
}

/** Operations of the `kernel_*` files. */
const ops: Record<string, (r: Roles) => Iterable<Check>> = {
  *group_norm(r) {
    const x = r.input("x");
    const [n, c] = x.shape as [number, number];
    const { shape: _, ...film } = r.param<boolean>("scale_shift") ? filmOf(r, n, c) : { shape: 0 };
    const y = f32("out", ...x.shape);
    const norm = f32("norm", n, c, 4);
    const io = { x, gamma: r.input("gamma"), beta: r.input("beta"), ...film, norm, y };
    yield r.check(
      groupNorm(io, {
        groups: r.param<number>("groups")!,
        eps: r.param<number>("eps")!,
        silu: r.param("silu") ?? false,
      }),
      y,
    );
  },

  *silu(r) {
    const x = r.input("x");
    const y = f32("out", ...x.shape);
    yield r.check(silu({ x, y }), y);
  },

  *upsample_nearest2x(r) {
    const x = r.input("x");
    const y = f32("out", ...r.values("y").shape);
    yield r.check(upsample2x({ x, y }), y);
  },

  *avg_pool2(r) {
    const x = r.input("x");
    const y = f32("out", ...r.values("y").shape);
    yield r.check(avgPool2({ x, y }), y);
  },

  *linear(r) {
    const y = f32("out", ...r.values("y").shape);
    yield r.check(linear({ x: r.input("x"), weight: r.input("w"), bias: r.input("b"), y }), y);
  },

  *concat(r) {
    const y = f32("out", ...r.values("y").shape);
    yield r.check(concat({ x: r.input("a"), skip: r.input("b"), y }), y);
  },

  *ddim_step(r) {
    yield* ddimChecks(r, r.input("et"), false);
  },

  *asymmetric_ddim_step(r) {
    yield* ddimChecks(r, bothEps(r), true);
  },

  *latent_calibration_step(r) {
    const x = r.input("xt");
    const [n] = x.shape as [number];
    const steps = stepsOf(r, n, { omega: r.param<number>("omega")! });
    const eps = bothEps(r);
    const p = f32("p", ...eps.shape);
    const stats = f32("moments", 2 * n, 2);
    const shifted = f32("shifted", ...x.shape);
    const before = [
      ...predictX0({ steps, x, eps, y: p }),
      ...moments({ x: p, y: stats }),
      ...calibrate({ steps, x, eps, p, moments: stats, y: shifted }),
    ];
    yield* stepChecks(r, before, { steps, x: shifted, eps: r.input("et_second") }, false);
  },

  *mean_std_chw(r) {
    const x = r.input("x");
    const n = x.shape[0]!;
    const y = f32("out", n, 2);
    const dispatches = moments({ x, y });
    const column = (k: number) => (v: Float32Array) => v.filter((_, i) => i % 2 === k);
    yield r.check(dispatches, y, "y", { pick: column(0) });
    if (r.has("std")) yield r.check(dispatches, y, "std", { pick: column(1) });
  },

  // With x = P and sqrt(a_t) = 1, omega = 0, the calibrated x' is P'.
  *calibration_rescale(r) {
    const x = r.input("a");
    const n = x.shape[0]!;
    const p = r.given("p", [...r.values("a").data, ...r.values("b").data], 2 * n, ...x.shape.slice(1));
    const row = new Float32Array(STEP_FLOATS);
    row[STEP.SQRT_ALPHA] = 1;
    row[STEP.RESCALE] = 1;
    const steps = r.given("steps", Array.from({ length: n }, () => [...row]).flat(), n, STEP_FLOATS);
    const stats = f32("moments", 2 * n, 2);
    const y = f32("out", ...x.shape);
    yield r.check([...moments({ x: p, y: stats }), ...calibrate({ steps, x, eps: p, p, moments: stats, y })], y);
  },
};

/** ADM's scale and shift as the columns of one tensor. */
function filmOf(r: Roles, n: number, c: number) {
  const [scale, shift] = [r.values("scale").data, r.values("shift").data];
  const rows = scale.length / c;
  const columns = Array.from({ length: rows }, (_, i) => [
    ...scale.subarray(i * c, (i + 1) * c),
    ...shift.subarray(i * c, (i + 1) * c),
  ]);
  return { shape: n, film: { tensor: r.given("film", columns.flat(), rows, 2 * c), offset: 0 } };
}

/** e and e~, as one batch. */
function bothEps(r: Roles): Tensor {
  const [n, ...rest] = r.values("et").shape as [number, ...number[]];
  return r.given("eps", [...r.values("et").data, ...r.values("et_modified").data], 2 * n, ...rest);
}

/** Step rows from a subcase's t, t_next and eta; alpha-bars as in the official program. */
function stepsOf(r: Roles, n: number, more: { omega?: number } = {}): Tensor {
  const times = r.param<number[]>("t")!;
  const nexts = r.param<number[]>("t_next")!;
  const eta = r.param<number>("eta") ?? 0;
  const bars = alphaBars("f32");
  const rows = times.flatMap((t, i) => [...stepRow({ t, next: nexts[i]!, eta, ...more }, bars)]);
  return r.given("steps", rows, n, STEP_FLOATS);
}

function* ddimChecks(r: Roles, eps: Tensor, asymmetric: boolean): Iterable<Check> {
  const x = r.input("xt");
  const steps = stepsOf(r, x.shape[0]!);
  const noise = r.has("noise") ? { noise: r.input("noise") } : {};
  yield* stepChecks(r, [], { steps, x, eps, ...noise }, asymmetric);
}

function* stepChecks(
  r: Roles,
  before: readonly Dispatch[],
  io: { steps: Tensor; x: Tensor; eps: Tensor; noise?: Tensor },
  asymmetric: boolean,
): Iterable<Check> {
  const next = f32("next", ...io.x.shape);
  const x0 = f32("x0", ...io.x.shape);
  const dispatches = [...before, ...ddimStep({ ...io, next, x0 }, { asymmetric })];
  yield r.check(dispatches, next);
  if (r.has("x0_t")) yield r.check(dispatches, x0, "x0_t");
}

/** `raw.gammaG`, `norm.gammaG`, `mask.gammaG`: the official slerp, norm-matched slerp, and slerp inside a mask. */
function* slerpChecks(manifest: Manifest, tensors: ReadonlyMap<string, Values>): Iterable<Made> {
  const rules: Record<string, MixRule> = { raw: "slerpRaw", norm: "slerp", mask: "slerpRaw" };
  const wanted = [...tensors.keys()].filter((name) => /^(raw|norm|mask)\.gamma/.test(name));
  for (const name of wanted) {
    const [kind] = name.split(".") as [string];
    const roles = { h: "h", content: "delta_h", y: name, mask: "mask" };
    const tolerance = manifest.tolerance === undefined ? {} : { tolerance: manifest.tolerance };
    const r = new Roles({ id: name, tensors: roles, ...tolerance }, tensors);
    try {
      const h = r.input("h");
      const [n, , height, width] = h.shape as [number, number, number, number];
      const given = Number(name.slice(name.indexOf("gamma") + 5));
      const listed = manifest.subcases?.find((s) => s.gamma === given)?.effective_gamma;
      const row = new Float32Array(STEP_FLOATS);
      row[STEP.GAMMA] = typeof listed === "number" ? listed : given;
      row[STEP.RULE] = MIX[rules[kind]!];
      const steps = r.given("steps", Array.from({ length: n }, () => [...row]).flat(), n, STEP_FLOATS);
      const mask = kind === "mask" ? { mask: r.input("mask", r.values("mask").shape[0]!, height, width) } : {};
      const y = f32("out", ...h.shape);
      yield r.check(mix({ steps, h, content: r.input("content"), ...mask, y }, { slot: 0 }), y);
    } catch (error) {
      yield { id: name, error: (error as Error).message };
    }
  }
}

/** `ddpm.dimD` and `adm.dimD` at the time steps `t`; `get_temb.MODEL`: with the time layers of that model's weights. */
async function* embeddingChecks(
  tensors: ReadonlyMap<string, Values>,
  load: KernelCaseOptions["load"],
): AsyncIterable<Made> {
  for (const name of tensors.keys()) {
    if (name === "t") continue;
    const [kind, what] = [name.slice(0, name.indexOf(".")), name.slice(name.indexOf(".") + 1)];
    const r = new Roles({ id: name, tensors: { t: "t", y: name } }, tensors);
    try {
      const times = [...r.values("t").data];
      const rows = times.flatMap((t) => [t, ...new Array<number>(STEP_FLOATS - 1).fill(0)]);
      const steps = r.given("steps", rows, times.length, STEP_FLOATS);
      if (kind === "ddpm" || kind === "adm") {
        const y = f32("out", ...r.values("y").shape);
        yield r.check(timeEmbedding({ steps, y }, { order: kind === "ddpm" ? "sin-cos" : "cos-sin" }), y);
      } else if (kind === "get_temb" && load) {
        yield timeLayers(r, steps, await load(`${what}.weights.safetensors`));
      } else yield { id: name, error: `nothing known about "${kind}"${load ? "" : ", or no weights to load"}` };
    } catch (error) {
      yield { id: name, error: (error as Error).message };
    }
  }
}

function timeLayers(r: Roles, steps: Tensor, weights: ReadonlyMap<string, Values>): Check {
  const layer = (i: number) => {
    const [weight, bias] = [weights.get(`temb.dense.${i}.weight`), weights.get(`temb.dense.${i}.bias`)];
    if (!weight || !bias) throw new Error(`the weights have no temb.dense.${i}`);
    return {
      weight: r.given(`weight${i}`, weight.data, ...weight.shape),
      bias: r.given(`bias${i}`, bias.data, ...bias.shape),
    };
  };
  const [first, second] = [layer(0), layer(1)];
  const n = steps.shape[0]!;
  const embedding = f32("embedding", n, first.weight.shape[1]!);
  const hidden = f32("hidden", n, first.weight.shape[0]!);
  const y = f32("out", n, second.weight.shape[0]!);
  return r.check(
    [
      ...timeEmbedding({ steps, y: embedding }, { order: "sin-cos" }),
      ...linear({ x: embedding, ...first, y: hidden }, { siluOut: true }),
      ...linear({ x: hidden, ...second, y }),
    ],
    y,
  );
}

/** Centre crop and antialiased resize of u8 pictures, within one 8-bit level: 2/255, and f32 rounding. */
function* preprocessChecks(manifest: Manifest, tensors: ReadonlyMap<string, Values>): Iterable<Made> {
  for (const subcase of manifest.subcases ?? []) {
    const { id } = subcase;
    const r = new Roles({ id, tensors: { u8: `${id}.u8`, y: `${id}.y` } }, tensors);
    try {
      const { width, height, size, crop, left, top } = subcase as unknown as Record<string, number> & Subcase;
      const matrix = [crop! / size!, 0, 0, 0, 0, crop! / size!, 0, 0, left!, top!, 1, 0];
      const window = [left!, top!, left! + crop!, top! + crop!] as const;
      const picture = { matrix, window, width: width!, height: height! };
      const placement = r.given("placement", placementData(picture), PLACEMENT_FLOATS);
      const image = u32("image", height!, width!);
      const bytes = r.values("u8").data;
      const plane = width! * height!;
      r.inputs.set(
        image,
        Uint32Array.from(
          { length: plane },
          (_, i) => bytes[i]! | (bytes[plane + i]! << 8) | (bytes[2 * plane + i]! << 16),
        ),
      );
      const y = f32("out", 1, ...r.values("y").shape);
      const tolerance = subcase.tolerance ?? manifest.tolerance ?? 2 / 255 + 1e-6;
      yield r.check(resample({ image, placement, y }), y, "y", { tolerance, absolute: true });
    } catch (error) {
      yield { id, error: (error as Error).message };
    }
  }
}
