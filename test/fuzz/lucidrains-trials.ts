import { linearAttention } from "../../src/kernels/attention/linear-attention";
import { anyConv, anyConvSize, anyConvWeight, packAnyConv } from "../../src/kernels/conv/any";
import { finished } from "../../src/kernels/conv/packing";
import { elements, f32, type Tensor } from "../../src/kernels/dispatch";
import { channelNorm } from "../../src/kernels/norm/channel-norm";
import { spaceToDepth } from "../../src/kernels/pointwise/space-to-depth";
import { attention } from "../../src/kernels/product/attention";
import * as reference from "../../src/reference";
import type { Data } from "../support/run";
import type { Chance } from "./chance";
import { channels, side, targets } from "./conv-trials";
import type { KernelTrial } from "./kernel-trials";

/** Kernels that only lucidrains' networks use. */
export function lucidrainsTrials(c: Chance): (c: Chance) => KernelTrial {
  return c.one([channelNormTrial, linearAttentionTrial, memoryAttentionTrial, anyConvTrial, spaceToDepthTrial]);
}

const cycle = (c: Chance, n: number): number => c.one([1, 2, 3, 4].filter((m) => n % m === 0));

function channelNormTrial(c: Chance): KernelTrial {
  const [n, width, h, w] = [c.whole(1, 4), channels(c), side(c), side(c)];
  const options = { kind: c.one(["rms", "layer"] as const), eps: c.one([1e-3, 1e-5]), silu: c.once(2) };
  const target = c.one(targets("f32"));
  const [x, gamma, y] = [f32("x", n, width, h, w), f32("gamma", 1, width, 1, 1), f32("y", n, width, h, w)];
  const film = c.once(2) ? { tensor: f32("film", cycle(c, n), 2 * width + 5), offset: c.whole(0, 5) } : undefined;
  const residual = c.once(2) ? f32("residual", cycle(c, n), width, h, w) : undefined;
  const given = [x, gamma, ...(film ? [film.tensor] : []), ...(residual ? [residual] : [])];
  const inputs = new Map<Tensor, Data>(given.map((t) => [t, c.values(elements(t))]));
  const values = reference.channelNorm(inputs.get(x)!, inputs.get(gamma)!, [n, width, h, w], {
    ...options,
    ...(film && {
      film: { data: inputs.get(film.tensor)!, samples: film.tensor.shape[0]!, offset: film.offset },
    }),
    ...(residual && { residual: { data: inputs.get(residual)!, samples: residual.shape[0]! } }),
  });
  return {
    name: `channelNorm [${x.shape}] ${JSON.stringify(options)}, film ${film?.tensor.shape}, residual ${residual?.shape}, ${target.adapterClass}`,
    dispatches: channelNorm({ x, gamma, film, residual, y }, options, target),
    inputs,
    // A layer norm of one channel, or of two that are alike, divides by next to nothing.
    expected: options.kind === "layer" && width < 4 ? [] : [{ tensor: y, values, rtol: 1e-3, atol: 1e-3 }],
  };
}

/** A head's channels, and heads, of few values in all. */
function heads(c: Chance, most: number) {
  for (;;) {
    const [n, count, d, h, w] = [c.whole(1, 3), c.whole(1, 4), c.one([1, 2, 3, 4, 5, 8, 12, 32]), side(c), side(c)];
    const pixels = h * w;
    if (n * count * d * pixels * Math.max(d, pixels) <= most) return { n, c: count * d, h, w, heads: count, d };
  }
}

function linearAttentionTrial(c: Chance): KernelTrial {
  const { d, ...s } = heads(c, 2e5);
  const [learned, divided] = [c.one([0, 0, 1, 4, 7]), c.once(2)];
  const [qkv, y] = [f32("qkv", s.n, 3 * s.c, s.h, s.w), f32("y", s.n, s.c, s.h, s.w)];
  const memory = learned > 0 ? f32("memory", 2, s.heads, d, learned) : undefined;
  const inputs = new Map<Tensor, Data>([qkv, ...(memory ? [memory] : [])].map((t) => [t, c.values(elements(t))]));
  const values = reference.linearAttentionReference(inputs.get(qkv)!, memory && inputs.get(memory), { ...s, divided });
  return {
    name: `linearAttention ${JSON.stringify({ ...s, learned, divided })}`,
    dispatches: linearAttention({ qkv, memory, y }, { heads: s.heads, divided }),
    inputs,
    expected: [{ tensor: y, values, rtol: 1e-4, atol: 1e-5 }],
  };
}

function memoryAttentionTrial(c: Chance): KernelTrial {
  const { d, ...s } = heads(c, 2e5);
  const target = c.one(targets("f32"));
  const memory = f32("memory", 2, s.heads, c.one([1, 3, 4, 8]), d);
  const [qkv, y] = [f32("qkv", s.n, 3 * s.c, s.h, s.w), f32("y", s.n, s.c, s.h, s.w)];
  const inputs = new Map<Tensor, Data>([qkv, memory].map((t) => [t, c.values(elements(t))]));
  const values = reference.memoryAttentionReference(inputs.get(qkv)!, inputs.get(memory)!, s);
  return {
    name: `attention ${JSON.stringify(s)} with memory [${memory.shape}] for ${JSON.stringify(target)}`,
    dispatches: attention({ qkv, memory, y }, { heads: s.heads, order: "new", target }),
    inputs,
    expected: [{ tensor: y, values, rtol: 1e-4, atol: 2e-5 }],
  };
}

function anyConvTrial(c: Chance): KernelTrial {
  for (;;) {
    const [n, width, oc, h, w] = [c.whole(1, 3), channels(c), channels(c), side(c), side(c)];
    const options = { kernel: c.whole(1, 9), stride: c.whole(1, 3), pad: c.whole(0, 4) };
    const [oh, ow] = [anyConvSize(h, options), anyConvSize(w, options)];
    if (oh < 1 || ow < 1 || n * width * oc * oh * ow * options.kernel ** 2 > 4e5) continue;
    const [x, bias, y] = [f32("x", n, width, h, w), f32("bias", oc), f32("y", n, oc, oh, ow)];
    const weight = anyConvWeight("weight", oc, width, options);
    const filters = c.values(oc * width * options.kernel ** 2);
    const inputs = new Map<Tensor, Data>([x, bias].map((t) => [t, c.values(elements(t))]));
    inputs.set(weight, new Float32Array(finished(packAnyConv(filters, oc, width, options.kernel)).buffer));
    const s = { n, c: width, oc, h, w, ...options };
    const values = reference.anyConvReference(inputs.get(x)!, filters, inputs.get(bias)!, s);
    return {
      name: `anyConv ${JSON.stringify(s)}`,
      dispatches: anyConv({ x, weight, bias, y }, options),
      inputs,
      expected: [{ tensor: y, values, rtol: 1e-4, atol: 1e-4 }],
    };
  }
}

function spaceToDepthTrial(c: Chance): KernelTrial {
  const [n, width, h, w] = [c.whole(1, 4), channels(c), 2 * c.whole(1, 6), 2 * c.whole(1, 6)];
  const [x, y] = [f32("x", n, width, h, w), f32("y", n, 4 * width, h / 2, w / 2)];
  const data = c.values(elements(x));
  return {
    name: `spaceToDepth [${x.shape}]`,
    dispatches: spaceToDepth({ x, y }),
    inputs: new Map([[x, data]]),
    expected: [{ tensor: y, values: reference.spaceToDepth(data, [n, width, h, w]), rtol: 0, atol: 0 }],
  };
}
