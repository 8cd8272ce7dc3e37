import type { NodeIo, Ops } from "../graph/lower";
import { chooseConv1x1, conv1x1, conv1x1Weight, packConv1x1 } from "../kernels/conv/conv1x1";
import { chooseConv3x3, conv3x3, conv3x3Weight, packConv3x3 } from "../kernels/conv/conv3x3";
import { defaultPadding, outputSize, type Padding } from "../kernels/conv/output-size";
import { type ConvUse, convKey } from "../kernels/conv/variants";
import { elements, f32 } from "../kernels/dispatch";

/** Convolutions of `x`, joined with `skip` and normalised by `norm` if given; `temb` and `residual` are added. */
export type ConvOp =
  | {
      readonly kind: "conv3x3";
      readonly layer: string;
      readonly channels: number;
      readonly stride?: 1 | 2;
      /** of a stride of 2: zeros right and below only (DDPM), or all round (ADM) */
      readonly pad?: Padding;
      readonly upsample?: boolean;
      readonly silu?: boolean;
      /** first column of this layer's embedding in the `temb` input */
      readonly tembOffset?: number;
    }
  /** one or several 1x1 convs of the same input, stacked on output channels */
  | {
      readonly kind: "conv1x1";
      readonly layers: readonly string[];
      readonly channels: number;
      readonly silu?: boolean;
    };

// A variant must not depend on the batch, for all step graphs of a model share one set of packed weights: so n is 1
// wherever one is chosen.

export const convOps: Ops<ConvOp> = {
  conv3x3(op, io, context) {
    const { layer, channels: oc, stride = 1, upsample = false, silu = false } = op;
    const pad = op.pad ?? defaultPadding(stride);
    const inputs = convInputs(io, op.tembOffset);
    const [n, c1, h, w] = inputs.x.shape as [number, number, number, number];
    const ic = c1 + (inputs.skip?.shape[1] ?? 0);
    const out = (side: number) => outputSize(side, { kernel: 3, stride, upsample, pad });
    const weightName = `${layer}.weight`;
    const target = context.targetFor(weightName);
    const shape = { n: 1, c1, c2: ic - c1, oc, h, w, stride, upsample };
    const conv: ConvUse = {
      kernel: 3,
      shape,
      weights: target.weights,
      pad,
      norm: inputs.norm !== undefined,
      silu,
    };
    const variant = target.tuned?.conv3x3[convKey(shape, target.weights)] ?? chooseConv3x3(shape, target);
    const weight = context.weight(
      conv3x3Weight(weightName, oc, ic, variant),
      [{ key: `${layer}.weight`, elements: oc * ic * 9 }],
      (all) => packConv3x3(all, oc, ic, variant),
    );
    const bias = context.parameter(`${layer}.bias`, oc);
    const y = f32(io.name, n, oc, out(h), out(w));
    const dispatches = conv3x3({ ...inputs, weight, bias, y }, { stride, upsample, pad, silu, variant });
    return { dispatches, output: y, macs: 9 * ic * elements(y), conv };
  },

  conv1x1({ layers, channels: oc, silu = false }, io, context) {
    const inputs = convInputs(io);
    const [n, c1, h, w] = inputs.x.shape as [number, number, number, number];
    const ic = c1 + (inputs.skip?.shape[1] ?? 0);
    const rows = oc / layers.length;
    const weightName = `${layers.join("+")}.weight`;
    const target = context.targetFor(weightName);
    const shape = { n: 1, c1, c2: ic - c1, oc, h, w, stride: 1, upsample: false } as const;
    const conv: ConvUse = {
      kernel: 1,
      shape,
      weights: target.weights,
      pad: "same",
      norm: inputs.norm !== undefined,
      silu,
    };
    const variant = target.tuned?.conv1x1[convKey(shape, target.weights)] ?? chooseConv1x1(shape, target);
    const weight = context.weight(
      conv1x1Weight(weightName, oc, ic, variant),
      layers.map((layer) => ({ key: `${layer}.weight`, elements: rows * ic })),
      (all) => packConv1x1(all, oc, ic, variant),
    );
    const bias = context.weight(
      f32(`${layers.join("+")}.bias`, oc),
      layers.map((layer) => ({ key: `${layer}.bias`, elements: rows })),
    );
    const y = f32(io.name, n, oc, h, w);
    const dispatches = conv1x1({ ...inputs, weight, bias, y }, { silu, variant });
    return { dispatches, output: y, macs: ic * elements(y), conv };
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
