import { type Binding, ceilDiv, type Dispatch, grid1d } from "./dispatch";
import { tileHeight } from "./variants";

/** Where the operand of batch (outer, inner) starts, in elements. */
export interface Strides {
  readonly start: number;
  readonly outer: number;
  readonly inner: number;
}

export interface GemmVariant {
  readonly weights: "f32" | "f16";
  readonly subgroups: boolean;
  readonly tileM: number;
  readonly tileN: number;
}

export interface GemmShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batches: number;
  /** Batches of the inner index: batch z is (z / inner, z % inner). */
  readonly inner?: number;
  readonly a: Strides;
  readonly b: Strides;
  /** A is stored [K, M]. */
  readonly aColumns?: boolean;
  readonly variant: GemmVariant;
}

/** c[z] = a[z] b[z].   a: [m, k] or, with `aColumns`, [k, m]; b: f32 [k, n]; c: f32 [batches, m, n].
 *  shaders/gemm_quad.wgsl where sizes and the device allow, else shaders/gemm_any.wgsl. */
export function gemm(label: string, a: Binding, b: Binding, c: Binding, s: GemmShape): Dispatch {
  const { m, n, k, batches, inner = 1, aColumns = false, variant } = s;
  const { tileN } = variant;
  const fits = (alignment: number, ...values: number[]) => values.every((v) => v % alignment === 0);
  const aligned =
    fits(4, k, s.a.start, s.a.outer, s.a.inner, aColumns ? m : 0) && fits(tileN, n, s.b.start, s.b.outer, s.b.inner);
  const quad = variant.subgroups && aligned;
  const tileM = quad ? tileHeight(m, variant.tileM, aColumns ? 16 : 4) : Math.min(8, m);
  const tiles = ceilDiv(m, tileM) * ceilDiv(n, quad ? 4 * tileN : tileN) * batches;
  const [unitA, unitB] = quad ? [4, tileN] : [1, 1];
  const workgroup = quad ? 16 : 64;
  return {
    label,
    shader: quad ? "gemm_quad" : "gemm_any",
    constants: {
      M: m,
      N: n,
      K: k,
      BATCHES: batches,
      INNER: inner,
      A_START: s.a.start / unitA,
      A_OUTER: s.a.outer / unitA,
      A_INNER: s.a.inner / unitA,
      B_START: s.b.start / unitB,
      B_OUTER: s.b.outer / unitB,
      B_INNER: s.b.inner / unitB,
      WG: workgroup,
      TILE_M: tileM,
      TILE_N: tileN,
      A_COLUMNS: Number(aColumns),
      PER_WORD: variant.weights === "f16" ? 2 : 1,
    },
    bindings: [a, b, c],
    workgroups: grid1d(ceilDiv(tiles, quad ? workgroup / 4 : workgroup)),
  };
}
