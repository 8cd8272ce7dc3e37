import { ShapeError } from "../../errors";
import { type Dispatch, dims4, expectShape, f32, read, step, type Tensor, write } from "../dispatch";
import { expectCycle, expectSteps, perSample, wide } from "../pointwise/per-sample";
import { MAX_CONTENTS } from "./step-row";

/** Lanes that sum over one sample. */
const LANES = 256;

export interface MixIo {
  /** the step row of each sample */
  readonly steps: Tensor;
  /** f32 [N, C, H, W] */
  readonly h: Tensor;
  /** f32 [Nc, C, H, W], sample n reads n % Nc */
  readonly content: Tensor;
  /** f32 [Nm, H, W] in [0, 1], sample n reads n % Nm; everywhere 1 without it */
  readonly mask?: Tensor;
  /** f32 [N, C, H, W] */
  readonly y: Tensor;
}

/** Injection into the bottleneck: y = (1 - m) h + m (a h + b h_c), per sample.   Jeong et al. 2023; shaders/step/mix_*.wgsl
 *  a and b follow from the rule (step-row.ts) and gamma of content `slot`, and for the two slerps from |u|, |v| and
 *  <u, v> with u = m h and v = m h_c. Where slerp has no answer it keeps h: u or v all zero, u and v opposite.
 *  gamma = 0, and a content equal to h, return h to the bit under every slerp; gamma = 0 does under every rule.
 *  @param shader one with a rule of its own, in place of the row's: see src/wgsl/own-rule.ts
 *  @throws ShapeError if the shapes do not fit each other, or the row holds no such content. */
export function mix(
  { steps, h, content, mask, y }: MixIo,
  { slot, shader }: { slot: number; shader?: string },
): Dispatch[] {
  const [n, c, height, width] = dims4(h);
  if (!(slot >= 0 && slot < MAX_CONTENTS))
    throw new ShapeError(`${y.name}: content ${slot}, a step row holds contents 0 to ${MAX_CONTENTS - 1}`);
  expectSteps(steps, n);
  expectShape(content, content.shape[0]!, c, height, width);
  expectCycle(content, n);
  expectShape(y, n, c, height, width);
  if (mask) {
    expectShape(mask, mask.shape[0]!, height, width);
    expectCycle(mask, n);
  }
  const count = c * height * width;
  const partials = f32(`${y.name}/partials`, n, LANES, 4);
  const weights = f32(`${y.name}/weights`, n, 2);
  const inputs = [read(h), read(content), read(mask ?? h)];
  const sizes = {
    COUNT: count,
    PLANE: height * width,
    CONTENT_N: content.shape[0]!,
    WIDE: wide(height * width),
    MASKED: Number(mask !== undefined),
    MASK_N: mask?.shape[0] ?? 1,
  };
  return [
    {
      label: `${y.name}/partials`,
      shader: "step/mix_partials",
      constants: { ...sizes, LANES },
      bindings: [...inputs, write(partials)],
      workgroups: [LANES / 64, n, 1],
    },
    {
      label: `${y.name}/weights`,
      shader: shader ?? "step/mix_weights",
      constants: { PARTIALS: LANES, SLOT: slot },
      bindings: [step(steps), read(partials), write(weights)],
      workgroups: [n, 1, 1],
    },
    {
      label: y.name,
      shader: "step/mix_apply",
      constants: sizes,
      bindings: [...inputs, read(weights), write(y)],
      workgroups: perSample(count, n, wide(height * width)),
    },
  ];
}
