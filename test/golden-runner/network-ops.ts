import type { Device } from "../../src/gpu/device";
import { conv, packConv } from "../../src/kernels/conv/conv";
import { convShape } from "../../src/kernels/conv/variant";
import { choose } from "../../src/kernels/conv/variants";
import { type Dispatch, f32, type Tensor } from "../../src/kernels/dispatch";
import { groupNorm } from "../../src/kernels/norm/group-norm";
import { attention, type QkvOrder } from "../../src/kernels/product/attention";
import { softmax } from "../../src/kernels/product/softmax";
import type { Target } from "../../src/kernels/target";
import type { Check, Roles } from "./roles";

const precisions = ["fast", "exact"] as const;

const targetOf = (device: Device, precision: Target["precision"]): Target => ({
  adapterClass: device.adapterClass,
  subgroups: device.has("subgroups"),
  precision,
  weights: "f32",
  maxBindingBytes: device.gpu.limits.maxStorageBufferBindingSize,
});

/** Convolution and attention. Convolutions are checked in both precisions where those differ. */
export const networkOps: Record<string, (r: Roles, device: Device) => Iterable<Check>> = {
  *conv2d(r, device) {
    const kernel = r.param<number>("kernel");
    if (kernel !== 1 && kernel !== 3) throw new Error(`no convolution of ${kernel}x${kernel}`);
    const variants = new Set<string>();
    for (const precision of precisions) {
      const target = targetOf(device, precision);
      const { dispatches, y, variant } = convolved(r, kernel, target);
      if (variants.has(variant)) continue;
      variants.add(variant);
      const id = variants.size === 1 ? r.subcase.id : `${r.subcase.id}.${precision}`;
      yield r.check(dispatches, y, "y", { id });
    }
  },

  *attention_core(r, device) {
    const { shape } = r.values("q");
    const [n, c, t] = shape as [number, number, number];
    const parts = ["q", "k", "v"].map((role) => r.values(role).data);
    const samples = Array.from({ length: n }, (_, i) =>
      parts.flatMap((p) => [...p.subarray(i * c * t, (i + 1) * c * t)]),
    );
    const qkv = r.given("qkv", samples.flat(), n, 3 * c, 1, t);
    yield attended(r, qkv, "new", r.param<number>("heads") ?? 1, device);
  },

  *qkv_attention_legacy(r, device) {
    yield attended(r, joined(r), "legacy", r.param<number>("heads")!, device);
  },

  *qkv_attention_new(r, device) {
    yield attended(r, joined(r), "new", r.param<number>("heads")!, device);
  },

  *softmax_rows(r, device) {
    const [rows, width] = r.values("x").shape as [number, number];
    const x = r.input("x");
    const columns = { ...x, shape: [rows, width, 1] }; // columns of `rows` matrices of one column each
    yield r.check([softmax("softmax", columns, 1, device)], x);
  },

  // GN (eps 1e-6, 32 groups) -> q, k, v -> attention -> projection -> + x
  *AttnBlock(r, device) {
    const x = r.input("x");
    const [n, c, h, w] = x.shape as [number, number, number, number];
    const target = targetOf(device, "exact");
    const norm = f32("norm", n, c, 4);
    const [qkv, core, y] = [f32("qkv", n, 3 * c, h, w), f32("core", ...x.shape), f32("out", ...x.shape)];
    const both = (roles: string[], part: string) => roles.flatMap((role) => [...r.values(`w.${role}.${part}`).data]);
    const layer = (roles: string[]) => {
      const oc = roles.length * c;
      const shape = convShape({ kernel: 1, n, c1: c, oc, h, w });
      const variant = choose(shape, target);
      const weight = variant.weight(`${roles}.weight`, shape, target);
      r.inputs.set(weight, words(packConv(Float32Array.from(both(roles, "weight")), variant, shape, target)));
      return { weight, bias: r.given(`${roles}.bias`, both(roles, "bias"), oc), variant };
    };
    const { variant, ...first } = layer(["q", "k", "v"]);
    const { variant: second, ...last } = layer(["proj_out"]);
    yield r.check(
      [
        ...groupNorm(
          { x, gamma: r.input("w.norm.weight"), beta: r.input("w.norm.bias"), norm },
          { groups: r.param<number>("groups") ?? 32, eps: r.param<number>("eps") ?? 1e-6 },
        ),
        ...conv({ x, norm, ...first, y: qkv }, { kernel: 1 }, variant, target),
        ...attention({ qkv, y: core }, { heads: 1, order: "new", target }),
        ...conv({ x: core, ...last, residual: x, y }, { kernel: 1 }, second, target),
      ],
      y,
    );
  },
};

/** Packed weights as the words of a buffer. */
const words = (bytes: Uint8Array<ArrayBuffer>) =>
  new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);

interface Convolved {
  readonly dispatches: Dispatch[];
  readonly y: Tensor;
  /** names the variant */
  readonly variant: string;
}

function convolved(r: Roles, kernel: 1 | 3, target: Target): Convolved {
  const stride = r.param<1 | 2>("stride") ?? 1;
  if (kernel === 1 && stride !== 1) throw new Error("no 1x1 convolution with a stride");
  const x = r.input("x");
  const y = f32("out", ...r.values("y").shape);
  const [n, c1, h, w] = x.shape as [number, number, number, number];
  const shape = convShape({ kernel, n, c1, oc: y.shape[1]!, h, w, stride });
  const variant = choose(shape, target);
  const weight = variant.weight("w", shape, target);
  r.inputs.set(weight, words(packConv(r.values("w").data, variant, shape, target)));
  const options = { kernel, stride, ...(kernel === 3 && { pad: padding(r) }) };
  return { dispatches: conv({ x, weight, bias: r.input("b"), y }, options, variant, target), y, variant: variant.name };
}

function padding(r: Roles): "same" | "asymmetric" {
  const sides = r.param<number[]>("pad_lrtb");
  if (sides ? `${sides}` === "0,1,0,1" : false) return "asymmetric";
  if (!sides && r.param<number>("padding") === 1) return "same";
  throw new Error(`no 3x3 convolution padded by ${JSON.stringify(sides ?? r.param("padding"))}`);
}

/** qkv [N, 3C, T] as pictures of one row. */
function joined(r: Roles): Tensor {
  const [n, channels, t] = r.values("qkv").shape as [number, number, number];
  return r.input("qkv", n, channels, 1, t);
}

function attended(r: Roles, qkv: Tensor, order: QkvOrder, heads: number, device: Device): Check {
  const [n, channels, h, w] = qkv.shape as [number, number, number, number];
  const y = f32("out", n, channels / 3, h, w);
  return r.check(attention({ qkv, y }, { heads, order, target: targetOf(device, "fast") }), y);
}
