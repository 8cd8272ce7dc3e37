import { ShapeError } from "../errors";
import { ceilDiv, type Dispatch, expectShape, f32, read, type Tensor, write } from "./dispatch";
import { wide } from "./per-sample";
import { silu } from "./silu";
import type { Dtype } from "./variants";

/** The weight that `linear` reads: f16 is for rows of whole fours, others stay f32. */
export const linearWeight = (name: string, rows: number, columns: number, dtype: Dtype): Tensor => ({
  name,
  shape: [rows, columns],
  dtype: columns % 4 === 0 ? dtype : "f32",
});

/** y = x W^T + b, with SiLU before or after if asked.   shaders/linear.wgsl
 *  x: f32 [N, I]; weight: f32 or f16 [O, I]; bias: f32 [O]; y: f32 [N, O]. Made for few samples and many rows. */
export function linear(
  io: { x: Tensor; weight: Tensor; bias: Tensor; y: Tensor },
  { siluIn = false, siluOut = false }: { siluIn?: boolean; siluOut?: boolean } = {},
): Dispatch[] {
  const { weight, bias, y } = io;
  if (weight.shape.length !== 2) throw new ShapeError(`${weight.name}: shape [${weight.shape}], needed [out, in]`);
  const [rows, columns] = weight.shape as [number, number];
  const n = io.x.shape[0]!;
  if (weight.dtype === "f16" && columns % 4 !== 0)
    throw new ShapeError(`${weight.name}: rows of ${columns} in f16, needed a multiple of 4`);
  expectShape(io.x, n, columns);
  expectShape(bias, rows);
  expectShape(y, n, rows);
  const x = siluIn ? f32(`${y.name}/silu`, n, columns) : io.x;
  const before = siluIn ? silu({ x: io.x, y: x }) : [];
  const tile = { TILE_M: 4, TILE_N: n >= 3 ? 4 : n, PER_WORD: weight.dtype === "f16" ? 2 : 1 };
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
