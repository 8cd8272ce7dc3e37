/** Uniform in [-1, 1), seeded (mulberry32). */
export function seeded(seed: number, shape: readonly number[]): Float32Array<ArrayBuffer> {
  let state = (seed * 0x9e3779b9) >>> 0;
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 31 - 1;
  });
}
