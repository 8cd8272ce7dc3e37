import { ShapeError } from "../../errors";
import { ceilDiv, type Dispatch, dims4, expectShape, grid1d, read, type Tensor, write } from "../dispatch";

/** y[n, 4c + 2a + b, i, j] = x[n, c, 2i + a, 2j + b].   shaders/pointwise/space_to_depth.wgsl
 *  x: f32 [N, C, H, W], H and W even; y: f32 [N, 4C, H / 2, W / 2].   @throws ShapeError for odd sides. */
export function spaceToDepth({ x, y }: { x: Tensor; y: Tensor }): Dispatch[] {
  const [n, c, h, w] = dims4(x);
  if (h % 2 !== 0 || w % 2 !== 0) throw new ShapeError(`${x.name}: planes of ${h}x${w}, expected even sides`);
  expectShape(y, n, 4 * c, h / 2, w / 2);
  return [
    {
      label: y.name,
      shader: "pointwise/space_to_depth",
      constants: { PLANES: n * c, H: h, W: w },
      bindings: [read(x), write(y)],
      workgroups: grid1d(ceilDiv((n * c * h * w) / 4, 256)),
    },
  ];
}
