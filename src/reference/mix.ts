import type { MixRule } from "../kernels/step/step-row";
import { make, type Numbers, sum } from "./numbers";

/** 1 + cosine below this: opposite vectors, joined by no unique arc. */
const OPPOSITE = 1e-5;
/** Angles below this: lerp, the limit. */
const PARALLEL = 1e-3;

/** Weights (a, b) of Slerp(u, v; gamma) = a u + b v, cosine = <u, v> / (|u| |v|), gamma in [0, 1].   Shoemake 1985
 *  a = sin((1 - gamma) w) / sin w, b = sin(gamma w) / sin w. As w -> 0 they tend to (1 - gamma, gamma).
 *  Opposite vectors have no unique arc: u is kept, (1, 0). */
export function slerpWeights(cosine: number, gamma: number): [a: number, b: number] {
  const c = Math.min(1, Math.max(-1, cosine)); // rounding can push |cosine| past 1
  if (gamma === 0 || 1 + c < OPPOSITE) return [1, 0];
  const w = Math.acos(c);
  if (w < PARALLEL) return [1 - gamma, gamma];
  return [Math.sin((1 - gamma) * w) / Math.sin(w), Math.sin(gamma * w) / Math.sin(w)];
}

/** Weights (a, b) of h~ = a h + b h_c under a rule: the twin of shaders/step/mix_weights.wgsl.   Jeong et al. 2023
 *  Where slerp has no answer, because a vector is zero, h is kept. */
function mixWeights(u: Numbers, v: Numbers, rule: MixRule, gamma: number): [a: number, b: number] {
  if (gamma === 0) return [1, 0];
  if (rule === "lerp") return [1 - gamma, gamma];
  if (rule === "add") return [1, gamma];
  if (rule === "replace") return [0, 1];
  if (rule === "addKept") {
    const squared = dot(u, u) + gamma * (2 * dot(u, v) + gamma * dot(v, v));
    const scale = squared > 0 ? Math.sqrt(dot(u, u) / squared) : 0;
    return squared > 0 ? [scale, gamma * scale] : [1, 0];
  }
  const [normU, normV] = [Math.sqrt(dot(u, u)), Math.sqrt(dot(v, v))];
  if (normU === 0 || normV === 0) return [1, 0];
  const [a, b] = slerpWeights(dot(u, v) / (normU * normV), gamma);
  return [a, rule === "slerp" ? (b * normU) / normV : b];
}

const dot = (u: Numbers, v: Numbers): number => sum(make(u.length, (i) => u[i]! * v[i]!));

/** One sample mixed: (1 - m) h + m (a h + b h_c), weights of the rule from u = m h and v = m h_c. */
export function mix(
  h: Numbers,
  content: Numbers,
  mask: Numbers | undefined,
  rule: MixRule,
  gamma: number,
): Float64Array {
  const m = (i: number) => (mask ? mask[i % mask.length]! : 1);
  const [u, v] = [make(h.length, (i) => m(i) * h[i]!), make(h.length, (i) => m(i) * content[i]!)];
  const [a, b] = mixWeights(u, v, rule, gamma);
  return make(h.length, (i) => (1 - m(i)) * h[i]! + a * u[i]! + b * v[i]!);
}
