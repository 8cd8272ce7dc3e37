import { type Dispatch, dims4, expectShape, read, type Tensor, write } from "../dispatch";
import { expectCycle, perSample, wide } from "./per-sample";

/** y = [x; skip] along the channels.   shaders/pointwise/concat.wgsl.   Kernels with two inputs make it rarely needed.
 *  x: f32 [N, C1, H, W]; skip: f32 [N2, C2, H, W], sample n reads n % N2; y: f32 [N, C1 + C2, H, W]. */
export function concat({ x, skip, y }: { x: Tensor; skip: Tensor; y: Tensor }): Dispatch[] {
  const [n, c1, h, w] = dims4(x);
  const [n2, c2] = dims4(skip);
  expectShape(skip, n2, c2, h, w);
  expectCycle(skip, n);
  expectShape(y, n, c1 + c2, h, w);
  const width = wide(c1 * h * w, c2 * h * w);
  return [
    {
      label: y.name,
      shader: "pointwise/concat",
      constants: { COUNT: (c1 + c2) * h * w, C1: c1, C2: c2, PLANE: h * w, SKIP_N: n2, WIDE: width },
      bindings: [read(x), read(skip), write(y)],
      workgroups: perSample((c1 + c2) * h * w, n, width),
    },
  ];
}
