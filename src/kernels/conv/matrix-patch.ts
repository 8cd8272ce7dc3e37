import type { Target } from "../target";
import { dividedTile, MATRIX_LANES, type MatrixTile, matrixConstants, PADDING } from "./matrix";
import { implicitCost, implicitDispatches, implicitWeights } from "./tile";
import { type ConvShape, type ConvVariant, outputSides, whole } from "./variant";

/** What a workgroup of shaders/conv/matrix_patch.wgsl computes: `tileM` channels x a block of `height` x `width` pixels. */
export interface PatchTile {
  readonly tileM: 32 | 64 | 128;
  readonly height: 4 | 8 | 16;
  readonly width: 8 | 16;
}

/** Tiles that are tried, the largest first. */
export const patchTiles: readonly PatchTile[] = [
  { tileM: 128, height: 16, width: 16 },
  { tileM: 128, height: 8, width: 16 },
  { tileM: 64, height: 4, width: 16 },
  { tileM: 32, height: 4, width: 8 },
];

const productOf = ({ tileM, height, width }: PatchTile) =>
  ({ tileM, tileN: (height * width) as 32 | 64 | 128 | 256 }) as const;

/** The largest matrices that a tile divides into here, none of which is wider than the block; undefined where there are none.
 *  Weights and patch lie in workgroup memory twice: what is multiplied, and what comes next. */
export function patchMatrices(tile: PatchTile, target: Target): MatrixTile | undefined {
  const { tileM, height, width } = tile;
  const patch = (height + 2) * (width + 2);
  return dividedTile(
    productOf(tile),
    target,
    width,
    (depth) => 2 * (depth * (tileM + PADDING) + patch * (depth + PADDING)),
  );
}

/** Multiply-adds of the tiles, over those of the convolution. */
function waste({ tileM, height, width }: PatchTile, s: ConvShape): number {
  const [oh, ow] = outputSides(s);
  return (whole(s.oc, tileM) * whole(oh, height) * whole(ow, width)) / (s.oc * oh * ow);
}

/** 3x3 convolution of stride 1 by subgroup matrices (tensor cores), each input loaded once for its nine taps.
 *  shaders/conv/matrix_patch.wgsl
 *  @param o splits: parts of the channels, where they should not suit the sizes */
export const matrixPatch = (tile: PatchTile, o: { splits?: number } = {}): ConvVariant => ({
  name: `matrix patch ${tile.tileM}x${tile.height}x${tile.width}`,
  tolerance: () => 5e-3, // of f16 operands
  onlyTuned: true,
  runs: (s, t) => s.kernel === 3 && s.stride === 1 && waste(tile, s) < 2 && patchMatrices(tile, t) !== undefined,
  cost(s, t) {
    const { tileM, tileN } = productOf(tile);
    return implicitCost(s, t, (waste(tile, s) * (1 + 16 / tileM + 16 / tileN)) / 8); // loads: a guess, no GPU has run it
  },
  ...implicitWeights,
  dispatches(io, sizes, options, t) {
    const divided = patchMatrices(tile, t)!;
    return implicitDispatches(io, sizes, options, {
      shader: "conv/matrix_patch",
      constants: { ...matrixConstants(divided), BLOCK_H: tile.height, BLOCK_W: tile.width },
      tile: productOf(tile),
      block: tile,
      lanes: MATRIX_LANES,
      depth: divided.depth,
      splits: o.splits,
    });
  },
});
