import { ShapeError } from "../../errors";
import { type Dispatch, dims4, expectShape, read, step, type Tensor, write } from "../dispatch";
import { expectCycle, expectSteps, perSample, wide } from "../pointwise/per-sample";

/** The predicted clean picture P = X0_X x + X0_O o.   Song et al. 2021, eq. 12; shaders/step/weighted.wgsl
 *  steps: the step rows; x: f32 [N, C, H, W]; eps: f32 [M N, C' >= C, H, W], only its first C channels are read;
 *  y: f32 [M N, C, H, W], sample j is made of x and row j % N. Never clamped. */
export function predictX0({ steps, x, eps, y }: { steps: Tensor; x: Tensor; eps: Tensor; y: Tensor }): Dispatch[] {
  const [n, c, h, w] = dims4(x);
  expectSteps(steps, n);
  expectEps(eps, x);
  const samples = eps.shape[0]!;
  expectShape(y, samples, c, h, w);
  const counts = [c * h * w, eps.shape[1]! * h * w] as const;
  return [
    {
      label: y.name,
      shader: "step/weighted",
      constants: { COUNT: counts[0], EPS_COUNT: counts[1], WIDE: wide(...counts), N: n },
      bindings: [step(steps), read(x), read(eps), write(y)],
      workgroups: perSample(counts[0], samples, wide(...counts)),
    },
  ];
}

/** @throws ShapeError unless `eps` is [M N, C' >= C, H, W] for x [N, C, H, W]. */
export function expectEps(eps: Tensor, x: Tensor): void {
  const [n, c, h, w] = dims4(x);
  const [samples, channels] = dims4(eps);
  if (channels < c) throw new ShapeError(`${eps.name}: ${channels} channels, ${x.name} has ${c}`);
  expectShape(eps, samples, channels, h, w);
  expectCycle(x, samples);
  if (samples < n) throw new ShapeError(`${eps.name}: ${samples} samples, ${x.name} has ${n}`);
}
