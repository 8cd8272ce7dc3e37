import { ShapeError } from "../../errors";
import { ceilDiv, type Dispatch, dims4, expectShape, f32, grid1d, read, type Tensor, write } from "../dispatch";
import { expectCycle, perSample, wide } from "../pointwise/per-sample";
import type { Target } from "../target";

/** How the statistics are computed. partials: lanes sum parts of a channel, and a second dispatch merges them. quad: four lanes
 *  sum a whole group, in one dispatch, for planes of a multiple of 16 elements. group: a workgroup does, for GPUs and planes of
 *  a multiple of 4. */
export type GroupNormVariant = "partials" | "quad" | "group";

export interface GroupNormIo {
  /** f32 [N, C1, H, W] */
  readonly x: Tensor;
  /** f32 [N2, C2, H, W]: channels after those of `x`; sample n reads n % N2. Groups may straddle the seam. */
  readonly skip?: Tensor;
  /** f32 [C], C = C1 + C2 */
  readonly gamma: Tensor;
  /** f32 [C] */
  readonly beta: Tensor;
  /** ADM's scale and shift: columns offset .. offset + C of f32 [Nt, K] are the scale, the next C the shift; sample n
   *  reads row n % Nt. The result is GN(x) (1 + scale) + shift. */
  readonly film?: { readonly tensor: Tensor; readonly offset: number };
  /** f32 [N, C, 4], written: (mean, scale, shift, 0) of every channel; the result is (x - mean) scale + shift. For the mean
   *  may stand a value near it. */
  readonly norm: Tensor;
  /** f32 [N, C, H, W], written if given. Without it, the consumer applies `norm` itself. */
  readonly y?: Tensor;
}

/** The variant for planes of H W = `plane` elements on a target: one dispatch where the plane allows it. */
export function chooseGroupNorm(plane: number, { adapterClass, subgroups }: Target): GroupNormVariant {
  if (adapterClass === "gpu") return plane % 4 === 0 ? "group" : "partials";
  return subgroups && plane % 16 === 0 ? "quad" : "partials";
}

/** Group normalisation: statistics, then apply if `y` is given.   Wu & He 2018; shaders/norm
 *  The biased variance is combined from shifted sums: right at mean 1000 and standard deviation 0.1.
 *  @throws ShapeError if C is not a multiple of `groups`, or the shapes do not fit each other or the variant. */
export function groupNorm(
  io: GroupNormIo,
  o: { groups: number; eps: number; silu?: boolean; variant?: GroupNormVariant },
): Dispatch[] {
  const { x, skip = x, gamma, beta, film, norm, y } = io;
  const [n, c1, h, w] = dims4(x);
  const channels = c1 + skipChannels(io);
  const plane = h * w;
  if (channels % o.groups !== 0)
    throw new ShapeError(`${norm.name}: ${channels} channels do not divide into ${o.groups} groups`);
  expectShape(gamma, channels);
  expectShape(beta, channels);
  expectShape(norm, n, channels, 4);
  if (film) {
    expectCycle(film.tensor, n);
    const columns = film.tensor.shape[1]!;
    if (film.tensor.shape.length !== 2 || film.offset < 0 || film.offset + 2 * channels > columns)
      throw new ShapeError(
        `${film.tensor.name}: shape [${film.tensor.shape}], expected ${2 * channels} columns from ${film.offset} on`,
      );
  }
  const tail = {
    N: n,
    GROUPS: o.groups,
    EPS: o.eps,
    FILM: Number(film !== undefined),
    FILM_N: film?.tensor.shape[0] ?? 1,
    FILM_COLUMNS: film?.tensor.shape[1] ?? 0,
    FILM_OFFSET: film?.offset ?? 0,
  };
  const input = { C1: c1, C2: channels - c1, PLANE: plane, SKIP_N: skip.shape[0]! };
  const affine = [write(norm), read(gamma), read(beta), read(film?.tensor ?? gamma)];
  const statistics: Dispatch[] = [];
  if (o.variant === "group") {
    if (plane % 4 !== 0) throw new ShapeError(`${norm.name}: planes of ${plane} elements, expected a multiple of 4`);
    statistics.push({
      label: norm.name,
      shader: "norm/group",
      constants: { ...input, ...tail },
      bindings: [...affine, read(x), read(skip)],
      workgroups: [n * o.groups, 1, 1],
    });
  } else if (o.variant === "quad") {
    if (plane % 16 !== 0) throw new ShapeError(`${norm.name}: planes of ${plane} elements, expected a multiple of 16`);
    statistics.push({
      label: norm.name,
      shader: "norm/quad",
      constants: { ...input, ...tail, JOINED: Number(!!io.skip) },
      bindings: [...affine, read(x), read(skip)],
      workgroups: [ceilDiv(n * o.groups, 4), 1, 1],
    });
  } else {
    const lanes = lanesPerChannel(plane);
    const partials = f32(`${norm.name}/partials`, n, channels, lanes, 4);
    statistics.push(
      {
        label: `${norm.name}/partials`,
        shader: "norm/partials",
        constants: { N: n, ...input, LANES: lanes, WIDE: wide(plane) },
        bindings: [read(x), read(skip), write(partials)],
        workgroups: grid1d(ceilDiv(n * channels * lanes, 64)),
      },
      {
        label: `${norm.name}/finalize`,
        shader: "norm/finalize",
        constants: { CHANNELS: channels, LANES: lanes, ...tail },
        bindings: [...affine, read(partials)],
        workgroups: [ceilDiv(n * o.groups, 4), 1, 1],
      },
    );
  }
  return y ? [...statistics, ...normalise({ x, ...(io.skip && { skip: io.skip }), norm, y }, o)] : statistics;
}

/** y = (v - mean) scale + shift per sample and channel, then SiLU if asked; v are the channels of `x`, then of `skip`.
 *  x: f32 [N, C1, H, W]; skip: f32 [N2, C2, H, W], sample n reads n % N2; norm: f32 [N, C, 4]; y: f32 [N, C, H, W].
 *  shaders/norm/normalise.wgsl */
export function normalise(
  io: { x: Tensor; skip?: Tensor; norm: Tensor; y: Tensor },
  { silu = false }: { silu?: boolean } = {},
): Dispatch[] {
  const { x, skip = x, norm, y } = io;
  const [n, c1, h, w] = dims4(x);
  const channels = c1 + skipChannels(io);
  const plane = h * w;
  expectShape(norm, n, channels, 4);
  expectShape(y, n, channels, h, w);
  const width = wide(plane);
  return [
    {
      label: y.name,
      shader: "norm/normalise",
      constants: {
        COUNT: channels * plane,
        WIDE: width,
        C1: c1,
        C2: channels - c1,
        SKIP_N: skip.shape[0]!,
        PLANE: plane,
        NORM: 1,
        SILU: Number(silu),
      },
      bindings: [read(x), read(skip), read(norm), write(y)],
      workgroups: perSample(channels * plane, n, width),
    },
  ];
}

function skipChannels({ x, skip }: { x: Tensor; skip?: Tensor }): number {
  if (!skip) return 0;
  const [n, , h, w] = dims4(x);
  const [, c2, h2, w2] = dims4(skip);
  if (h2 !== h || w2 !== w) throw new ShapeError(`${skip.name}: planes of ${h2}x${w2}, ${x.name} has ${h}x${w}`);
  expectCycle(skip, n);
  return c2;
}

/** Partial sums per channel: enough lanes for a GPU, and at least eight blocks of 16 elements for each. */
function lanesPerChannel(plane: number): number {
  return Math.min(64, 2 ** Math.floor(Math.log2(Math.max(1, plane / 128))));
}
