import { ceilDiv, type Dispatch, dims4, expectShape, grid1d, read, type Tensor, write } from "../dispatch";
import { wide } from "./per-sample";

/** Nearest-neighbour upsampling by two.   shaders/pointwise/upsample2x.wgsl.   x: f32 [N, C, H, W]; y: f32 [N, C, 2H, 2W]. */
export function upsample2x({ x, y }: { x: Tensor; y: Tensor }): Dispatch[] {
  const [n, c, h, w] = dims4(x);
  expectShape(y, n, c, 2 * h, 2 * w);
  return [
    {
      label: y.name,
      shader: "pointwise/upsample2x",
      constants: { PLANES: n * c, HEIGHT: h, WIDTH: w, WIDE: wide(w) },
      bindings: [read(x), write(y)],
      workgroups: grid1d(ceilDiv((n * c * h * w) / wide(w), 64)),
    },
  ];
}
