import { type Dispatch, dims4, expectShape, read, type Tensor, write } from "../dispatch";
import { perSample, wide } from "./per-sample";

/** Nearest-neighbour upsampling by two.   shaders/pointwise/upsample2x.wgsl.   x: f32 [N, C, H, W]; y: f32 [N, C, 2H, 2W]. */
export function upsample2x({ x, y }: { x: Tensor; y: Tensor }): Dispatch[] {
  const [n, c, h, w] = dims4(x);
  expectShape(y, n, c, 2 * h, 2 * w);
  return [
    {
      label: y.name,
      shader: "pointwise/upsample2x",
      constants: { COUNT: c * h * w, W: w, WIDE: wide(w) },
      bindings: [read(x), write(y)],
      workgroups: perSample(c * h * w, n, wide(w)),
    },
  ];
}
