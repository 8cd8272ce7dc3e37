import { type Dispatch, dims4, expectShape, read, step, type Tensor, write } from "../dispatch";
import { expectSteps, perSample, wide } from "../pointwise/per-sample";
import { expectEps } from "./predict-x0";

export interface CalibrateIo {
  /** the step row of each sample */
  readonly steps: Tensor;
  /** f32 [N, C, H, W] */
  readonly x: Tensor;
  /** f32 [2N, C' >= C, H, W]: e, then e~ (injected) */
  readonly eps: Tensor;
  /** f32 [2N, C, H, W]: P, then P~, of `predictX0` */
  readonly p: Tensor;
  /** f32 [2N, 2]: mean and std of p, of `moments` */
  readonly moments: Tensor;
  /** f32 [R, H, W] in [0, 1] and f32 [R]: omega in parts of the picture, each laid over those before it; everywhere the
   *  row's without them */
  readonly regions?: { readonly masks: Tensor; readonly omegas: Tensor };
  /** f32 [N, C, H, W]: the calibrated x' */
  readonly y: Tensor;
}

/** Latent calibration: x' = x + sqrt(a_t) (P' - P) + omega sqrt(1 - a_t) (e~ - e), where
 *  P' = mean(P~) + (P~ - mean(P~)) std(P) / std(P~), or P~ itself in a row with RESCALE = 0.
 *  Jeong et al. 2023, section 3.4; shaders/step/calibrate.wgsl. A P~ without any contrast is not re-scaled.
 *  Inside a region omega is (1 - m) omega + m omega_r. */
export function calibrate({ steps, x, eps, p, moments, regions, y }: CalibrateIo): Dispatch[] {
  const [n, c, h, w] = dims4(x);
  expectSteps(steps, n);
  expectEps(eps, x);
  expectShape(eps, 2 * n, eps.shape[1]!, h, w);
  expectShape(p, 2 * n, c, h, w);
  expectShape(moments, 2 * n, 2);
  expectShape(y, n, c, h, w);
  const { masks, omegas } = regions ?? {};
  const many = masks?.shape[0] ?? 0;
  if (masks) expectShape(masks, many, h, w);
  if (omegas) expectShape(omegas, many);
  const counts = [c * h * w, eps.shape[1]! * h * w] as const;
  const width = wide(...counts, ...(regions ? [h * w] : []));
  return [
    {
      label: y.name,
      shader: "step/calibrate",
      constants: {
        COUNT: counts[0],
        EPS_COUNT: counts[1],
        WIDE: width,
        N: n,
        REGIONAL: Number(many > 0),
        REGIONS: many,
        PLANE: h * w,
      },
      bindings: [
        step(steps),
        ...[x, eps, p, moments].map(read),
        read(masks ?? x), // not read without regions
        read(omegas ?? moments),
        write(y),
      ],
      workgroups: perSample(counts[0], n, width),
    },
  ];
}
