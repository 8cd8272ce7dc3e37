/** The effect of storing a tensor as f16. */
export interface HalfReport {
  /** Largest magnitude. */
  readonly absMax: number;
  /** Values beyond 65,504 that would become infinite. */
  readonly overflow: number;
  /** Values other than zero that would become zero (below 2^-25), and their share of all values. */
  readonly flushed: number;
  readonly flushedShare: number;
  /** May it be stored as f16? Not with an overflow, nor with more than 1 % flushed. */
  readonly safe: boolean;
}

/** A tensor that loses more than this share of its values to zero stays f32. */
export const MAX_FLUSHED_SHARE = 0.01;

/** Measures what f16 would do to finite values. */
export function halfReport(values: Float32Array): HalfReport {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  let overflow = 0;
  let flushed = 0;
  let top = 0;
  for (let i = 0; i < bits.length; i++) {
    const magnitude = bits[i]! & 0x7fffffff; // orders as the numbers do
    if (magnitude > top) top = magnitude;
    if (magnitude >= 0x477ff000)
      overflow++; // 65,520 and more round to infinity
    else if (magnitude !== 0 && magnitude <= 0x33000000) flushed++; // 2^-25 is a tie, and even is zero
  }
  const absMax = new Float32Array(Uint32Array.of(top).buffer)[0]!;
  const flushedShare = values.length > 0 ? flushed / values.length : 0;
  return { absMax, overflow, flushed, flushedShare, safe: overflow === 0 && flushedShare <= MAX_FLUSHED_SHARE };
}

/** One line of a report, or nothing where f16 loses less than a thousandth of the values. */
export function describeHalf(name: string, { safe, overflow, flushed, flushedShare, absMax }: HalfReport) {
  if (safe && flushedShare < 0.001) return undefined;
  const share = (100 * flushedShare).toFixed(2);
  return `${safe ? "in f16" : "kept f32"} ${name}: ${overflow} beyond 65504, ${flushed} to zero (${share} %), largest ${absMax.toPrecision(4)}`;
}
