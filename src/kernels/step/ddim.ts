import { type Dispatch, dims4, expectShape, f32, read, step, type Tensor, write } from "../dispatch";
import { expectSteps, perSample, wide } from "../pointwise/per-sample";
import { gaussian } from "./noise";
import { expectEps } from "./predict-x0";

export interface DdimIo {
  /** the step row of each sample */
  readonly steps: Tensor;
  /** f32 [N, C, H, W] */
  readonly x: Tensor;
  /** f32 [N, C' >= C, H, W], or [2N, ...] = (e; e~) for an asymmetric step */
  readonly eps: Tensor;
  /** f32 [N, C, H, W]: z. Without it, z is drawn from (SEED, STREAM, DRAW) of the row. */
  readonly noise?: Tensor;
  /** f32 [N, C, H, W]: what the step before left, for rows with a factor BEFORE */
  readonly before?: Tensor;
  /** f32 [N, C, H, W]: x at the next time step */
  readonly next: Tensor;
  /** f32 [N, C, H, W]: the predicted x0, for those who want to see it */
  readonly x0?: Tensor;
}

/** One step of a solver: next = SQRT_ALPHA_NEXT P + DIRECTION e + SIGMA z + BEFORE b, P as in `predictX0`.
 *  DDIM, without b: Song et al. 2021, eq. 12; asymmetric (P from e~, direction from e): Kwon et al. 2023, eq. 5;
 *  shaders/step/ddim.wgsl
 *  Noise is neither drawn nor read for samples with SIGMA = 0, nor is b with BEFORE = 0. */
export function ddimStep({ steps, x, eps, noise, before, next, x0 }: DdimIo, o: { asymmetric: boolean }): Dispatch[] {
  const [n, c, h, w] = dims4(x);
  expectSteps(steps, n);
  expectEps(eps, x);
  expectShape(eps, o.asymmetric ? 2 * n : n, eps.shape[1]!, h, w);
  expectShape(next, n, c, h, w);
  if (noise) expectShape(noise, n, c, h, w);
  if (before) expectShape(before, n, c, h, w);
  const z = noise ?? f32(`${next.name}/noise`, n, c, h, w);
  const clean = x0 ?? f32(`${next.name}/x0`, n, c, h, w);
  expectShape(clean, n, c, h, w);
  const first = o.asymmetric ? n : 0;
  const counts = [c * h * w, eps.shape[1]! * h * w] as const;
  return [
    ...(noise ? [] : gaussian({ steps, y: z }, { whereSigma: true })),
    {
      label: next.name,
      shader: "step/ddim",
      constants: {
        COUNT: counts[0],
        EPS_COUNT: counts[1],
        WIDE: wide(...counts),
        FIRST: first,
        MULTISTEP: Number(before !== undefined),
      },
      bindings: [step(steps), read(x), read(eps), read(z), read(before ?? x), write(next), write(clean)],
      workgroups: perSample(counts[0], n, wide(...counts)),
    },
  ];
}
