import { ShapeError } from "../../errors";
import { ceilDiv, type Dispatch, step, type Tensor, write } from "../dispatch";
import { expectSteps } from "./per-sample";

/** Sinusoidal embedding of each sample's time step.   Vaswani et al. 2017; shaders/pointwise/time_embedding.wgsl
 *  steps: the step row of each sample; y: f32 [N, ch]. With half = floor(ch / 2):
 *  "sin-cos" (DDPM): sin in the first half, frequencies exp(-ln(1e4) i / (half - 1));
 *  "cos-sin" (ADM): cos in the first half, frequencies exp(-ln(1e4) i / half). An odd last column is 0.
 *  @throws ShapeError if ch < 4. */
export function timeEmbedding(
  { steps, y }: { steps: Tensor; y: Tensor },
  o: { order: "sin-cos" | "cos-sin" },
): Dispatch[] {
  const [n, channels] = y.shape as [number, number];
  expectSteps(steps, n);
  if (y.shape.length !== 2 || channels < 4)
    throw new ShapeError(`${y.name}: shape [${y.shape}], needed [N, 4 or more]`);
  return [
    {
      label: y.name,
      shader: "pointwise/time_embedding",
      constants: { CHANNELS: channels, COS_FIRST: Number(o.order === "cos-sin") },
      bindings: [step(steps), write(y)],
      workgroups: [ceilDiv(channels, 64), n, 1],
    },
  ];
}
