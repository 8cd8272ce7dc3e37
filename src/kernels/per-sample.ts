import { ShapeError } from "../errors";
import { ceilDiv, elements, type Tensor } from "./dispatch";
import { STEP_FLOATS } from "./step-row";

/** Elements that one workgroup of a pointwise kernel covers: 128 lanes with 8 elements each. */
const BLOCK = 1024;

/** Workgroups of a pointwise kernel that runs over `count` elements (x) of each of `n` samples (y). */
export const perSample = (count: number, n: number): [number, number, number] => [ceilDiv(count, BLOCK), n, 1];

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
      `${steps.name}: shape [${steps.shape}], needed one row of ${STEP_FLOATS} for each of ${n} samples`,
    );
}
