import { MAX_CONTENTS, MIX, type MixRule, STEP, STEP_FLOATS } from "../kernels/step/step-row";

/** One step of one sample, in the paper's symbols. */
export interface Step {
  /** time step t given to the network, and the one it leads to (-1: the clean image) */
  readonly t: number;
  readonly next: number;
  /** share of fresh noise: 0 DDIM, 1 as noisy as DDPM */
  readonly eta?: number;
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

/** The row of one sample, coefficients computed in f64 from alpha-bar.   DDIM, Song et al. 2021, eq. 12
 *  sigma = eta sqrt((1 - a_next) / (1 - a_t)) sqrt(1 - a_t / a_next); a_{-1} = 1.
 *  A lambda other than 1 takes the place of the noise: direction = lambda sqrt(1 - a_next). */
export function stepRow(step: Step, alphaBar: Float64Array): Float32Array {
  const a = alphaBar[step.t]!;
  const aNext = step.next < 0 ? 1 : alphaBar[step.next]!;
  const eta = step.eta ?? 0;
  const lambda = step.dtLambda ?? 1;
  const sigma = eta > 0 && lambda === 1 ? eta * Math.sqrt(((1 - aNext) / (1 - a)) * Math.max(0, 1 - a / aNext)) : 0;
  const row = new Float32Array(STEP_FLOATS);
  const words = new Uint32Array(row.buffer);
  row[STEP.T] = step.t;
  row[STEP.SQRT_ALPHA] = Math.sqrt(a);
  row[STEP.SQRT_ONE_MINUS_ALPHA] = Math.sqrt(1 - a);
  row[STEP.SQRT_ALPHA_NEXT] = Math.sqrt(aNext);
  row[STEP.DIRECTION] = lambda * Math.sqrt(Math.max(0, 1 - aNext - sigma * sigma));
  row[STEP.SIGMA] = sigma;
  row[STEP.OMEGA] = step.omega ?? 0;
  row[STEP.RESCALE] = step.rescale === false ? 0 : 1;
  words[STEP.SEED] = step.seed ?? 0;
  words[STEP.STREAM] = step.stream ?? 0;
  words[STEP.DRAW] = step.draw ?? 0;
  for (let k = 0; k < MAX_CONTENTS; k++) {
    row[STEP.GAMMA + k] = step.gammas?.[k] ?? 0;
    row[STEP.RULE + k] = MIX[step.rules?.[k] ?? "slerp"];
  }
  return row;
}

/** Bytes from one step's rows to the next: dynamic offsets are multiples of 256. */
export const rowStride = (batch: number): number => Math.ceil((batch * STEP_FLOATS * 4) / 256) * 256;

/** The table of a run: for every step the rows of every sample, ready to upload once before the first step. */
export function stepTable(steps: readonly (readonly Step[])[], alphaBar: Float64Array): Uint8Array<ArrayBuffer> {
  const batch = steps[0]?.length ?? 0;
  const stride = rowStride(batch);
  const table = new Uint8Array(steps.length * stride);
  steps.forEach((samples, k) => {
    samples.forEach((s, n) => {
      const row = stepRow(s, alphaBar);
      table.set(new Uint8Array(row.buffer), k * stride + n * STEP_FLOATS * 4);
    });
  });
  return table;
}
