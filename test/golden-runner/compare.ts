import type { CaseResult, Values } from "./kernels";

/** Worst differences; relative ones against max(|expected|, rms of expected). A NaN never passes.
 *  @param absolute compare absolute differences with the tolerance instead */
export function compare(
  id: string,
  found: Float32Array,
  { data: expected }: Pick<Values, "data">,
  tolerance: number,
  absolute = false,
): CaseResult {
  if (found.length !== expected.length)
    return {
      id,
      ok: false,
      worstAbs: Infinity,
      worstRel: Infinity,
      tolerance,
      reason: `${found.length} values, expected ${expected.length}`,
    };
  const rms = Math.sqrt(expected.reduce((sum, v) => sum + v * v, 0) / expected.length) || 1e-30;
  let worstAbs = 0;
  let worstRel = 0;
  for (let i = 0; i < expected.length; i++) {
    const off = Math.abs(found[i]! - expected[i]!);
    if (!(off <= worstAbs)) worstAbs = off;
    const relative = off / Math.max(Math.abs(expected[i]!), rms);
    if (!(relative <= worstRel)) worstRel = relative;
    if (Number.isNaN(off)) break;
  }
  return { id, ok: (absolute ? worstAbs : worstRel) <= tolerance, worstAbs, worstRel, tolerance };
}
