import { type Dispatch, expectShape, read, type Tensor, write } from "../dispatch";
import { perSample, sampleElements, wide } from "./per-sample";

/** y = scale x + shift.   shaders/pointwise/affine.wgsl.   x, y: f32 of any shape. */
export function affine({ x, y }: { x: Tensor; y: Tensor }, o: { scale: number; shift: number }): Dispatch[] {
  expectShape(y, ...x.shape);
  const count = sampleElements(x);
  return [
    {
      label: y.name,
      shader: "pointwise/affine",
      constants: { COUNT: count, WIDE: wide(count), SCALE: o.scale, SHIFT: o.shift },
      bindings: [read(x), write(y)],
      workgroups: perSample(count, x.shape[0]!, wide(count)),
    },
  ];
}
