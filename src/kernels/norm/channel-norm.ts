import { ShapeError } from "../../errors";
import { ceilDiv, type Dispatch, dims4, expectShape, grid1d, read, type Tensor, write } from "../dispatch";
import { expectCycle, wide } from "../pointwise/per-sample";
import type { Target } from "../target";

export interface ChannelNormIo {
  /** f32 [N, C, H, W] */
  readonly x: Tensor;
  /** C values, in any shape */
  readonly gamma: Tensor;
  /** Columns offset .. offset + C of f32 [Nt, K] are a scale, the next C a shift; sample n reads row n % Nt. */
  readonly film?: { readonly tensor: Tensor; readonly offset: number } | undefined;
  /** f32 [N2, C, H, W], added at the end; sample n reads n % N2 */
  readonly residual?: Tensor | undefined;
  /** f32 [N, C, H, W], written */
  readonly y: Tensor;
}

export interface ChannelNormOptions {
  /** rms: x sqrt(C) / |x|; layer: (x - mean) / sqrt(var + eps). */
  readonly kind: "rms" | "layer";
  /** of `layer`, added to the variance */
  readonly eps?: number;
  readonly silu?: boolean;
}

/** Normalises over the channels of each pixel, not over the picture: y = act(n(x) gamma (1 + scale) + shift) + residual.
 *  Zhang & Sennrich 2019 (rms, with max(|x|, 1e-12)); Ba et al. 2016 (layer).
 *  shaders/norm/channels_tile.wgsl on a GPU, else shaders/norm/channels.wgsl   @throws ShapeError where shapes do not fit */
export function channelNorm(
  io: ChannelNormIo,
  { kind, eps = 1e-5, silu = false }: ChannelNormOptions,
  { adapterClass }: Pick<Target, "adapterClass">,
): Dispatch[] {
  const { x, gamma, film, residual, y } = io;
  const [n, c, h, w] = dims4(x);
  const plane = h * w;
  expectShape(y, n, c, h, w);
  if (gamma.shape.reduce((a, b) => a * b, 1) !== c)
    throw new ShapeError(`${gamma.name}: shape [${gamma.shape}], expected ${c} values`);
  if (residual) {
    expectCycle(residual, n);
    expectShape(residual, residual.shape[0]!, c, h, w);
  }
  if (film) {
    expectCycle(film.tensor, n);
    const [, columns = 0] = film.tensor.shape;
    if (film.tensor.shape.length !== 2 || film.offset < 0 || film.offset + 2 * c > columns)
      throw new ShapeError(
        `${film.tensor.name}: shape [${film.tensor.shape}], expected ${2 * c} columns from ${film.offset} on`,
      );
  }
  const constants = {
    N: n,
    C: c,
    PLANE: plane,
    FILM_N: film?.tensor.shape[0] ?? 1,
    FILM_COLUMNS: film?.tensor.shape[1] ?? 0,
    FILM_OFFSET: film?.offset ?? 0,
    RESIDUAL_N: residual?.shape[0] ?? 1,
    EPS: eps,
    LAYER: Number(kind === "layer"),
    FILM: Number(film !== undefined),
    RESIDUAL: Number(residual !== undefined),
    SILU: Number(silu),
  };
  const bindings = [write(y), read(x), read(residual ?? x), read(gamma), read(film?.tensor ?? gamma)];
  if (adapterClass === "gpu")
    return [
      {
        label: y.name,
        shader: "norm/channels_tile",
        constants,
        bindings,
        workgroups: grid1d(n * ceilDiv(plane, 32)),
      },
    ];
  const width = wide(plane);
  return [
    {
      label: y.name,
      shader: "norm/channels",
      constants: { ...constants, WIDE: width },
      bindings,
      workgroups: grid1d(ceilDiv((n * plane) / width, 64)),
    },
  ];
}
