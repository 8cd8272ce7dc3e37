import type { Tile } from "../product/tiles";
import type { Target } from "../target";
import { direct } from "./direct";
import { fromFew } from "./from-few";
import { matrix, matrixTiles } from "./matrix";
import { matrixPatch, patchTiles } from "./matrix-patch";
import { stationary } from "./stationary";
import { tile, tileHalf } from "./tile";
import { toFew } from "./to-few";
import { type ConvShape, type ConvVariant, convKey } from "./variant";
import { winograd } from "./winograd";

/** Tiles for larger or smaller pictures than those that suit the sizes. */
const otherTiles: readonly Tile[] = [
  { tileM: 64, tileN: 64 },
  { tileM: 32, tileN: 32, slices: 2 },
];

/** Tiles of f16 arithmetic. */
const halfTiles: readonly Tile[] = [
  { tileM: 128, tileN: 128 },
  { tileM: 64, tileN: 64 },
  { tileM: 32, tileN: 32 },
];

const transforms = [
  { m: 4, stride: 1 },
  { m: 2, stride: 1 },
  { m: 2, stride: 2 },
] as const;

/** Every way to compute a convolution. To add one, write its file and put it here. docs/kernels.md says when each is chosen. */
export const convVariants: readonly ConvVariant[] = [
  stationary,
  ...transforms.flatMap((transform) => [
    ...(["stationary", "quad", "any", "tile"] as const).map((product) => winograd({ ...transform, product })),
    ...otherTiles.map((tile) => winograd({ ...transform, product: "tile", tile })),
  ]),
  ...patchTiles.map((size) => matrixPatch(size)),
  ...matrixTiles.map((size) => matrix(size)),
  tile(),
  ...otherTiles.map((size) => tile({ tile: size })),
  ...halfTiles.map((size) => tileHalf(size)),
  fromFew,
  toFew,
  direct({ subgroups: true }),
  direct({ subgroups: false }),
];

/** The variants that can compute the shape on the target, from the lowest estimated time. */
function byCost(shape: ConvShape, target: Target): ConvVariant[] {
  return convVariants
    .filter(({ runs }) => runs(shape, target))
    .map((variant) => ({ variant, cost: variant.cost(shape, target) }))
    .sort((a, b) => a.cost - b.cost)
    .map(({ variant }) => variant);
}

/** The variant with the lowest estimated time. */
export const choose = (shape: ConvShape, target: Target): ConvVariant =>
  byCost(shape, target).find(({ onlyTuned }) => !onlyTuned)!;

/** The variant that was fastest when measured here, where one was, or else the chosen. */
export function variantFor(shape: ConvShape, target: Target): ConvVariant {
  const name = target.tuned?.[convKey(shape, target.weights)];
  return byCost(shape, target).find((variant) => variant.name === name) ?? choose(shape, target);
}

/** Tiles of a kernel that only the tuner may choose, of which it tries the first by estimated time. */
const TILES_TRIED = 2;

/** Variants worth timing, the chosen one first, each kind from the lowest estimated time: at most `most` of those that may be
 *  chosen without timing, and two tiles of each kernel that may not. */
export function candidates(shape: ConvShape, target: Target, most = 6): ConvVariant[] {
  const chosen = choose(shape, target);
  const others = byCost(shape, target).filter((variant) => variant !== chosen);
  const kernelOf = ({ name }: ConvVariant) => name.replace(/ [\dx]+$/, "");
  const tried = others.filter(({ onlyTuned }) => onlyTuned);
  return [
    ...[chosen, ...others.filter(({ onlyTuned }) => !onlyTuned)].slice(0, most),
    ...tried.filter((v) => tried.filter((w) => kernelOf(w) === kernelOf(v)).indexOf(v) < TILES_TRIED),
  ];
}
