import { ShapeError } from "../../errors";
import { ceilDiv, type Dispatch, expectShape, f32, read, type Tensor, write } from "../dispatch";
import { wide } from "../pointwise/per-sample";
import { silu } from "../pointwise/silu";
import type { Dtype, Target } from "../target";

/** The weight that `linear` reads: f16 is for rows of whole fours, others stay f32. */
export const linearWeight = (name: string, rows: number, columns: number, dtype: Dtype): Tensor => ({
  name,
  shape: [rows, columns],
  dtype: columns % 4 === 0 ? dtype : "f32",
});

/** How a linear layer is computed. lanes: a lane does whole rows, shaders/product/linear.wgsl; rows: lanes share a row, for GPUs and
 *  rows of whole fours, shaders/product/linear_rows.wgsl. */
export type LinearVariant = "lanes" | "rows";

/** The variant of `linear` for rows of this length on a target. */
export const chooseLinear = (columns: number, { adapterClass }: Pick<Target, "adapterClass">): LinearVariant =>
  adapterClass === "gpu" && columns % 4 === 0 ? "rows" : "lanes";

/** y = x W^T + b, with SiLU before or after if asked.
 *  x: f32 [N, I]; weight: f32 or f16 [O, I]; bias: f32 [O]; y: f32 [N, O]. Made for few samples and many rows. */
export function linear(
  io: { x: Tensor; weight: Tensor; bias: Tensor; y: Tensor },
  {
    siluIn = false,
    siluOut = false,
    variant = "lanes",
  }: { siluIn?: boolean; siluOut?: boolean; variant?: LinearVariant } = {},
): Dispatch[] {
  const { weight, bias, y } = io;
  if (weight.shape.length !== 2) throw new ShapeError(`${weight.name}: shape [${weight.shape}], expected [out, in]`);
  const [rows, columns] = weight.shape as [number, number];
  const n = io.x.shape[0]!;
  if (weight.dtype === "f16" && columns % 4 !== 0)
    throw new ShapeError(`${weight.name}: rows of ${columns} in f16, expected a multiple of 4`);
  expectShape(io.x, n, columns);
  expectShape(bias, rows);
  expectShape(y, n, rows);
  const x = siluIn ? f32(`${y.name}/silu`, n, columns) : io.x;
  const before = siluIn ? silu({ x: io.x, y: x }) : [];
  if (variant === "rows" && columns % 4 !== 0)
    throw new ShapeError(`${weight.name}: rows of ${columns}, expected a multiple of 4`);
  const tileN = n >= 3 ? 4 : n;
  const sizes = { N: n, ROWS: rows, COLUMNS: columns, SILU: Number(siluOut), TILE_N: tileN };
  const constants = { ...sizes, PER_WORD: weight.dtype === "f16" ? 2 : 1 };
  const shared = { label: y.name, bindings: [read(x), read(weight), read(bias), write(y)] };
  const across = ceilDiv(n, tileN);
  const product: Dispatch =
    variant === "rows"
      ? { ...shared, shader: "product/linear_rows", constants, workgroups: [ceilDiv(rows, 4), across, 1] }
      : {
          ...shared,
          shader: "product/linear",
          constants: { ...constants, WIDE: wide(columns), TILE_M: 2 },
          workgroups: [ceilDiv(rows, 64 * 2), across, 1],
        };
  return [...before, product];
}
