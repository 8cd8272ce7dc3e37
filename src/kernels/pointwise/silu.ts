import { type Dispatch, expectShape, read, type Tensor, write } from "../dispatch";
import { perSample, sampleElements, wide } from "./per-sample";

/** y = x / (1 + exp(-x)).   shaders/pointwise/silu.wgsl.   x, y: f32 of any shape. */
export function silu({ x, y }: { x: Tensor; y: Tensor }): Dispatch[] {
  expectShape(y, ...x.shape);
  const count = sampleElements(x);
  return [
    {
      label: y.name,
      shader: "pointwise/silu",
      constants: { COUNT: count, WIDE: wide(count) },
      bindings: [read(x), write(y)],
      workgroups: perSample(count, x.shape[0]!, wide(count)),
    },
  ];
}
