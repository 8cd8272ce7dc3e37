import { lanesOf, type Tile, tileConstants, tileName } from "../product/tiles";
import type { Dtype } from "../target";
import { DEPTH, implicitCost, implicitDispatches, implicitWeights } from "./tile";
import { type ConvVariant, outputSides, whole } from "./variant";

/** Tiles that are tried. */
export const halfTiles: readonly Tile[] = [
  { tileM: 128, tileN: 128 },
  { tileM: 64, tileN: 64 },
  { tileM: 32, tileN: 32 },
];

/** `tile` with operands, products and sums of 16 terms in f16.   shaders/conv/tile_half.wgsl
 *  @param o splits: parts of the channels, where they should not suit the sizes; element: f32 where an adapter without f16 is
 *  to run its code */
export const tileHalf = (size: Tile, o: { splits?: number; element?: Dtype } = {}): ConvVariant => ({
  name: `tile half ${tileName(size)}`,
  tolerance: () => 1e-2,
  onlyTuned: true,
  runs: (_, t) => t.f16 === true && t.weights === "f16" && t.adapterClass === "gpu",
  cost(s, t) {
    const [oh, ow] = outputSides(s);
    const waste = (whole(s.oc, size.tileM) * whole(oh * ow, size.tileN)) / (s.oc * oh * ow);
    return implicitCost(s, t, waste / 4); // a guess: no GPU has run it
  },
  ...implicitWeights,
  dispatches: (io, sizes, options) =>
    implicitDispatches(io, sizes, options, {
      shader: "conv/tile_half",
      constants: { ...tileConstants(size), Element: o.element ?? "f16" },
      tile: size,
      lanes: lanesOf(size),
      depth: DEPTH,
      splits: o.splits,
    }),
});
