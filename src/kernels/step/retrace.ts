import { type Dispatch, dims4, expectShape, read, step, type Tensor, write } from "../dispatch";
import { expectSteps, perSample, wide } from "../pointwise/per-sample";
import { expectEps } from "./predict-x0";

export interface RetraceIo {
  /** the step row of each sample */
  readonly steps: Tensor;
  /** f32 [N, C, H, W] */
  readonly x: Tensor;
  /** f32 [N, C' >= C, H, W], or [2N, ...] = (e; e~) for an asymmetric step */
  readonly eps: Tensor;
  /** f32 [N, C, H, W]: x before the last step */
  readonly before: Tensor;
  /** f32 [N, C, H, W]: by how far a DDIM step back from x misses `before` */
  readonly rest: Tensor;
  /** f32 [N, C, H, W]: x with the edit's P~ in place of P; x itself, to the bit, where nothing is edited */
  readonly moved: Tensor;
}

/** Addition of BDIA to a step: rest = b - (BACK_SIGNAL P + BACK_NOISE e), by which the step before is undone exactly, and
 *  moved = x + SQRT_ALPHA (P~ - P), which takes the place of b in the next step.
 *  Zhang, Lewis & Kleijn 2023; shaders/step/retrace.wgsl */
export function retrace({ steps, x, eps, before, rest, moved }: RetraceIo, o: { asymmetric: boolean }): Dispatch[] {
  const [n, c, h, w] = dims4(x);
  expectSteps(steps, n);
  expectEps(eps, x);
  expectShape(eps, o.asymmetric ? 2 * n : n, eps.shape[1]!, h, w);
  for (const tensor of [before, rest, moved]) expectShape(tensor, n, c, h, w);
  const counts = [c * h * w, eps.shape[1]! * h * w] as const;
  return [
    {
      label: rest.name,
      shader: "step/retrace",
      constants: { COUNT: counts[0], EPS_COUNT: counts[1], WIDE: wide(...counts), FIRST: o.asymmetric ? n : 0 },
      bindings: [step(steps), read(x), read(eps), read(before), write(rest), write(moved)],
      workgroups: perSample(counts[0], n, wide(...counts)),
    },
  ];
}
