import { type Dispatch, expectShape, f32, grid1d, read, type Tensor, write } from "../dispatch";
import { sampleElements, wide } from "../pointwise/per-sample";

/** Lanes that sum over one sample. */
const LANES = 256;

/** Mean and unbiased standard deviation of each sample.   shaders/norm/partials.wgsl, moments.wgsl
 *  x: f32 [N, ...]; y: f32 [N, 2] = (mean, std). Combined from shifted partial sums: right at mean 1000, std 0.1. */
export function moments({ x, y }: { x: Tensor; y: Tensor }): Dispatch[] {
  const n = x.shape[0]!;
  const count = sampleElements(x);
  expectShape(y, n, 2);
  const partials = f32(`${y.name}/partials`, n, LANES, 4);
  return [
    {
      label: `${y.name}/partials`,
      shader: "norm/partials",
      constants: { N: n, C1: 1, PLANE: count, LANES, WIDE: wide(count) },
      bindings: [read(x), read(x), write(partials)],
      workgroups: grid1d((n * LANES) / 64),
    },
    {
      label: y.name,
      shader: "step/moments",
      constants: { COUNT: count, PARTIALS: LANES },
      bindings: [read(partials), write(y)],
      workgroups: [n, 1, 1],
    },
  ];
}
