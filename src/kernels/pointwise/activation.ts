import { type Dispatch, expectShape, read, type Tensor, write } from "../dispatch";
import { perSample, sampleElements, wide } from "./per-sample";

/** Activations of res blocks, by their number in the shader.   SiLU: x / (1 + exp(-x)), Elfwing et al. 2018;
 *  Mish: x tanh(ln(1 + exp x)), Misra 2019; GELU: x (1 + erf(x / sqrt 2)) / 2, Hendrycks & Gimpel 2016 */
export const ACTIVATION = { silu: 0, mish: 1, gelu: 2, relu: 3 } as const;
export type Activation = keyof typeof ACTIVATION;

/** y = f(x).   shaders/pointwise/activation.wgsl.   x, y: f32 of any shape. */
export function activation({ x, y }: { x: Tensor; y: Tensor }, kind: Activation): Dispatch[] {
  expectShape(y, ...x.shape);
  const count = sampleElements(x);
  return [
    {
      label: y.name,
      shader: "pointwise/activation",
      constants: { COUNT: count, WIDE: wide(count), KIND: ACTIVATION[kind] },
      bindings: [read(x), write(y)],
      workgroups: perSample(count, x.shape[0]!, wide(count)),
    },
  ];
}
