import { ShapeError } from "../../errors";
import { type Dispatch, elements, expectShape, read, type Tensor, write } from "../dispatch";
import { perSample, wide } from "./per-sample";

/** y = [a; b] along the batch.   As one sample that is concatenated.   a: f32 [N1, ...]; b: f32 [N2, ...]; y: f32 [N1 + N2, ...]. */
export function stack({ a, b, y }: { a: Tensor; b: Tensor; y: Tensor }): Dispatch[] {
  const n = a.shape[0]! + b.shape[0]!;
  if (`${a.shape.slice(1)}` !== `${b.shape.slice(1)}`)
    throw new ShapeError(`${b.name}: samples of [${b.shape.slice(1)}], ${a.name} has [${a.shape.slice(1)}]`);
  expectShape(y, n, ...a.shape.slice(1));
  const counts = [elements(a), elements(b)] as const;
  const width = wide(...counts);
  return [
    {
      label: y.name,
      shader: "pointwise/concat",
      constants: { COUNT: elements(y), C1: counts[0], C2: counts[1], PLANE: 1, WIDE: width },
      bindings: [read(a), read(b), write(y)],
      workgroups: perSample(elements(y), 1, width),
    },
  ];
}
