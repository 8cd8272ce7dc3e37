/** Uniform numbers in [0, 1), the same for equal seeds on every machine (mulberry32, 32 bits of state). */
export function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Values uniform in [-1, 1) for a tensor of this shape. */
export function seeded(seed: number, shape: readonly number[]): Float32Array<ArrayBuffer> {
  const next = mulberry32(seed * 0x9e3779b9);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 2 * next() - 1);
}
