import { DTYPE_BYTES, type DType, decode } from "./dtype";
import type { Scratch } from "./source";

/** A view on a storage, in elements, as torch and safetensors describe tensors. */
export interface View {
  readonly dtype: DType;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
}

/** Reads `length` bytes of a storage from `offset`. */
export type ReadStorage = (offset: number, length: number, into?: Scratch) => Promise<Uint8Array<ArrayBuffer>>;

/** Raw bytes held at a time while a tensor is converted or gathered, so that memory stays below the tensor + 64 MiB.
 *  Contiguous f32 needs no second copy and is read whole. */
const CHUNK_BYTES = 16 * 2 ** 20;

export const count = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

/** Row-major strides of a shape, in elements. */
export function rowMajor(shape: readonly number[]): number[] {
  const stride = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    stride[i] = step;
    step *= shape[i]!;
  }
  return stride;
}

/** Counts the elements of the storage from the first of the view to its last; 0 when the view is empty. */
export function span({ shape, stride }: Pick<View, "shape" | "stride">): number {
  let last = 0;
  for (let i = 0; i < shape.length; i++) {
    if (shape[i] === 0) return 0;
    last += (shape[i]! - 1) * stride[i]!;
  }
  return last + 1;
}

/** Is the view row-major without gaps? Strides of dimensions of size 1 do not matter. */
export function isContiguous(view: View): boolean {
  const wanted = rowMajor(view.shape);
  return view.shape.every((d, i) => d === 1 || view.stride[i] === wanted[i]);
}

/** Reads the view as contiguous row-major f32. A storage that has to be converted is read in pieces of at most 16 MiB.
 *  @param into as in `ByteSource.read`; used where nothing has to be converted */
export async function readView(view: View, read: ReadStorage, into?: Scratch): Promise<Float32Array<ArrayBuffer>> {
  const bytes = DTYPE_BYTES[view.dtype];
  const total = count(view.shape);
  if (total === 0) return new Float32Array(0);
  if (view.dtype === "F32" && isContiguous(view))
    return decode(await read(view.offset * bytes, total * 4, into), "F32");
  const out = new Float32Array(total);
  await gather(view, rowMajor(view.shape), 0, out, read);
  return out;
}

/** Copies a view to `out`, which has the strides `to`. Halves the view along its widest stride until a piece is small. */
async function gather(view: View, to: readonly number[], at: number, out: Float32Array, read: ReadStorage) {
  const bytes = DTYPE_BYTES[view.dtype];
  const wide = view.shape.reduce((best, d, i) => (d > 1 && reach(view, i) > reach(view, best) ? i : best), 0);
  const length = span(view);
  if (length * bytes > CHUNK_BYTES && (view.shape[wide] ?? 1) > 1) {
    const half = view.shape[wide]! >> 1;
    const rest = view.shape[wide]! - half;
    const part = (d: number) => view.shape.map((s, i) => (i === wide ? d : s));
    await gather({ ...view, shape: part(half) }, to, at, out, read);
    const offset = view.offset + half * view.stride[wide]!;
    await gather({ ...view, offset, shape: part(rest) }, to, at + half * to[wide]!, out, read);
    return;
  }
  const values = decode(await read(view.offset * bytes, length * bytes), view.dtype);
  scatter(values, 0, out, at, view.shape, view.stride, to, 0);
}

const reach = (view: View, i: number): number => (view.shape[i]! - 1) * view.stride[i]!;

function scatter(
  from: Float32Array,
  source: number,
  out: Float32Array,
  target: number,
  shape: readonly number[],
  stride: readonly number[],
  to: readonly number[],
  axis: number,
): void {
  if (axis >= shape.length) {
    out[target] = from[source]!;
    return;
  }
  const n = shape[axis]!;
  const step = stride[axis]!;
  const put = to[axis]!;
  if (axis === shape.length - 1) for (let i = 0; i < n; i++) out[target + i * put] = from[source + i * step]!;
  else for (let i = 0; i < n; i++) scatter(from, source + i * step, out, target + i * put, shape, stride, to, axis + 1);
}
