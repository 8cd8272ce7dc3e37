import { ShapeError } from "../errors";
import { ceilDiv, type Dispatch, expectShape, f32, read, type Tensor, write } from "./dispatch";
import { wide } from "./per-sample";
import { silu } from "./silu";

/** y = x W^T + b, with SiLU before or after if asked.   shaders/linear.wgsl
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
  const tile = { TILE_M: 4, TILE_N: n >= 3 ? 4 : n };
  return [
    ...before,
    {
      label: y.name,
      shader: "linear",
      constants: { SAMPLES: n, ROWS: rows, COLUMNS: columns, SILU: Number(siluOut), WIDE: wide(columns), ...tile },
      bindings: [read(x), read(weight), read(bias), write(y)],
      workgroups: [ceilDiv(rows, 64 * tile.TILE_M), ceilDiv(n, tile.TILE_N), 1],
    },
  ];
}
