import { ShapeError } from "../../errors";
import { type Dispatch, expectShape, read, type Tensor, write } from "../dispatch";
import { perSample, sampleElements, wide } from "./per-sample";

/** y = [a; b] along the batch.   shaders/pointwise/stack.wgsl.   a: f32 [N1, ...]; b: f32 [N2, ...]; y: f32 [N1 + N2, ...]. */
export function stack({ a, b, y }: { a: Tensor; b: Tensor; y: Tensor }): Dispatch[] {
  const n = a.shape[0]! + b.shape[0]!;
  if (`${a.shape.slice(1)}` !== `${b.shape.slice(1)}`)
    throw new ShapeError(`${b.name}: samples of [${b.shape.slice(1)}], ${a.name} has [${a.shape.slice(1)}]`);
  expectShape(y, n, ...a.shape.slice(1));
  const count = sampleElements(a);
  return [
    {
      label: y.name,
      shader: "pointwise/stack",
      constants: { COUNT: count, WIDE: wide(count), A_N: a.shape[0]! },
      bindings: [read(a), read(b), write(y)],
      workgroups: perSample(count, n, wide(count)),
    },
  ];
}
