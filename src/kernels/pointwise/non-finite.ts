import { ShapeError } from "../../errors";
import { type Dispatch, expectShape, read, step, type Tensor, update } from "../dispatch";
import { perSample, sampleElements, wide } from "./per-sample";

/** Value of a flag that has seen finite values only; the host writes it before a run. */
export const ALL_FINITE = 0xffffffff;

/** flag = min(flag, DRAW) if x holds an infinity or a NaN.   shaders/pointwise/non_finite.wgsl
 *  x: f32 [N, ...]; steps: the step rows, DRAW from the first; flag: u32 [1], first `ALL_FINITE`. */
export function nonFinite({ x, steps, flag }: { x: Tensor; steps: Tensor; flag: Tensor }): Dispatch[] {
  expectShape(flag, 1);
  if (x.dtype !== "f32") throw new ShapeError(`${x.name}: ${x.dtype}, expected f32: its bits are looked at`);
  const count = sampleElements(x);
  return [
    {
      label: `${x.name}/finite`,
      shader: "pointwise/non_finite",
      constants: { COUNT: count, WIDE: wide(count) },
      bindings: [step(steps), read(x), update(flag)],
      workgroups: perSample(count, x.shape[0]!, wide(count)),
    },
  ];
}
