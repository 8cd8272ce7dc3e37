import { shaders } from "../../wgsl/shaders";
import { tunerShaders } from "../../wgsl/tuner-shaders";
import type { Target } from "../target";
import { matrix, matrixTiles } from "./matrix";
import { matrixPatch, patchTiles } from "./matrix-patch";
import { halfTiles, tileHalf } from "./tile-half";
import type { ConvShape, ConvVariant } from "./variant";
import { byCost, choose, plainVariants } from "./variants";

// A page that does not tune never loads this file, nor these shaders.
Object.assign(shaders, tunerShaders);

/** Every way to compute a convolution, those that only the tuner may choose among them. */
export const convVariants: readonly ConvVariant[] = [
  ...plainVariants,
  ...patchTiles.map((size) => matrixPatch(size)),
  ...matrixTiles.map((size) => matrix(size)),
  ...halfTiles.map((size) => tileHalf(size)),
];

/** Tiles of a kernel that only the tuner may choose, of which it tries the first by estimated time. */
const TILES_TRIED = 2;

/** Variants worth timing, the chosen one first, each kind from the lowest estimated time: at most `most` of those that may be
 *  chosen without timing, and two tiles of each kernel that may not. */
export function candidates(shape: ConvShape, target: Target, most = 6): ConvVariant[] {
  const chosen = choose(shape, target);
  const others = byCost(convVariants, shape, target).filter((variant) => variant !== chosen);
  const kernelOf = ({ name }: ConvVariant) => name.replace(/ [\dx]+$/, "");
  const tried = others.filter(({ onlyTuned }) => onlyTuned);
  return [
    ...[chosen, ...others.filter(({ onlyTuned }) => !onlyTuned)].slice(0, most),
    ...tried.filter((v) => tried.filter((w) => kernelOf(w) === kernelOf(v)).indexOf(v) < TILES_TRIED),
  ];
}
