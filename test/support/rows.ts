import { f32, type Tensor } from "../../src/kernels/dispatch";
import { STEP, STEP_FLOATS } from "../../src/kernels/step/step-row";
import type { Scalars } from "../../src/reference";

/** Scalars of one sample's row by name; `GAMMA` and `RULE` are those of content 0. */
export type Row = Partial<Record<keyof typeof STEP, number>>;

const words: readonly string[] = ["SEED", "STREAM", "DRAW"];

/** The step rows of a batch, as tensor and data; what is not named is NaN, so that a kernel reading it shows. */
export function stepRows(...rows: Row[]): { steps: Tensor; data: Float32Array<ArrayBuffer> } {
  const data = new Float32Array(rows.length * STEP_FLOATS).fill(Number.NaN);
  const bits = new Uint32Array(data.buffer);
  rows.forEach((row, n) => {
    for (const [name, value] of Object.entries(row)) {
      const at = n * STEP_FLOATS + STEP[name as keyof typeof STEP];
      if (words.includes(name)) bits[at] = value;
      else data[at] = value;
    }
  });
  return { steps: f32("steps", rows.length, STEP_FLOATS), data };
}

/** Scalars by which an output is the predicted noise. */
export const epsilonScalars = (alpha: number): Pick<Scalars, "X0_X" | "X0_O" | "EPS_X" | "EPS_O"> => ({
  X0_X: 1 / Math.sqrt(alpha),
  X0_O: -Math.sqrt(1 - alpha) / Math.sqrt(alpha),
  EPS_X: 0,
  EPS_O: 1,
});
