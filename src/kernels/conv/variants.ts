import type { Tile } from "../product/tiles";
import type { Target } from "../target";
import { direct } from "./direct";
import { fromFew } from "./from-few";
import { stationary } from "./stationary";
import { tile } from "./tile";
import { toFew } from "./to-few";
import { type ConvShape, type ConvVariant, convKey } from "./variant";
import { winograd } from "./winograd";

/** Tiles for larger or smaller pictures than those that suit the sizes. */
const otherTiles: readonly Tile[] = [
  { tileM: 64, tileN: 64 },
  { tileM: 32, tileN: 32, slices: 2 },
];

const transforms = [
  { m: 4, stride: 1 },
  { m: 2, stride: 1 },
  { m: 2, stride: 2 },
] as const;

/** Every way to compute a convolution that may be chosen without timing; tuner-variants.ts has the rest. To add one, write its
 *  file and put it here. docs/kernels.md says when each is chosen. */
export const plainVariants: readonly ConvVariant[] = [
  stationary,
  ...transforms.flatMap((transform) => [
    ...(["stationary", "quad", "any", "tile"] as const).map((product) => winograd({ ...transform, product })),
    ...otherTiles.map((tile) => winograd({ ...transform, product: "tile", tile })),
  ]),
  tile(),
  ...otherTiles.map((size) => tile({ tile: size })),
  fromFew,
  toFew,
  direct({ subgroups: true }),
  direct({ subgroups: false }),
];

/** Those of the variants that can compute the shape on the target, from the lowest estimated time. */
export function byCost(variants: readonly ConvVariant[], shape: ConvShape, target: Target): ConvVariant[] {
  return variants
    .filter(({ runs }) => runs(shape, target))
    .map((variant) => ({ variant, cost: variant.cost(shape, target) }))
    .sort((a, b) => a.cost - b.cost)
    .map(({ variant }) => variant);
}

/** The variant with the lowest estimated time. */
export const choose = (shape: ConvShape, target: Target): ConvVariant => byCost(plainVariants, shape, target)[0]!;

/** The variant that was fastest when measured here, where one was, or else the chosen. */
export function variantFor(shape: ConvShape, target: Target): ConvVariant {
  const tuned = target.tuned?.[convKey(shape, target.weights)];
  return tuned?.runs(shape, target) ? tuned : choose(shape, target);
}
