import { ShapeError } from "../../errors";
import type { Tensor } from "../dispatch";
import {
  evenTile,
  heldCost,
  inOnePass,
  stationaryDepth,
  stationaryPlace,
  stationaryTasks,
} from "../product/stationary";
import { convBindings, convConstants } from "./io";
import { packed, stops } from "./packing";
import type { ConvVariant } from "./variant";

/** 1x1 convolution with a tile of the input held, for software adapters with subgroups and planes of a multiple of 8 pixels.
 *  shaders/conv/stationary.wgsl */
export const stationary: ConvVariant = {
  name: "stationary",
  tolerance: () => 2e-5,
  runs: ({ kernel, c1, c2, h, w }, t) =>
    kernel === 1 &&
    t.subgroups &&
    t.adapterClass === "software" &&
    evenTile(h * w) !== undefined &&
    (t.activations !== "f16" || inOnePass(stationaryDepth(c1 + c2))),
  cost: ({ c1, c2, oc, h, w }) => stationaryDepth(c1 + c2) * heldCost(oc, h * w, evenTile(h * w)),
  weight: (name, { c1, c2, oc }, t): Tensor => ({ name, shape: [stationaryDepth(c1 + c2), oc], dtype: t.weights }),
  *packing(w, { c1, c2, oc }, t) {
    const ic = c1 + c2;
    const k = stationaryDepth(ic);
    const place = stationaryPlace(oc, k);
    const out = new Float32Array(oc * k);
    for (let o = 0, stop = stops(ic); o < oc; o++) {
      if (stop()) yield;
      for (let c = 0; c < ic; c++) out[place(o, c)] = w[o * ic + c]!;
    }
    return yield* packed(out, t.weights);
  },
  dispatches(io, sizes, { silu }) {
    const { n, c1, c2, oc, h, w } = sizes;
    const pixels = h * w;
    const tile = evenTile(pixels);
    if (!tile) throw new ShapeError(`${io.y.name}: ${pixels} pixels, expected a multiple of 8`);
    const k = stationaryDepth(c1 + c2);
    const { workgroups, ...held } = stationaryTasks(oc, k, (pixels / (4 * tile)) * n, tile);
    return [
      {
        label: io.y.name,
        shader: "conv/stationary",
        constants: { ...convConstants(io, sizes, silu), JOINED: Number(c2 > 0), K: k, ...held },
        bindings: convBindings(io),
        workgroups,
      },
    ];
  },
};
