import type { Device } from "../../src/gpu/device";
import { stepRow } from "../../src/inject/step-table";
import { type Dispatch, f32, type Tensor } from "../../src/kernels/dispatch";
import { groupNorm } from "../../src/kernels/norm/group-norm";
import { avgPool2 } from "../../src/kernels/pointwise/avg-pool2";
import { concat } from "../../src/kernels/pointwise/concat";
import { silu } from "../../src/kernels/pointwise/silu";
import { upsample2x } from "../../src/kernels/pointwise/upsample2x";
import { linear } from "../../src/kernels/product/linear";
import { calibrate } from "../../src/kernels/step/calibrate";
import { ddimStep } from "../../src/kernels/step/ddim";
import { moments } from "../../src/kernels/step/moments";
import { predictX0 } from "../../src/kernels/step/predict-x0";
import { STEP, STEP_FLOATS } from "../../src/kernels/step/step-row";
import { alphaBars } from "../../src/model/schedule";
import { networkOps } from "./network-ops";
import { type Check, type Made, Roles, type Subcase, type Values } from "./roles";

/** The checks of one subcase of a `kernel_*` file. */
export function* opChecks(subcase: Subcase, tensors: ReadonlyMap<string, Values>, device: Device): Iterable<Made> {
  const op = ops[subcase.op ?? ""];
  if (!op) {
    yield { id: subcase.id, error: `no kernel for the operation "${subcase.op}"` };
    return;
  }
  try {
    yield* op(new Roles(subcase, tensors), device);
  } catch (error) {
    yield { id: subcase.id, error: (error as Error).message };
  }
}

/** Operations of the `kernel_*` files. */
const ops: Record<string, (r: Roles, device: Device) => Iterable<Check>> = {
  ...networkOps,

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
    row[STEP.EPS_O] = 1;
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
