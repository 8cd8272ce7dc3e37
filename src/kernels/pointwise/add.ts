import { type Dispatch, expectShape, read, type Tensor, write } from "../dispatch";
import { expectCycle, perSample, sampleElements, wide } from "./per-sample";

/** y = a + b, sample n of a with sample n % N2 of b.   shaders/pointwise/add.wgsl.   a, y: f32 [N, ...]; b: f32 [N2, ...]. */
export function add({ a, b, y }: { a: Tensor; b: Tensor; y: Tensor }): Dispatch[] {
  const n = a.shape[0]!;
  expectShape(b, b.shape[0]!, ...a.shape.slice(1));
  expectShape(y, ...a.shape);
  expectCycle(b, n);
  const count = sampleElements(a);
  return [
    {
      label: y.name,
      shader: "pointwise/add",
      constants: { COUNT: count, WIDE: wide(count), B_N: b.shape[0]! },
      bindings: [read(a), read(b), read(b), write(y)],
      workgroups: perSample(count, n, wide(count)),
    },
  ];
}
