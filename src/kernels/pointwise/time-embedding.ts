import { ShapeError } from "../../errors";
import { ceilDiv, type Dispatch, expectShape, read, step, type Tensor, write } from "../dispatch";
import { STEP_FLOATS } from "../step/step-row";
import { expectSteps } from "./per-sample";

/** Sinusoidal embedding of each sample's time step, or of a number given with it.
 *  Vaswani et al. 2017; shaders/pointwise/time_embedding.wgsl
 *  steps: the step row of each sample; labels: f32 [N], embedded instead; y: f32 [N, ch]. With half = floor(ch / 2) the
 *  frequencies are exp(-ln(1e4) i / (half - shift)); "sin-cos": sines in the first half, "cos-sin": cosines. An odd last
 *  column is 0. DDPM: "sin-cos", shift 1; ADM: "cos-sin", shift 0. frequencies: f32 [half], if given, in place of these.
 *  @throws ShapeError unless half > shift. */
export function timeEmbedding(
  { steps, labels, frequencies, y }: { steps?: Tensor; labels?: Tensor; frequencies?: Tensor | undefined; y: Tensor },
  o: { order: "sin-cos" | "cos-sin"; shift: number },
): Dispatch[] {
  const [n, channels] = y.shape as [number, number];
  if (steps) expectSteps(steps, n);
  if (labels) expectShape(labels, n);
  if (y.shape.length !== 2 || !(Math.floor(channels / 2) > o.shift))
    throw new ShapeError(`${y.name}: shape [${y.shape}], expected [N, ${2 * Math.floor(o.shift + 1)} or more]`);
  if (frequencies) expectShape(frequencies, Math.floor(channels / 2));
  const stride = labels ? 1 : STEP_FLOATS;
  return [
    {
      label: y.name,
      shader: "pointwise/time_embedding",
      constants: {
        CHANNELS: channels,
        COS_FIRST: Number(o.order === "cos-sin"),
        SHIFT: o.shift,
        STRIDE: stride,
        GIVEN: Number(frequencies !== undefined),
      },
      bindings: [
        labels ? read(labels) : step(steps!),
        write(y),
        ...(frequencies ? [read(frequencies)] : [labels ? read(labels) : step(steps!)]),
      ],
      workgroups: [ceilDiv(channels, 64), n, 1],
    },
  ];
}
