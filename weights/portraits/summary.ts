/** From pictures to the figures that the shipped model is held to. Pure. */
import {
  mean,
  meanColourDistance,
  median,
  type Pixels,
  paletteDistance,
  psnr,
  roughness,
  share,
  towardContent,
} from "./measures";

/** One held-out pair and what the model made of it. */
export interface Pair {
  readonly content: Pixels;
  readonly original: Pixels;
  /** The original inverted and generated again without injection. */
  readonly reconstruction: Pixels;
  /** The results, one per gamma, in the order of the gammas. */
  readonly results: readonly Pixels[];
  /** The pixels that are skin in both pictures, row by row. */
  readonly skin: readonly boolean[];
}

export interface Summary {
  readonly pairs: number;
  /** Of the reconstructions, in dB. */
  readonly psnr: { readonly median: number; readonly worst: number };
  readonly gammas: readonly GammaSummary[];
  /** Over all gammas, the smallest share of results whose palette is nearer the original's. */
  readonly paletteKept: number;
  /** Whether the mean geometry moves toward the content with every gamma. */
  readonly geometryMonotone: boolean;
  /** Share of single pairs whose geometry at the last gamma is nearer the content than at the first. */
  readonly geometryRises: number;
}

export interface GammaSummary {
  readonly gamma: number;
  /** Share of results whose palette is nearer the original's than the content's. */
  readonly paletteKept: number;
  /** 0: geometry of the original .. 1: geometry of the content; mean and median over the pairs. */
  readonly towardContent: { readonly mean: number; readonly median: number };
  /** Roughness of the results over that of the originals, mean over the pairs: 1 without a fine pattern. */
  readonly roughness: number;
  /** How much farther the skin's mean colour is from the original's than the reconstruction's is, in levels of 255; mean
   *  over the pairs. */
  readonly skin: number;
}

export function summarise(gammas: readonly number[], pairs: readonly Pair[]): Summary {
  const quality = pairs.map((pair) => psnr(pair.reconstruction, pair.original));
  const kept = pairs.map(({ content, original, results }) =>
    results.map((result) => paletteDistance(result, original) < paletteDistance(result, content)),
  );
  const moved = pairs.map(({ content, original, reconstruction, results }) =>
    [reconstruction, ...results].map((result) => towardContent(result, content, original)),
  );
  const atGamma = (rows: readonly (readonly number[])[], i: number) => rows.map((row) => row[i]!);
  const means = [0, ...gammas].map((_, i) => mean(atGamma(moved, i)));
  const rough = pairs.map(({ original, results }) => results.map((r) => roughness(r) / roughness(original)));
  const skinOff = pairs.map(({ original, reconstruction, results, skin }) => {
    const [plain, ...injected] = [reconstruction, ...results].map((made) => meanColourDistance(made, original, skin));
    return injected.map((distance) => distance - plain!);
  });
  const perGamma = gammas.map((gamma, i) => ({
    gamma,
    paletteKept: share(kept.map((row) => row[i]!)),
    towardContent: { mean: means[i + 1]!, median: median(atGamma(moved, i + 1)) },
    roughness: mean(atGamma(rough, i)),
    skin: mean(atGamma(skinOff, i)),
  }));
  return {
    pairs: pairs.length,
    psnr: { median: median(quality), worst: Math.min(...quality) },
    gammas: perGamma,
    paletteKept: Math.min(...perGamma.map((g) => g.paletteKept)),
    geometryMonotone: means.every((v, i) => i === 0 || v > means[i - 1]!),
    geometryRises: share(moved.map((row) => row[row.length - 1]! > row[1]!)),
  };
}
