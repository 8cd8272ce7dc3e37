import type { NetworkOptions } from "../../src/model/network";
import type { CaseResult, Values } from "./kernels";

/** How far values may be off: each by so much, or all together by so much of their root mean square. */
export type Tolerance = number | { readonly rms: number };

/** A tolerance for a network with these options: storage in f16 rounds every value, and what single ones come to after many
 *  layers and steps is chance. Together they stay within 1 %, with activations in f16 within 2 %.
 *  @param inF32 what is allowed where all is f32 */
export function allowed(inF32: number, { dtype, activations }: NetworkOptions): Tolerance {
  if (activations === "f16") return { rms: 2e-2 };
  return dtype === "f16" ? { rms: 1e-2 } : inF32;
}

/** Worst differences; relative ones against max(|expected|, rms of expected). A NaN never passes.
 *  @param absolute compare absolute differences with a tolerance of each value */
export function compare(
  id: string,
  found: Float32Array,
  { data: expected }: Pick<Values, "data">,
  tolerance: Tolerance,
  absolute = false,
): CaseResult {
  const limit = typeof tolerance === "number" ? tolerance : tolerance.rms;
  if (found.length !== expected.length)
    return {
      id,
      ok: false,
      worstAbs: Infinity,
      worstRel: Infinity,
      tolerance: limit,
      reason: `${found.length} values, expected ${expected.length}`,
    };
  const rms = Math.sqrt(expected.reduce((sum, v) => sum + v * v, 0) / expected.length) || 1e-30;
  let worstAbs = 0;
  let worstRel = 0;
  let squares = 0;
  for (let i = 0; i < expected.length; i++) {
    const off = Math.abs(found[i]! - expected[i]!);
    squares += off * off;
    if (!(off <= worstAbs)) worstAbs = off;
    const relative = off / Math.max(Math.abs(expected[i]!), rms);
    if (!(relative <= worstRel)) worstRel = relative;
    if (Number.isNaN(off)) break;
  }
  const together = Math.sqrt(squares / expected.length) / rms;
  if (typeof tolerance !== "number")
    return { id, ok: together <= limit, worstAbs, worstRel: together, tolerance: limit };
  return { id, ok: (absolute ? worstAbs : worstRel) <= limit, worstAbs, worstRel, tolerance: limit };
}
