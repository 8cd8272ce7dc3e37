import { ceilDiv, grid1d, type Tensor } from "../dispatch";
import type { Target } from "../target";
import { convBindings, convConstants, windowConstants } from "./io";
import { packed, stops } from "./packing";
import { type ConvVariant, outputSides, whole } from "./variant";

/** Channels of the input of which a lane can hold all values under its tile, and unroll all products. */
const MOST_CHANNELS = 4;

/** Pixels of a lane: as wide as high. */
const TILE = 4;

/** Instructions for a multiply-add, over four lanes, with a share of the stores; and output channels that take the time in
 *  which a lane loads its input. */
const INSTRUCTIONS = 5;
const FILL = 4;

const perWord = ({ weights }: Target): number => (weights === "f16" ? 2 : 1);

/** Words of a lane's quarter of an output channel's weights. */
const wordsOf = (channels: number, t: Target): number => ceilDiv(9 * channels, 4 * perWord(t));

/** 3x3 convolution from up to four channels, for software adapters with subgroups. shaders/conv/from_few.wgsl */
export const fromFew: ConvVariant = {
  name: "from few",
  tolerance: () => 2e-5,
  runs: ({ kernel, stride, c1, c2 }, t) =>
    kernel === 3 && stride === 1 && c1 <= MOST_CHANNELS && c2 === 0 && t.subgroups && t.adapterClass === "software",
  cost(s) {
    const [oh, ow] = outputSides(s);
    const pixels = whole(ceilDiv(oh, TILE) * ceilDiv(ow, TILE), 4) * TILE ** 2;
    return 9 * s.c1 * (s.oc + FILL) * pixels * INSTRUCTIONS;
  },
  weight: (name, { c1, oc }, t): Tensor => ({ name, shape: [oc, 4, wordsOf(c1, t) * perWord(t)], dtype: t.weights }),
  *packing(w, { c1, oc }, t) {
    const depth = 9 * c1;
    const [words, pair] = [wordsOf(c1, t), perWord(t)];
    const out = new Float32Array(oc * 4 * words * pair);
    for (let o = 0, stop = stops(depth); o < oc; o++) {
      if (stop()) yield;
      for (let k = 0; k < depth; k++) {
        const word = Math.floor(k / pair);
        out[((o * 4 + (word % 4)) * words + (word >> 2)) * pair + (k % pair)] = w[o * depth + k]!;
      }
    }
    return yield* packed(out, t.weights);
  },
  dispatches(io, sizes, options) {
    const { n, c1, oh, ow } = sizes;
    const tiles = ceilDiv(oh, TILE) * ceilDiv(ow, TILE);
    return [
      {
        label: io.y.name,
        shader: "conv/from_few",
        constants: {
          ...convConstants(io, sizes, options.silu),
          ...windowConstants(sizes, options),
          CHANNELS: c1,
          TILE_X: TILE,
          TILE_Y: TILE,
          WHOLE: Number(oh % TILE === 0 && ow % TILE === 0 && tiles % 4 === 0),
        },
        bindings: convBindings(io),
        workgroups: grid1d(ceilDiv(ceilDiv(tiles, 4) * n, 4)),
      },
    ];
  },
};
