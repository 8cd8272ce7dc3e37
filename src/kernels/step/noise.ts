import { ceilDiv, type Dispatch, step, type Tensor, write } from "../dispatch";
import { expectSteps, sampleElements } from "../pointwise/per-sample";

/** Standard normal noise, a pure function of (SEED, STREAM, DRAW, element) of each sample's step row.
 *  Philox4x32-10 (Salmon et al. 2011), then Box & Muller 1958; shaders/step/noise.wgsl; on the host: src/reference/noise.ts
 *  steps: the step rows; y: f32 [N, ...]. With `whereSigma`, a sample whose row has SIGMA = 0 is left as it was. */
export function gaussian(
  { steps, y }: { steps: Tensor; y: Tensor },
  { whereSigma = false }: { whereSigma?: boolean } = {},
): Dispatch[] {
  const n = y.shape[0]!;
  const count = sampleElements(y);
  expectSteps(steps, n);
  return [
    {
      label: y.name,
      shader: "step/noise",
      constants: { COUNT: count, WHERE_SIGMA: Number(whereSigma) },
      bindings: [step(steps), write(y)],
      workgroups: [ceilDiv(count, 4 * 64), n, 1],
    },
  ];
}
