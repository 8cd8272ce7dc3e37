/** 1 + cosine below this: opposite vectors, joined by no unique arc. */
const OPPOSITE = 1e-5;
/** Angles below this: lerp, the limit. */
const PARALLEL = 1e-3;

/** Weights (a, b) of Slerp(u, v; gamma) = a u + b v, cosine = <u, v> / (|u| |v|), gamma in [0, 1].   Shoemake 1985
 *  a = sin((1 - gamma) w) / sin w, b = sin(gamma w) / sin w. As w -> 0 they tend to (1 - gamma, gamma).
 *  Opposite vectors have no unique arc: u is kept, (1, 0). The oracle of shaders/step/mix_weights.wgsl. */
export function slerpWeights(cosine: number, gamma: number): [a: number, b: number] {
  const c = Math.min(1, Math.max(-1, cosine)); // rounding can push |cosine| past 1
  if (gamma === 0 || 1 + c < OPPOSITE) return [1, 0];
  const w = Math.acos(c);
  if (w < PARALLEL) return [1 - gamma, gamma];
  return [Math.sin((1 - gamma) * w) / Math.sin(w), Math.sin(gamma * w) / Math.sin(w)];
}
