import { ShapeError } from "../../errors";
import { ceilDiv, elements, grid1d, type Tensor } from "../dispatch";
import { STEP_FLOATS } from "../step/step-row";

/** Floats that a lane of a pointwise kernel handles at once: the widest load that divides all counts. On the software
 *  adapter 16 floats loaded whole cost a third of 16 loads. */
export const wide = (...counts: number[]): number => [16, 4].find((w) => counts.every((c) => c % w === 0)) ?? 1;

/** Workgroups of a pointwise kernel: lanes of `width` floats over `count` of each of `n` samples, 64 a workgroup, folded
 *  into x and y; z is the sample. */
export function perSample(count: number, n: number, width: number): [number, number, number] {
  const [x, y] = grid1d(ceilDiv(count / width, 64));
  return [x, y, n];
}

/** Elements of one sample. */
export const sampleElements = (t: Tensor): number => elements(t) / t.shape[0]!;

/** @throws ShapeError unless `t`, whose samples are read round and round, fits `n` samples. */
export function expectCycle(t: Tensor, n: number): void {
  if (!(t.shape[0]! >= 1) || n % t.shape[0]! !== 0)
    throw new ShapeError(`${t.name}: ${t.shape[0]} samples do not divide ${n} evenly`);
}

/** @throws ShapeError unless `steps` is [N, STEP_FLOATS], whatever stands before it. */
export function expectSteps(steps: Tensor, n: number): void {
  const [rows, floats] = steps.shape.slice(-2);
  if (rows !== n || floats !== STEP_FLOATS)
    throw new ShapeError(
      `${steps.name}: shape [${steps.shape}], expected one row of ${STEP_FLOATS} for each of ${n} samples`,
    );
}
