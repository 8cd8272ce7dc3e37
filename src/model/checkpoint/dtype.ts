import { fromHalf } from "../../half";

/** Element types, by the names safetensors gives them. */
export const DTYPE_BYTES = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  U64: 8,
  I32: 4,
  U32: 4,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;

export type DType = keyof typeof DTYPE_BYTES;

export const isDType = (name: unknown): name is DType => typeof name === "string" && Object.hasOwn(DTYPE_BYTES, name);

export const isFloat = (dtype: DType): boolean => dtype.includes("F");

/** Little-endian bytes as an array of their elements; `bytes` must start on a multiple of the element size. */
function elements(bytes: Uint8Array<ArrayBuffer>, dtype: DType): ArrayLike<number | bigint> {
  const { buffer, byteOffset, byteLength } = bytes;
  const n = byteLength / DTYPE_BYTES[dtype];
  switch (dtype) {
    case "F64":
      return new Float64Array(buffer, byteOffset, n);
    case "F32":
      return new Float32Array(buffer, byteOffset, n);
    case "F16":
    case "BF16":
    case "U16":
      return new Uint16Array(buffer, byteOffset, n);
    case "I64":
      return new BigInt64Array(buffer, byteOffset, n);
    case "U64":
      return new BigUint64Array(buffer, byteOffset, n);
    case "I32":
      return new Int32Array(buffer, byteOffset, n);
    case "U32":
      return new Uint32Array(buffer, byteOffset, n);
    case "I16":
      return new Int16Array(buffer, byteOffset, n);
    case "I8":
      return new Int8Array(buffer, byteOffset, n);
    case "U8":
    case "BOOL":
      return bytes;
    default:
      return dtype satisfies never;
  }
}

/** Little-endian elements of any type as f32. F32 comes back as a view on `bytes` with its bits untouched;
 *  the other types are converted, f64 and integers rounded to nearest. */
export function decode(bytes: Uint8Array<ArrayBuffer>, dtype: DType): Float32Array<ArrayBuffer> {
  const aligned = bytes.byteOffset % DTYPE_BYTES[dtype] === 0 ? bytes : bytes.slice();
  if (dtype === "F32") return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
  if (dtype === "F16") return fromHalf(elements(aligned, dtype) as Uint16Array);
  const from = elements(aligned, dtype);
  const out = new Float32Array(from.length);
  if (dtype === "BF16") {
    const bits = new Uint32Array(out.buffer);
    for (let i = 0; i < bits.length; i++) bits[i] = (from[i] as number) << 16;
  } else for (let i = 0; i < out.length; i++) out[i] = Number(from[i]);
  return out;
}
