import { ceilDiv, type Dispatch, grid1d, type Tensor } from "../dispatch";
import { tileHeight } from "../product/tiles";
import type { Target } from "../target";
import { type ConvSizes, type ConvTensors, convBindings, convConstants, windowConstants } from "./io";
import { convNormalised } from "./normalised";
import { packed, quadTiles, stops } from "./packing";
import { type ConvOptions, type ConvShape, type ConvVariant, outputSides, whole } from "./variant";

/** Channels of the input below which loops are short, and smaller tiles as fast. */
const FEW_CHANNELS = 16;

/** Output channels of a register tile. Quads take them in fours, and f16 weights in pairs.
 *  16 are a tenth faster than 8 and compile in twice the time; with more, the loop outgrows the instruction cache. */
function tileHeightOf({ kernel, c1, c2, oc }: Omit<ConvShape, "n">, weights: Target["weights"], subgroups: boolean) {
  const pair = weights === "f16" ? 2 : 1;
  if (subgroups) return tileHeight(oc, kernel === 3 && c1 + c2 < FEW_CHANNELS ? 8 : 16, 4 * pair);
  const unit = kernel === 3 ? pair : 4 * pair;
  return Math.min(8, whole(oc, unit));
}

/** Instructions for a multiply-add, over four lanes; without subgroups every lane loads all weights. */
const INSTRUCTIONS = { quad: 13, lane: 30 };

/** Direct convolution in one dispatch, of any size. shaders/conv/direct_quad.wgsl with subgroups, else direct.wgsl
 *  @param o tileM, tileY: output channels and rows of a register tile, where they should not suit the shape */
export function direct(o: { subgroups: boolean; tileM?: number; tileY?: number }): ConvVariant {
  const { subgroups } = o;
  const tileMOf = (s: Omit<ConvShape, "n">, { weights }: Target) => o.tileM ?? tileHeightOf(s, weights, subgroups);
  const tileYOf = (oh: number, kernel: 1 | 3) => o.tileY ?? Math.min(4, Math.max(kernel === 3 ? 2 : 1, oh));
  const rowsOf = (s: ConvShape, t: Target) => whole(s.oc, tileMOf(s, t));
  return {
    name: subgroups ? "direct quad" : "direct",
    tolerance: () => 2e-5,
    runs: (_, t) => !subgroups || (t.subgroups && t.adapterClass === "software"),
    cost(s, t) {
      const [oh, ow] = outputSides(s);
      const tileY = tileYOf(oh, s.kernel);
      const pixels = tileY * (subgroups ? whole(ceilDiv(oh, tileY) * ow, 4) : ceilDiv(oh, tileY) * ow);
      const depth = s.kernel ** 2 * (s.c1 + s.c2);
      if (t.adapterClass === "gpu") return depth * s.oc * (4 * pixels + 45); // see tile.ts
      return depth * rowsOf(s, t) * pixels * (subgroups ? INSTRUCTIONS.quad : INSTRUCTIONS.lane);
    },
    weight: (name, s, t): Tensor => ({
      name,
      shape: [s.c1 + s.c2, s.kernel, s.kernel, rowsOf(s, t)],
      dtype: t.weights,
    }),
    *packing(w, s, t) {
      const { kernel, c1, c2, oc } = s;
      const taps = kernel ** 2;
      const ic = c1 + c2;
      if (subgroups) return yield* packed(yield* quadTiles(w, oc, ic * taps, tileMOf(s, t), taps), t.weights);
      const rows = rowsOf(s, t);
      const out = new Float32Array(ic * taps * rows);
      for (let row = 0, stop = stops(ic * taps); row < oc; row++) {
        if (stop()) yield;
        for (let c = 0; c < ic; c++)
          for (let y = 0; y < kernel; y++)
            for (let x = 0; x < kernel; x++)
              out[(c * taps + x * kernel + y) * rows + row] = w[(row * ic + c) * taps + y * kernel + x]!;
      }
      return yield* packed(out, t.weights);
    },
    dispatches(io, sizes, options, t) {
      const tileM = tileMOf({ ...sizes, ...options }, t);
      // Normalised on the fly, an input is normalised again for every tile of output channels.
      if (options.kernel === 1 && io.norm?.shape[0] === sizes.n && sizes.oc > 2 * tileM)
        return convNormalised(io, options.silu, (plain) => [
          dispatch(plain, { ...sizes, c1: sizes.c1 + sizes.c2, c2: 0 }, { ...options, silu: false }, tileM),
        ]);
      return [dispatch(io, sizes, options, tileM)];
    },
  };

  function dispatch(io: ConvTensors, sizes: ConvSizes, options: ConvOptions, tileM: number): Dispatch {
    const { n, oc, oh, ow } = sizes;
    const { kernel, stride, silu } = options;
    const tileY = tileYOf(oh, kernel);
    const columns = ceilDiv(oh, tileY) * ow;
    const tasks = (subgroups ? ceilDiv(columns, 4) : columns) * ceilDiv(oc, tileM) * n;
    return {
      label: io.y.name,
      shader: subgroups ? "conv/direct_quad" : "conv/direct",
      constants: {
        ...convConstants(io, sizes, silu),
        JOINED: Number(sizes.c2 > 0),
        ...windowConstants(sizes, options),
        KERNEL: kernel,
        STRIDE: stride,
        TILE_M: tileM,
        TILE_Y: tileY,
      },
      bindings: convBindings(io),
      workgroups: grid1d(ceilDiv(tasks, subgroups ? 4 : 64)),
    };
  }
}
