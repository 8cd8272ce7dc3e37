import { ShapeError } from "../errors";
import { ceilDiv, type Dispatch, expectShape, f32, read, type Tensor, write } from "./dispatch";
import { silu } from "./silu";

/** y = x W^T + b, with SiLU before or after if asked.   shaders/linear.wgsl, or linear_any.wgsl where I % 16 != 0
 *  x: f32 [N, I]; weight: f32 [O, I]; bias: f32 [O]; y: f32 [N, O]. Made for few samples and many rows. */
export function linear(
  io: { x: Tensor; weight: Tensor; bias: Tensor; y: Tensor },
  { siluIn = false, siluOut = false }: { siluIn?: boolean; siluOut?: boolean } = {},
): Dispatch[] {
  const { weight, bias, y } = io;
  if (weight.shape.length !== 2) throw new ShapeError(`${weight.name}: shape [${weight.shape}], needed [out, in]`);
  const [rows, columns] = weight.shape as [number, number];
  const n = io.x.shape[0]!;
  expectShape(io.x, n, columns);
  expectShape(bias, rows);
  expectShape(y, n, rows);
  const x = siluIn ? f32(`${y.name}/silu`, n, columns) : io.x;
  const before = siluIn ? silu({ x: io.x, y: x }) : [];
  const vectors = columns % 16 === 0;
  return [
    ...before,
    {
      label: y.name,
      shader: vectors ? "linear" : "linear_any",
      constants: { SAMPLES: n, ROWS: rows, COLUMNS: columns, SILU: Number(siluOut) },
      bindings: [read(x), read(weight), read(bias), write(y)],
      workgroups: vectors ? [ceilDiv(rows, 64 * 4), ceilDiv(n, 2), 1] : [ceilDiv(rows, 64), n, 1],
    },
  ];
}
