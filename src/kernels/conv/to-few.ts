import { ceilDiv, grid1d, type Tensor } from "../dispatch";
import type { Target } from "../target";
import { convBindings, convConstants, windowConstants } from "./io";
import { packed, stops } from "./packing";
import { type ConvVariant, outputSides } from "./variant";

/** Output channels of a task: each lane of a quad loads the centre of one's filter. */
const MOST_ROWS = 4;

/** Output channels with which it was measured to be the fastest: each task loads the input again. */
const MOST_CHANNELS = 8;

/** Pixels of a lane. With twice as many the loop outgrows the instruction cache. */
const TILE_X = 4;
const TILE_Y = 2;

/** Multiply-adds of a product that take as long as loading a tile and its edges, and as its work for an output channel. */
const COST = { load: 360, channel: 100 };

/** Taps of a filter in the order of the lanes that load them: corners, and edges. */
const CORNERS = [0, 2, 6, 8] as const;
const EDGES = [1, 5, 3, 7] as const;
const CENTRE = 4;

/** Output channels of a task, and weights that a lane loads for each input channel. */
const rowsOf = (oc: number): number => ceilDiv(oc, ceilDiv(oc, MOST_ROWS));
const unitOf = (rows: number, { weights }: Target): number => 2 * rows + (weights === "f16" ? 2 : 1);

/** 3x3 convolution to up to eight channels, for software adapters with subgroups. shaders/conv/to_few.wgsl */
export const toFew: ConvVariant = {
  name: "to few",
  tolerance: () => 2e-5,
  runs: ({ kernel, stride, oc }, t) =>
    kernel === 3 && stride === 1 && oc <= MOST_CHANNELS && t.subgroups && t.adapterClass === "software",
  cost(s) {
    const [oh, ow] = outputSides(s);
    const lanes = 4 * ceilDiv(oh, 2 * TILE_Y) * ceilDiv(ow, 2 * TILE_X);
    const rows = rowsOf(s.oc);
    return lanes * (s.c1 + s.c2) * ceilDiv(s.oc, rows) * (COST.load + COST.channel * rows);
  },
  weight(name, { c1, c2, oc }, t): Tensor {
    const rows = rowsOf(oc);
    return { name, shape: [ceilDiv(oc, rows), c1 + c2, 4, unitOf(rows, t)], dtype: t.weights };
  },
  *packing(w, { c1, c2, oc }, t) {
    const ic = c1 + c2;
    const rows = rowsOf(oc);
    const unit = unitOf(rows, t);
    const out = new Float32Array(ceilDiv(oc, rows) * ic * 4 * unit);
    for (let o = 0, stop = stops(9 * ic); o < oc; o++) {
      if (stop()) yield;
      const row = o % rows;
      for (let c = 0; c < ic; c++) {
        const taps = (o * ic + c) * 9;
        const place = (Math.floor(o / rows) * ic + c) * 4;
        for (let lane = 0; lane < 4; lane++) {
          out[(place + lane) * unit + row] = w[taps + CORNERS[lane]!]!;
          out[(place + lane) * unit + rows + row] = w[taps + EDGES[lane]!]!;
        }
        out[(place + row) * unit + 2 * rows] = w[taps + CENTRE]!;
      }
    }
    return yield* packed(out, t.weights);
  },
  dispatches(io, sizes, options) {
    const { n, c2, oc, oh, ow } = sizes;
    const rows = rowsOf(oc);
    const quads = ceilDiv(oh, 2 * TILE_Y) * ceilDiv(ow, 2 * TILE_X);
    return [
      {
        label: io.y.name,
        shader: "conv/to_few",
        constants: {
          ...convConstants(io, sizes, options.silu),
          ...windowConstants(sizes, options),
          JOINED: Number(c2 > 0),
          TILE_M: rows,
          TILE_X,
          TILE_Y,
        },
        bindings: convBindings(io),
        workgroups: grid1d(ceilDiv(quads * ceilDiv(oc, rows) * n, 4)),
      },
    ];
  },
};
