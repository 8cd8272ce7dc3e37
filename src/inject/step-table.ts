import { UserError } from "../errors";
import { MAX_CONTENTS, MIX, type MixRule, STEP, STEP_FLOATS } from "../kernels/step/step-row";
import { type Form, formsOf } from "../model/prediction";
import { logSnr, type Prediction } from "../model/schedule";

/** One step of one sample, in the paper's symbols. */
export interface Step {
  /** time step t given to the network, and the one it leads to (negative: the clean image) */
  readonly t: number;
  readonly next: number;
  /** time step of x, where it is not t (negative: the clean image) */
  readonly from?: number;
  /** time step of the kept prediction that this step extrapolates from, by DPM-Solver++(2M); absent: of first order */
  readonly last?: number;
  /** what BDIA adds: the rest of a step back to time step t, or as it was kept where there is no t, by a weight */
  readonly back?: { readonly t?: number; readonly weight: number };
  /** x_next is the noise z with which this step would lead to what the step before left */
  readonly solvesNoise?: boolean;
  /** alpha-bar of the clean image: 1, or that of t = 0 */
  readonly clean?: "one" | "first";
  /** share of fresh noise: 0 DDIM, 1 as noisy as DDPM */
  readonly eta?: number;
  /** the predicted x0 is clamped to +-clip; 0: it is not */
  readonly clip?: number;
  /** the noise is computed anew from the clamped x0 */
  readonly rederive?: boolean;
  /** lambda of the direction term; 1: off */
  readonly dtLambda?: number;
  /** share of each content */
  readonly gammas?: readonly number[];
  readonly rules?: readonly MixRule[];
  readonly omega?: number;
  readonly rescale?: boolean;
  readonly seed?: number;
  readonly stream?: number;
  /** noise counter: index of the step in the run */
  readonly draw?: number;
}

/** The row of one sample, coefficients computed in f64 from alpha-bar.
 *  @throws UserError where the output tells nothing: `epsilon` at alpha-bar 0, `sample` at 1 */
export function stepRow(step: Step, alphaBar: Float64Array, prediction: Prediction = "epsilon"): Float32Array {
  const alphaAt = (t: number) => (t >= 0 ? alphaBar[t]! : step.clean === "first" ? alphaBar[0]! : 1);
  const a = alphaAt(step.from ?? step.t);
  const { x0, eps } = formsOf(prediction, step.clip ? Math.max(a, LEAST_ALPHA) : a);
  const update = implicit(step, a, alphaAt(step.next), eps);
  const extra = step.last === undefined ? 0 : extrapolation(update.clean, a, alphaAt(step.next), alphaAt(step.last));
  const row = new Float32Array(STEP_FLOATS);
  const words = new Uint32Array(row.buffer);
  row[STEP.T] = step.t;
  row[STEP.SQRT_ALPHA] = Math.sqrt(a);
  row[STEP.SQRT_ONE_MINUS_ALPHA] = Math.sqrt(1 - a);
  row[STEP.SQRT_ALPHA_NEXT] = update.scale + extra;
  row[STEP.DIRECTION] = update.direction;
  row[STEP.SIGMA] = update.sigma;
  row[STEP.OMEGA] = step.omega ?? 0;
  row[STEP.RESCALE] = step.rescale === false ? 0 : 1;
  row.set([...x0, ...update.of, step.clip ?? 0], STEP.X0_X);
  row[STEP.BEFORE] = step.back?.weight ?? -extra;
  if (step.back?.t !== undefined) {
    row[STEP.BACK_SIGNAL] = Math.sqrt(alphaAt(step.back.t));
    row[STEP.BACK_NOISE] = Math.sqrt(1 - alphaAt(step.back.t));
  }
  if (step.solvesNoise) {
    row[STEP.SQRT_ALPHA_NEXT] = -update.scale / update.sigma;
    row[STEP.DIRECTION] = -update.direction / update.sigma;
    row[STEP.SIGMA] = 0;
    row[STEP.BEFORE] = 1 / update.sigma;
  }
  const odd = row.findIndex((v) => !Number.isFinite(v));
  if (odd >= 0)
    throw new UserError(
      `t = ${step.t}: at alpha-bar ${a} an output of ${prediction} does not tell the noise and the picture; begin at another time step`,
    );
  words[STEP.SEED] = step.seed ?? 0;
  words[STEP.STREAM] = step.stream ?? 0;
  words[STEP.DRAW] = step.draw ?? 0;
  for (let k = 0; k < MAX_CONTENTS; k++) {
    row[STEP.GAMMA + k] = step.gammas?.[k] ?? 0;
    row[STEP.RULE + k] = MIX[step.rules?.[k] ?? "slerp"];
  }
  return row;
}

/** In place of 0, where the predicted x0 is clamped: only its sign is left then. */
const LEAST_ALPHA = 1e-36;

/** x_next = scale P + direction (of[0] x + of[1] o) + sigma z. */
interface Update {
  readonly scale: number;
  readonly direction: number;
  readonly sigma: number;
  readonly of: Form;
  /** weight of the predicted x0 in x_next once x is written for the noise, lambda aside */
  readonly clean: number;
}

/** DDIM, Song et al. 2021, eq. 12: sigma = eta sqrt((1 - a_next) / (1 - a_t)) sqrt(1 - a_t / a_next).
 *  A lambda other than 1 takes the place of the noise: direction = lambda sqrt(1 - a_next). */
function implicit({ eta = 0, dtLambda = 1, rederive }: Step, a: number, aNext: number, eps: Form): Update {
  const noisy = eta > 0 && dtLambda === 1;
  const sigma = noisy ? eta * Math.sqrt(((1 - aNext) / (1 - a)) * Math.max(0, 1 - a / aNext)) : 0;
  const scale = Math.sqrt(aNext);
  const plain = Math.sqrt(Math.max(0, 1 - aNext - sigma * sigma));
  const direction = dtLambda * plain;
  const clean = scale - plain * Math.sqrt(a / (1 - a));
  if (!rederive) return { scale, direction, sigma, of: eps, clean };
  // e = (x - sqrt(a) P) / sqrt(1 - a) of the clamped P
  const noise = Math.sqrt(1 - a);
  return { scale: scale - (direction * Math.sqrt(a)) / noise, direction: direction / noise, sigma, of: [1, 0], clean };
}

/** Factor K of P - P_last that DPM-Solver++(2M) adds to a step: P is taken to go on as it went since the last step, so that
 *  D = P + (P - P_last) / (2 r) stands where P stood, r = (lambda_t - lambda_last) / (lambda_next - lambda_t).
 *  Lu et al. 2022, algorithm 2, midpoint. Without noise the weight of P is sqrt(a_next) (1 - e^-h), with noise of eta 1
 *  sqrt(a_next) (1 - e^-2h): the solver of the stochastic equation. */
const extrapolation = (weight: number, a: number, aNext: number, aLast: number): number =>
  (weight * (logSnr(aNext) - logSnr(a))) / (2 * (logSnr(a) - logSnr(aLast)));

/** Bytes from one step's rows to the next: dynamic offsets are multiples of 256. */
export const rowStride = (batch: number): number => Math.ceil((batch * STEP_FLOATS * 4) / 256) * 256;

/** The table of a run: for every step the rows of every sample, ready to upload once before the first step. */
export function stepTable(
  steps: readonly (readonly Step[])[],
  alphaBar: Float64Array,
  prediction: Prediction = "epsilon",
): Uint8Array<ArrayBuffer> {
  const batch = steps[0]?.length ?? 0;
  const stride = rowStride(batch);
  const table = new Uint8Array(steps.length * stride);
  steps.forEach((samples, k) => {
    samples.forEach((s, n) => {
      const row = stepRow(s, alphaBar, prediction);
      table.set(new Uint8Array(row.buffer), k * stride + n * STEP_FLOATS * 4);
    });
  });
  return table;
}
