import { ShapeError } from "../../errors";
import { type Dispatch, dims4, expectShape, read, type Tensor, write } from "../dispatch";
import { perSample, wide } from "./per-sample";

/** Pictures as bytes: floor((x + 1) / 2 * 255 + 1/2), clamped to 0..255, alpha 255.   shaders/pointwise/to_rgba8.wgsl
 *  x: f32 [N, 3, H, W], or of grey pictures [N, 1, H, W]; y: u32 [N, H, W], bytes R, G, B, A. A NaN becomes 0. */
export function toRgba8({ x, y }: { x: Tensor; y: Tensor }): Dispatch[] {
  const [n, c, h, w] = dims4(x);
  if (c !== 3 && c !== 1) throw new ShapeError(`${x.name}: ${c} channels, expected 3 or 1`);
  const [green, blue] = c === 3 ? [1, 2] : [0, 0];
  expectShape(y, n, h, w);
  return [
    {
      label: y.name,
      shader: "pointwise/to_rgba8",
      constants: { COUNT: h * w, CHANNELS: c, GREEN: green, BLUE: blue, WIDE: wide(h * w) },
      bindings: [read(x), write(y)],
      workgroups: perSample(h * w, n, wide(h * w)),
    },
  ];
}
