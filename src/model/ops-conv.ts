import type { NodeIo, Ops } from "../graph/lower";
import { conv, packConvInParts } from "../kernels/conv/conv";
import { defaultPadding, outputSize, type Padding } from "../kernels/conv/output-size";
import { packed } from "../kernels/conv/packing";
import { type ConvShape, type ConvUse, convShape } from "../kernels/conv/variant";
import { variantFor } from "../kernels/conv/variants";
import { dims4, elements, f32 } from "../kernels/dispatch";

/** Convolution of `x`, joined with `skip` and normalised by `norm` if given; `temb` and `residual` are added. */
export interface ConvOp {
  readonly kind: "conv";
  readonly kernel: 1 | 3;
  /** one or several convolutions of the same input, stacked on output channels */
  readonly layers: readonly string[];
  /** of the output, over all layers */
  readonly channels: number;
  readonly stride?: 1 | 2;
  /** of a stride of 2: zeros right and below only (DDPM), or all round (ADM) */
  readonly pad?: Padding;
  readonly upsample?: boolean;
  readonly silu?: boolean;
  /** the layers have a bias; true unless said otherwise */
  readonly bias?: boolean;
  /** first column of this layer's embedding in the `temb` input */
  readonly tembOffset?: number;
}

export const convOps: Ops<ConvOp> = {
  conv(op, io, context) {
    const { kernel, layers, channels: oc, stride = 1, upsample = false, silu = false } = op;
    const options = { kernel, stride, upsample, silu, pad: op.pad ?? defaultPadding(stride) };
    const inputs = convInputs(io, op.tembOffset);
    const [n, c1, h, w] = dims4(inputs.x);
    const c2 = inputs.skip?.shape[1] ?? 0;
    const rows = oc / layers.length;
    const name = layers.join("+");
    const target = context.targetFor(`${name}.weight`);
    // A variant must not depend on the batch, for all step graphs of a model share one set of packed weights: so n is 1.
    const shape: ConvShape = convShape({ kernel, n: 1, c1, c2, oc, h, w, stride, upsample });
    const use: ConvUse = { shape, weights: target.weights, pad: options.pad, norm: inputs.norm !== undefined, silu };
    const variant = variantFor(shape, target);
    const stored = variant.weight(`${name}.weight`, shape, target);
    const weight = context.weight(
      stored,
      layers.map((layer) => ({ key: `${layer}.weight`, elements: rows * (c1 + c2) * kernel ** 2 })),
      (all, room) => packConvInParts(all, variant, shape, target, room),
      target.weights === "f32" && variant.transform ? (all) => variant.transform!(all, stored, shape) : undefined,
    );
    const bias = context.weight(
      f32(`${name}.bias`, oc),
      op.bias === false ? [] : layers.map((layer) => ({ key: `${layer}.bias`, elements: rows })),
      op.bias === false ? () => packed(new Float32Array(oc), "f32") : undefined,
    );
    const y = io.output(n, oc, outputSize(h, options), outputSize(w, options));
    const dispatches = conv({ ...inputs, weight, bias, y }, options, variant, target);
    return { dispatches, output: y, macs: kernel ** 2 * (c1 + c2) * elements(y), conv: use };
  },
};

function convInputs(io: NodeIo, tembOffset = 0) {
  const skip = io.optional("skip");
  const norm = io.optional("norm");
  const temb = io.optional("temb");
  const residual = io.optional("residual");
  return {
    x: io.input("x"),
    ...(skip && { skip }),
    ...(norm && { norm }),
    ...(temb && { temb: { tensor: temb, offset: tembOffset } }),
    ...(residual && { residual }),
  };
}
