import { ShapeError } from "../../errors";
import { ceilDiv, type Dispatch, dims4, expectShape, grid1d, read, type Tensor, write } from "../dispatch";

/** Mean of 2x2 blocks; an odd last row or column is dropped.   shaders/pointwise/avg_pool2.wgsl
 *  x: f32 [N, C, H, W]; y: f32 [N, C, floor(H / 2), floor(W / 2)].   @throws ShapeError below 2x2. */
export function avgPool2({ x, y }: { x: Tensor; y: Tensor }): Dispatch[] {
  const [n, c, h, w] = dims4(x);
  if (h < 2 || w < 2) throw new ShapeError(`${x.name}: planes of ${h}x${w}, expected 2x2 or more`);
  const [height, width] = [Math.floor(h / 2), Math.floor(w / 2)];
  expectShape(y, n, c, height, width);
  return [
    {
      label: y.name,
      shader: "pointwise/avg_pool2",
      constants: { PLANES: n * c, H: h, W: w },
      bindings: [read(x), write(y)],
      workgroups: grid1d(ceilDiv(n * c * height * width, 256)),
    },
  ];
}
