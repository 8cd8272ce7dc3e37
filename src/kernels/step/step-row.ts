/** One row of the step table: every per-step scalar of one sample, computed on the host once, before the first step.
 *  The table is f32 [steps, N, STEP_FLOATS]; a step's rows start at a multiple of 256 bytes, and kernels see
 *  `array<f32>` with sample n at n * STEP_FLOATS (dynamic offset picks the step).   a_t: alpha-bar at t */
export const STEP_FLOATS = 36;

/** Index of each scalar in a row. shaders/lib/step_row.wgsl has the same numbers; test/step-row.test.ts compares them. */
export const STEP = {
  /** time step given to the network */
  T: 0,
  /** sqrt(a_t) */
  SQRT_ALPHA: 1,
  /** sqrt(1 - a_t) */
  SQRT_ONE_MINUS_ALPHA: 2,
  /** sqrt(a_next) */
  SQRT_ALPHA_NEXT: 3,
  /** factor of the direction e in x_next: sqrt(1 - a_next - sigma^2), or dt_lambda sqrt(1 - a_next) */
  DIRECTION: 4,
  /** factor of fresh noise in x_next */
  SIGMA: 5,
  /** calibration strength omega */
  OMEGA: 6,
  /** 1: the calibrated step re-scales P~ to the standard deviation of P; 0: it does not */
  RESCALE: 7,
  /** noise key, two u32 stored by their bits: the run's seed, and the sample's stream */
  SEED: 8,
  STREAM: 9,
  /** noise counter, u32 by its bits: index of the step in the run */
  DRAW: 10,
  /** predicted x0 = X0_X x + X0_O o of the network's output o, clamped to +-CLIP where that is not 0 */
  X0_X: 11,
  X0_O: 12,
  /** direction e = EPS_X x + EPS_O o: the predicted noise, or what a sampler has in its place */
  EPS_X: 13,
  EPS_O: 14,
  CLIP: 15,
  /** gamma of content k, k < MAX_CONTENTS */
  GAMMA: 16,
  /** mixing rule of content k: a value of MIX, as f32 */
  RULE: 24,
  /** factor in x_next of what the step before left: its predicted x0 (DPM-Solver++), or the rest of `retrace` (BDIA); 0: it
   *  is not read */
  BEFORE: 32,
  /** sqrt(a) and sqrt(1 - a) where x was before this step */
  BACK_SIGNAL: 33,
  BACK_NOISE: 34,
} as const;

export const MAX_CONTENTS = 8;

/** Mixing rules: h~ = a h + b h_c.   Jeong et al. 2023, section 3.2 and ablation
 *  slerp: norm-matched spherical interpolation; slerpRaw: the same without matching |h_c| to |h|;
 *  lerp: (1 - gamma) h + gamma h_c; add: h + gamma h_c; replace: h_c; addKept: add, scaled back to |h|. */
export const MIX = { slerp: 0, slerpRaw: 1, lerp: 2, add: 3, replace: 4, addKept: 5 } as const;
/** Name of a mixing rule. */
export type MixRule = keyof typeof MIX;
