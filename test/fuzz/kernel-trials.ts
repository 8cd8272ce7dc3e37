import { fromHalf, toHalf } from "../../src/half";
import { type Dispatch, elements, f32, type Tensor, u32 } from "../../src/kernels/dispatch";
import { groupNorm } from "../../src/kernels/norm/group-norm";
import { activation } from "../../src/kernels/pointwise/activation";
import { add } from "../../src/kernels/pointwise/add";
import { addRow } from "../../src/kernels/pointwise/add-row";
import { affine } from "../../src/kernels/pointwise/affine";
import { avgPool2 } from "../../src/kernels/pointwise/avg-pool2";
import { concat } from "../../src/kernels/pointwise/concat";
import { ALL_FINITE, nonFinite } from "../../src/kernels/pointwise/non-finite";
import { PLACEMENT_FLOATS, placementData, resample } from "../../src/kernels/pointwise/resample";
import { silu } from "../../src/kernels/pointwise/silu";
import { stack } from "../../src/kernels/pointwise/stack";
import { timeEmbedding } from "../../src/kernels/pointwise/time-embedding";
import { toRgba8 } from "../../src/kernels/pointwise/to-rgba8";
import { upsample2x } from "../../src/kernels/pointwise/upsample2x";
import { attention } from "../../src/kernels/product/attention";
import { linear, linearWeight } from "../../src/kernels/product/linear";
import { calibrate } from "../../src/kernels/step/calibrate";
import { ddimStep } from "../../src/kernels/step/ddim";
import { diffuse } from "../../src/kernels/step/diffuse";
import { mix } from "../../src/kernels/step/mix";
import { moments } from "../../src/kernels/step/moments";
import { gaussian } from "../../src/kernels/step/noise";
import { predictX0 } from "../../src/kernels/step/predict-x0";
import { retrace } from "../../src/kernels/step/retrace";
import { MIX, type MixRule } from "../../src/kernels/step/step-row";
import type { Target } from "../../src/kernels/target";
import * as reference from "../../src/reference";
import { gaussianNoise } from "../../src/reference/noise";
import { attentionReference } from "../../src/reference/product";
import { epsilonScalars, stepRows } from "../support/rows";
import type { Data } from "../support/run";
import { chainTrials } from "./chain-trials";
import { type Chance, chance } from "./chance";
import { channels, convTrials, side, targets } from "./conv-trials";
import { lucidrainsTrials } from "./lucidrains-trials";

/** Dispatches with their inputs, and what must come out. */
export interface KernelTrial {
  readonly name: string;
  readonly dispatches: readonly Dispatch[];
  readonly inputs: ReadonlyMap<Tensor, Data>;
  readonly expected: readonly Expected[];
}

export interface Expected {
  readonly tensor: Tensor;
  /** Of a u32 tensor: its words. */
  readonly values: ArrayLike<number>;
  readonly rtol: number;
  readonly atol: number;
}

/** Every kernel, with how often it is tried beside the others. What `kind` chooses is compiled in, and shared by many trials
 *  of different shapes. */
const families: readonly { readonly share: number; readonly kind: (c: Chance) => (c: Chance) => KernelTrial }[] = [
  { share: 24, kind: convTrials },
  { share: 4, kind: chainTrials },
  { share: 6, kind: () => groupNormTrial },
  { share: 5, kind: attentionTrials },
  { share: 3, kind: () => linearTrial },
  { share: 2, kind: () => mixTrial },
  { share: 3, kind: () => samplerTrial },
  { share: 4, kind: () => pointwiseTrial },
  { share: 1, kind: () => resampleTrial },
  { share: 6, kind: lucidrainsTrials },
];

const shares = families.flatMap(({ share, kind }) => Array<typeof kind>(share).fill(kind));

/** Trials in a row that are of one kind. */
const OF_A_KIND = 20;

/** The trial of this number under a seed. */
export function kernelTrial(seed: number, trial: number): KernelTrial {
  const c = chance(seed, -1 - Math.floor(trial / OF_A_KIND));
  return c.one(shares)(c)(chance(seed, trial));
}

/** Pictures [n, c, h, w] of at most `most` values. */
function picture(c: Chance, most = 20_000): [n: number, c: number, h: number, w: number] {
  for (;;) {
    const shape = [c.whole(1, 4), channels(c), side(c), side(c)] as [number, number, number, number];
    if (elements({ shape }) <= most) return shape;
  }
}

const cycle = (c: Chance, n: number): number => c.one([1, 2, 3, 4].filter((m) => n % m === 0));

const divisor = (c: Chance, of: number, most = of): number =>
  c.one(Array.from({ length: Math.min(of, most) }, (_, i) => i + 1).filter((d) => of % d === 0));

function groupNormTrial(c: Chance): KernelTrial {
  const [n, c1, h, w] = picture(c);
  const c2 = c.once(2) ? channels(c) : 0;
  const total = c1 + c2;
  const variant = c.one([
    "partials",
    ...((h * w) % 16 === 0 ? (["quad", "quad"] as const) : []),
    ...((h * w) % 4 === 0 ? (["group"] as const) : []),
  ] as const);
  const groups = divisor(c, total);
  const options = { groups, eps: c.one([1e-6, 1e-5]), silu: c.once(2), variant };
  const [x, gamma, beta] = [f32("x", n, c1, h, w), f32("gamma", total), f32("beta", total)];
  const norm = f32("norm", n, total, 4);
  const y = f32("y", n, total, h, w);
  const inputs = new Map<Tensor, Data>([x, gamma, beta].map((t) => [t, c.values(elements(t))]));
  const skip = c2 > 0 ? f32("skip", cycle(c, n), c2, h, w) : undefined;
  if (skip) inputs.set(skip, c.values(elements(skip)));
  const film = c.once(3) ? { tensor: f32("film", cycle(c, n), 2 * total + 5), offset: c.whole(0, 5) } : undefined;
  if (film) inputs.set(film.tensor, c.values(elements(film.tensor)));
  const joined = skip ? reference.concat(inputs.get(x)!, inputs.get(skip)!, n, skip.shape[0]!) : inputs.get(x)!;
  const values = reference.groupNorm(joined, inputs.get(gamma)!, inputs.get(beta)!, [n, total, h, w], {
    ...options,
    ...(film && {
      film: { data: inputs.get(film.tensor)!, samples: film.tensor.shape[0]!, offset: film.offset },
    }),
  });
  // Few values may lie close together: then 1 / deviation is large, and so is its rounding.
  const steep = Math.max(1, ...values.map(Math.abs));
  return {
    name: `groupNorm [${x.shape}] + ${skip ? `[${skip.shape}]` : "nothing"}${film ? `, film [${film.tensor.shape}]` : ""}, ${JSON.stringify(options)}`,
    dispatches: groupNorm({ x, ...(skip && { skip }), gamma, beta, ...(film && { film }), norm, y }, options),
    inputs,
    expected: [{ tensor: y, values, rtol: 1e-4, atol: 1e-4 * steep }],
  };
}

function attentionTrials(c: Chance): (c: Chance) => KernelTrial {
  const target = c.one(targets("f32"));
  return (c) => attentionTrial(c, target);
}

/** A picture of which products hold a tile: pixels in eights, channels too. */
const evenPicture = (c: Chance): [n: number, c: number, h: number, w: number] => [
  c.whole(1, 2),
  8 * c.whole(1, 4),
  8,
  c.whole(3, 8),
];

function attentionTrial(c: Chance, target: Target): KernelTrial {
  for (;;) {
    const [n, width, h, w] = c.once(3) ? evenPicture(c) : picture(c, 4000);
    if (n * width * (h * w) ** 2 > 4e5) continue;
    const heads = divisor(c, width, width % 8 === 0 ? width / 8 : width);
    const s = { n, c: width, h, w, heads, order: c.one(["legacy", "new"] as const) };
    const [qkv, y] = [f32("qkv", n, 3 * width, h, w), f32("y", n, width, h, w)];
    const data = c.values(elements(qkv));
    return {
      name: `attention ${JSON.stringify(s)} for ${JSON.stringify(target)}`,
      dispatches: attention({ qkv, y }, { ...s, target }),
      inputs: new Map([[qkv, data]]),
      expected: [{ tensor: y, values: attentionReference(data, s), rtol: 1e-4, atol: 2e-5 }],
    };
  }
}

function linearTrial(c: Chance): KernelTrial {
  const [n, columns, rows] = [c.whole(1, 9), channels(c), c.one([channels(c), c.whole(1, 600)])];
  const dtype = c.one(["f32", "f16"] as const);
  const variant = columns % 4 === 0 ? c.one(["lanes", "rows"] as const) : "lanes";
  const options = { siluIn: c.once(2), siluOut: c.once(2), variant };
  const [x, bias, y] = [f32("x", n, columns), f32("bias", rows), f32("y", n, rows)];
  const weight = linearWeight("weight", rows, columns, dtype);
  const exact = c.values(rows * columns);
  const stored = weight.dtype === "f16" ? toHalf(exact) : exact;
  const used = weight.dtype === "f16" ? fromHalf(stored as ReturnType<typeof toHalf>) : exact;
  const inputs = new Map<Tensor, Data>([
    [x, c.values(n * columns)],
    [bias, c.values(rows)],
    [weight, stored],
  ]);
  const given = options.siluIn ? Array.from(inputs.get(x)!, reference.silu) : inputs.get(x)!;
  const sums = reference.linear(given, used, inputs.get(bias)!, n);
  const values = options.siluOut ? sums.map(reference.silu) : sums;
  return {
    name: `linear ${n} x ${columns} to ${rows}, ${weight.dtype}, ${JSON.stringify(options)}`,
    dispatches: linear({ x, weight, bias, y }, options),
    inputs,
    expected: [{ tensor: y, values, rtol: 1e-5, atol: 5e-5 }],
  };
}

function mixTrial(c: Chance): KernelTrial {
  const [n, width, h, w] = picture(c);
  const rule = c.one(Object.keys(MIX) as MixRule[]);
  const gammas = Array.from({ length: n }, () => c.one([0, 0.3, 0.7, 1]));
  const { steps, data } = stepRows(...gammas.map((gamma) => ({ GAMMA: gamma, RULE: MIX[rule] })));
  const contents = cycle(c, n);
  const [head, content, y] = [
    f32("h", n, width, h, w),
    f32("content", contents, width, h, w),
    f32("y", n, width, h, w),
  ];
  const mask = c.once(2) ? f32("mask", cycle(c, n), h, w) : undefined;
  const inputs = new Map<Tensor, Data>([
    [steps, data],
    [head, c.values(elements(head))],
    [content, c.values(elements(content))],
  ]);
  if (mask) inputs.set(mask, c.values(elements(mask)).map(Math.abs));
  const values = gammas.flatMap((gamma, i) => [
    ...reference.mix(
      reference.sample(inputs.get(head)!, n, i),
      reference.sample(inputs.get(content)!, contents, i),
      mask && reference.sample(inputs.get(mask)!, mask.shape[0]!, i),
      rule,
      gamma,
    ),
  ]);
  return {
    name: `mix by ${rule} [${head.shape}] with [${content.shape}]${mask ? ` in [${mask.shape}]` : ""}, gammas ${gammas}`,
    dispatches: mix({ steps, h: head, content, ...(mask && { mask }), y }, { slot: 0 }),
    inputs,
    // One value alone is parallel or opposite to the other; a slerp near opposite divides by a small sine.
    expected:
      (rule.startsWith("slerp") || rule === "addKept") && width * h * w < 8
        ? []
        : [{ tensor: y, values, rtol: 1e-4, atol: 1e-4 }],
  };
}

/** What a step does with eps: predictX0, ddim, retrace, diffuse, moments, calibrate. */
function samplerTrial(c: Chance): KernelTrial {
  const [n, width, h, w] = picture(c, 6000);
  const count = width * h * w;
  const extra = c.one([0, 0, 1, width]);
  const all = Array.from({ length: n }, (): reference.Scalars => {
    const [alpha, next, sigma] = [c.whole(1, 9) / 10, c.whole(1, 8) / 10, c.once(2) ? 0 : 0.3];
    return {
      SQRT_ALPHA: Math.sqrt(alpha),
      SQRT_ONE_MINUS_ALPHA: Math.sqrt(1 - alpha),
      SQRT_ALPHA_NEXT: Math.sqrt(next),
      DIRECTION: Math.sqrt(1 - next - sigma ** 2),
      SIGMA: sigma,
      OMEGA: c.whole(0, 10) / 10,
      RESCALE: c.whole(0, 1),
      ...(c.once(2) ? epsilonScalars(alpha) : { X0_X: 0.4, X0_O: -0.9, EPS_X: 0.9, EPS_O: 0.4 }),
      CLIP: c.one([0, 0.7]),
      BEFORE: c.one([0, -0.6]),
      BACK_SIGNAL: c.whole(0, 10) / 10,
      BACK_NOISE: c.whole(0, 10) / 10,
    };
  });
  const keys = all.map((_, i) => ({ SEED: c.whole(0, 2 ** 31), STREAM: i, DRAW: c.whole(0, 99) }));
  const { steps, data } = stepRows(...all.map((scalars, i) => ({ ...scalars, ...keys[i]! })));
  const [x, eps] = [f32("x", n, width, h, w), f32("eps", 2 * n, width + extra, h, w)];
  const values = c.values(elements(eps));
  const inputs = new Map<Tensor, Data>([
    [steps, data],
    [x, c.values(elements(x))],
    [eps, values],
  ]);
  const xs = (i: number) => reference.sample(inputs.get(x)!, n, i);
  const es = (j: number) => reference.sample(values, 2 * n, j).slice(0, count);
  const samples = Array.from({ length: n }, (_, i) => i);
  const name = `[${x.shape}] and eps [${eps.shape}]`;
  const close = { rtol: 1e-4, atol: 5e-5 };
  const before = f32("before", n, width, h, w);
  const bs = (i: number) => reference.sample(inputs.get(before)!, n, i);
  if (c.once(4)) {
    inputs.set(before, c.values(elements(before)));
    const [rest, moved, noisy] = ["rest", "moved", "noisy"].map((own) => f32(own, n, width, h, w));
    const found = samples.map((i) => reference.retrace(all[i]!, xs(i), es(i), es(n + i), bs(i)));
    const diffused = samples.flatMap((i) => {
      const { SQRT_ALPHA: signal, SQRT_ONE_MINUS_ALPHA: noise } = all[i]!;
      const z = bs(i);
      return Array.from(xs(i), (v, k) => signal * v + noise * z[k]!);
    });
    return {
      name: `retrace and diffuse ${name}`,
      dispatches: [
        ...retrace({ steps, x, eps, before, rest: rest!, moved: moved! }, { asymmetric: true }),
        ...diffuse({ steps, x, z: before, y: noisy! }),
      ],
      inputs,
      expected: [
        { tensor: rest!, values: found.flatMap((one) => [...one.rest]), ...close },
        { tensor: moved!, values: found.flatMap((one) => [...one.moved]), ...close },
        { tensor: noisy!, values: diffused, ...close },
      ],
    };
  }
  if (c.once(2)) {
    const multistep = c.once(2);
    if (multistep) inputs.set(before, c.values(elements(before)));
    const [next, clean] = [f32("next", n, width, h, w), f32("clean", n, width, h, w)];
    const drawn = (i: number) =>
      gaussianNoise({ seed: keys[i]!.SEED, stream: keys[i]!.STREAM, draw: keys[i]!.DRAW }, count);
    const after = samples.flatMap((i) => {
      const row = { ...all[i]!, BEFORE: multistep ? all[i]!.BEFORE! : 0 };
      return [...reference.ddim(row, xs(i), es(i), es(n + i), drawn(i), multistep ? bs(i) : [])];
    });
    return {
      name: `ddimStep ${name}${multistep ? " and what the step before left" : ""}`,
      dispatches: ddimStep({ steps, x, eps, ...(multistep && { before }), next, x0: clean }, { asymmetric: true }),
      inputs,
      expected: [{ tensor: next, values: after, ...close }],
    };
  }
  const regional = c.once(2);
  const masks = f32("masks", c.whole(1, 3), h, w);
  const omegas = f32("omegas", masks.shape[0]!);
  if (regional) {
    inputs.set(masks, c.values(elements(masks)).map(Math.abs));
    inputs.set(omegas, c.values(elements(omegas)));
  }
  const regions = regional
    ? Array.from(inputs.get(omegas)!, (omega, r) => ({
        mask: reference.sample(inputs.get(masks)!, masks.shape[0]!, r),
        omega,
      }))
    : [];
  const [p, statistics, y] = [f32("p", 2 * n, width, h, w), f32("moments", 2 * n, 2), f32("y", n, width, h, w)];
  const dispatches = [
    ...predictX0({ steps, x, eps, y: p }),
    ...moments({ x: p, y: statistics }),
    ...calibrate({ steps, x, eps, p, moments: statistics, ...(regional && { regions: { masks, omegas } }), y }),
  ];
  const moved = samples.flatMap((i) => [...reference.calibrate(all[i]!, xs(i), es(i), es(n + i), regions)]);
  // A standard deviation of one value is 0 / 0, and of a few it may be next to nothing.
  return {
    name: `calibrate ${name}, ${regions.length} regions`,
    dispatches,
    inputs,
    expected: count < 8 ? [] : [{ tensor: y, values: moved, rtol: 1e-3, atol: 1e-3 }],
  };
}

/** Kernels that move or map values. */
function pointwiseTrial(c: Chance): KernelTrial {
  const shape = picture(c);
  const [n, width, h, w] = shape;
  const x = f32("x", ...shape);
  const data = c.values(elements(x));
  const given = new Map<Tensor, Data>([[x, data]]);
  const trial = (
    name: string,
    dispatches: readonly Dispatch[],
    tensor: Tensor,
    values: ArrayLike<number>,
    off = 0,
  ) => ({
    name: `${name} [${shape}]`,
    dispatches,
    inputs: given,
    expected: [{ tensor, values, rtol: off, atol: off }],
  });
  const kinds = [
    "upsample2x",
    "avgPool2",
    "silu",
    "add",
    "stack",
    "concat",
    "addRow",
    "noise",
    "finite",
    "rgba",
    "time",
    "activation",
    "affine",
  ] as const;
  const kind = c.one(kinds);
  switch (kind) {
    case "upsample2x": {
      const y = f32("y", n, width, 2 * h, 2 * w);
      return trial(kind, upsample2x({ x, y }), y, reference.upsample2x(data, shape));
    }
    case "avgPool2": {
      if (h < 2 || w < 2) return pointwiseTrial(c);
      const y = f32("y", n, width, h >> 1, w >> 1);
      return trial(kind, avgPool2({ x, y }), y, reference.avgPool2(data, shape), 1e-6);
    }
    case "silu": {
      const y = f32("y", ...shape);
      return trial(kind, silu({ x, y }), y, Array.from(data, reference.silu), 1e-5);
    }
    case "activation": {
      const y = f32("y", ...shape);
      const chosen = c.one(Object.keys(reference.activations) as (keyof typeof reference.activations)[]);
      const values = Array.from(data, reference.activations[chosen]);
      return trial(`${kind} ${chosen}`, activation({ x, y }, chosen), y, values, 1e-5);
    }
    case "affine": {
      const y = f32("y", ...shape);
      const [scale, shift] = [c.one([2, 1 / Math.SQRT2]), c.one([-1, 0.5])];
      const values = Array.from(data, (v) => scale * v + shift);
      return trial(kind, affine({ x, y }, { scale, shift }), y, values, 1e-5);
    }
    case "add": {
      const b = f32("b", cycle(c, n), width, h, w);
      const other = c.values(elements(b));
      given.set(b, other);
      const y = f32("y", ...shape);
      return trial(
        kind,
        add({ a: x, b, y }),
        y,
        data.map((v, i) => v + other[i % other.length]!),
      );
    }
    case "stack": {
      const b = f32("b", c.whole(1, 4), width, h, w);
      const other = c.values(elements(b));
      given.set(b, other);
      const y = f32("y", n + b.shape[0]!, width, h, w);
      return trial(kind, stack({ a: x, b, y }), y, [...data, ...other]);
    }
    case "concat": {
      const skip = f32("skip", cycle(c, n), channels(c), h, w);
      const other = c.values(elements(skip));
      given.set(skip, other);
      const y = f32("y", n, width + skip.shape[1]!, h, w);
      return trial(kind, concat({ x, skip, y }), y, reference.concat(data, other, n, skip.shape[0]!));
    }
    case "addRow": {
      const [rows, labels] = [c.whole(1, 12), u32("labels", n)];
      const [flat, table, y] = [f32("flat", n, width), f32("table", rows, width), f32("y", n, width)];
      const chosen = Uint32Array.from({ length: n }, () => c.whole(0, rows - 1));
      const [values, all] = [c.values(n * width), c.values(rows * width)];
      const inputs = new Map<Tensor, Data>([
        [flat, values],
        [table, all],
        [labels, chosen],
      ]);
      const sums = values.map((v, i) => v + all[chosen[Math.floor(i / width)]! * width + (i % width)]!);
      return { ...trial(kind, addRow({ x: flat, table, labels, y }), y, sums), inputs };
    }
    case "noise": {
      const keys = Array.from({ length: n }, (_, i) => ({
        SEED: c.whole(0, 2 ** 31),
        STREAM: i,
        DRAW: c.whole(0, 99),
      }));
      const rows = stepRows(...keys);
      const y = f32("y", ...shape);
      const count = width * h * w;
      const drawn = keys.flatMap((k) => [...gaussianNoise({ seed: k.SEED, stream: k.STREAM, draw: k.DRAW }, count)]);
      const inputs = new Map<Tensor, Data>([[rows.steps, rows.data]]);
      return { ...trial(kind, gaussian({ steps: rows.steps, y }), y, drawn, 1e-5), inputs };
    }
    case "finite": {
      const rows = stepRows(...Array.from({ length: n }, () => ({ DRAW: 7 })));
      const flag = u32("flag", 1);
      const broken = c.once(2);
      if (broken) data[c.whole(0, data.length - 1)] = c.one([Number.NaN, Number.POSITIVE_INFINITY]);
      given.set(rows.steps, rows.data);
      given.set(flag, Uint32Array.of(ALL_FINITE));
      return trial(kind, nonFinite({ x, steps: rows.steps, flag }), flag, [broken ? 7 : ALL_FINITE]);
    }
    case "rgba": {
      const [colours, y] = [f32("x", n, 3, h, w), u32("y", n, h, w)];
      const values = c.values(elements(colours)).map((v) => 1.5 * v);
      const byte = (v: number) => Math.floor(Math.min(255, Math.max(0, (v + 1) * 0.5 * 255 + 0.5)));
      const words = Array.from({ length: n * h * w }, (_, i) => {
        const at = (channel: number) => values[(Math.floor(i / (h * w)) * 3 + channel) * h * w + (i % (h * w))]!;
        return (byte(at(0)) | (byte(at(1)) << 8) | (byte(at(2)) << 16) | (255 << 24)) >>> 0;
      });
      const inputs = new Map<Tensor, Data>([[colours, values]]);
      return { ...trial(kind, toRgba8({ x: colours, y }), y, words), inputs };
    }
    case "time": {
      const times = Array.from({ length: n }, () => c.whole(0, 999));
      const rows = stepRows(...times.map((T) => ({ T })));
      const y = f32("y", n, Math.max(4, width));
      const order = c.one(["sin-cos", "cos-sin"] as const);
      const inputs = new Map<Tensor, Data>([[rows.steps, rows.data]]);
      const shift = c.one([0, 1] as const);
      const values = reference.timeEmbedding(times, y.shape[1]!, order, shift);
      return { ...trial(kind, timeEmbedding({ steps: rows.steps, y }, { order, shift }), y, values, 2e-4), inputs };
    }
    default:
      return kind satisfies never;
  }
}

/** A window of a picture into one slot. */
function resampleTrial(c: Chance): KernelTrial {
  const [width, height] = [c.whole(1, 40), c.whole(1, 40)];
  const [left, top] = [c.whole(0, width - 1), c.whole(0, height - 1)];
  const window = [left, top, c.whole(left + 1, width), c.whole(top + 1, height)] as const;
  const [h, w] = [side(c), side(c)];
  const y = f32("y", c.whole(1, 3), 3, h, w);
  const slot = c.whole(0, y.shape[0]! - 1);
  const [image, placement] = [u32("image", height, width), f32("placement", PLACEMENT_FLOATS)];
  const bytes = [1, 2, 3].map(() => c.values(width * height).map((v) => Math.floor(128 * (v + 1))));
  const words = Uint32Array.from(bytes[0]!, (r, i) => (r | (bytes[1]![i]! << 8) | (bytes[2]![i]! << 16)) >>> 0);
  const matrix = [(window[2] - left) / w, 0, 0, 0, 0, (window[3] - top) / h, 0, 0, left, top, 1, 0];
  const inputs = new Map<Tensor, Data>([
    [image, words],
    [placement, placementData({ matrix, width, height, window })],
  ]);
  const resized = bytes.flatMap((channel) =>
    Array.from(reference.resize(channel, width, window, w, h), (v) => v / 127.5 - 1),
  );
  const values = new Float64Array(elements(y)).fill(Number.NaN); // other slots are left alone
  values.set(resized, slot * resized.length);
  return {
    name: `resample ${window} of ${width}x${height} to slot ${slot} of [${y.shape}]`,
    dispatches: resample({ image, placement, y }, { slot }),
    inputs,
    expected: [{ tensor: y, values, rtol: 0, atol: 2 / 255 + 1e-6 }],
  };
}
