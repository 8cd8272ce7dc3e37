import { type Dispatch, dims4, expectShape, read, step, type Tensor, write } from "../dispatch";
import { expectSteps, perSample, wide } from "../pointwise/per-sample";
import { STEP } from "./step-row";

/** Pictures with the noise of their time steps: y = SQRT_ALPHA x + SQRT_ONE_MINUS_ALPHA z.
 *  Ho et al. 2020, eq. 4; shaders/step/weighted.wgsl
 *  steps: the step rows; x, z, y: f32 [N, C, H, W]. */
export function diffuse({ steps, x, z, y }: { steps: Tensor; x: Tensor; z: Tensor; y: Tensor }): Dispatch[] {
  const [n, c, h, w] = dims4(x);
  expectSteps(steps, n);
  for (const tensor of [z, y]) expectShape(tensor, n, c, h, w);
  const count = c * h * w;
  return [
    {
      label: y.name,
      shader: "step/weighted",
      constants: {
        COUNT: count,
        EPS_COUNT: count,
        WIDE: wide(count),
        N: n,
        OF_X: STEP.SQRT_ALPHA,
        OF_O: STEP.SQRT_ONE_MINUS_ALPHA,
      },
      bindings: [step(steps), read(x), read(z), write(y)],
      workgroups: perSample(count, n, wide(count)),
    },
  ];
}
