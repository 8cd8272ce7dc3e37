import { ShapeError } from "../errors";
import type { Constants } from "../wgsl/specialise";

/** A named array on the GPU, as data: no buffer behind it yet. Activations are [N, C, H, W], row-major, in f32 or f16: a shader
 *  computes with either in f32 (src/wgsl/halves.ts). Weights in f16 are pairs in words. */
export interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "f32" | "f16" | "u32";
}

/** How a dispatch touches a tensor. `step` is a read of this step's row of the step table (dynamic offset). */
export type Access = "read" | "write" | "update" | "step";

/** A tensor that a dispatch binds, and how it is accessed. */
export interface Binding {
  readonly tensor: Tensor;
  readonly access: Access;
}

/** One kernel run, as data. A binding's position is its `@binding` index in `@group(0)`. */
export interface Dispatch {
  /** Name of the graph node this belongs to, with the kernel's part: `mid.block_1.conv1/gemm`. */
  readonly label: string;
  /** shaders/<shader>.wgsl */
  readonly shader: string;
  /** Values of the shader's `override` and `const` declarations, and types of its aliases. */
  readonly constants: Constants;
  readonly bindings: readonly Binding[];
  readonly workgroups: readonly [number, number, number];
}

/** Binds a tensor that is read. */
export const read = (tensor: Tensor): Binding => ({ tensor, access: "read" });
/** Binds a tensor that is written whole. */
export const write = (tensor: Tensor): Binding => ({ tensor, access: "write" });
/** Binds a tensor that is read and written. */
export const update = (tensor: Tensor): Binding => ({ tensor, access: "update" });
export const step = (tensor: Tensor): Binding => ({ tensor, access: "step" });

/** A tensor of f32 by name and shape. */
export const f32 = (name: string, ...shape: number[]): Tensor => ({ name, shape, dtype: "f32" });
/** A tensor of u32 by name and shape. */
export const u32 = (name: string, ...shape: number[]): Tensor => ({ name, shape, dtype: "u32" });

/** Number of values. */
export const elements = (t: { readonly shape: readonly number[] }): number => t.shape.reduce((a, b) => a * b, 1);
/** Bytes of a tensor's buffer: a multiple of 4. */
export const byteLength = (t: Tensor): number => Math.ceil((elements(t) * (t.dtype === "f16" ? 2 : 4)) / 4) * 4;

/** [n, c, h, w] of an activation. @throws ShapeError if the tensor is not four-dimensional. */
export function dims4(t: Tensor): readonly [n: number, c: number, h: number, w: number] {
  if (t.shape.length !== 4) throw new ShapeError(`${t.name}: shape [${t.shape}], expected [N, C, H, W]`);
  return t.shape as readonly [number, number, number, number];
}

/** @throws ShapeError unless `t` has exactly this shape. */
export function expectShape(t: Tensor, ...shape: number[]): void {
  if (`${t.shape}` !== `${shape}`) throw new ShapeError(`${t.name}: shape [${t.shape}], expected [${shape}]`);
}

export const ceilDiv = (a: number, b: number): number => Math.ceil(a / b);

/** The workgroup counts of a one-dimensional kernel, folded into two dimensions where one would pass the limit of 65535.
 *  The kernel recovers its index as `wg.y * GRID_X + wg.x` with `GRID_X = num_workgroups.x`. */
export function grid1d(count: number): [number, number, number] {
  const x = Math.min(count, 65535);
  return [x, ceilDiv(count, x), 1];
}
