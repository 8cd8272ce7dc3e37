import type { Pixels } from "../api";
import { geometryDistance, towardContent } from "../metrics/edges";
import type { Embedding } from "../metrics/features";
import { frechetOfFeatures } from "../metrics/frechet";
import { gramDistance } from "../metrics/gram";
import { paletteDistance } from "../metrics/palette";
import { psnr } from "../metrics/psnr";
import { ssim } from "../metrics/ssim";
import { cosine, mean } from "../metrics/statistics";

/** One result with the pictures it was made of, all of one size. */
export interface Triple {
  readonly name: string;
  readonly result: Pixels;
  readonly original: Pixels;
  readonly content: Pixels;
}

/** Figures of one result that need no network. */
export interface TripleFigures {
  readonly name: string;
  /** Against the original: decibels, and 1 for equal. */
  readonly psnr: number;
  readonly ssim: number;
  /** Sliced Wasserstein distance of the colours, in bytes. */
  readonly paletteOriginal: number;
  readonly paletteContent: number;
  /** 1 - correlation of edges. */
  readonly edgesOriginal: number;
  readonly edgesContent: number;
  /** Where the edges lie between the original's (0) and the content's (1). */
  readonly towardContent: number;
}

export function figuresOf({ name, result, original, content }: Triple): TripleFigures {
  return {
    name,
    psnr: psnr(result, original),
    ssim: ssim(result, original),
    paletteOriginal: paletteDistance(result, original),
    paletteContent: paletteDistance(result, content),
    edgesOriginal: geometryDistance(result, original),
    edgesContent: geometryDistance(result, content),
    towardContent: towardContent(result, content, original),
  };
}

/** What a feature network says of the pictures of each triple, in their order. */
export interface Described {
  readonly results: readonly Embedding[];
  readonly originals: readonly Embedding[];
  readonly contents: readonly Embedding[];
}

/** Fréchet distance of the results to the distinct originals; NaN where a set has fewer than 2 pictures. */
export function fidOf(triples: readonly Triple[], { results, originals }: Described): number {
  const distinct = originals.filter((_, i) => triples.findIndex((t) => t.original === triples[i]!.original) === i);
  if (Math.min(results.length, distinct.length) < 2) return Number.NaN;
  return frechetOfFeatures(features(results), features(distinct));
}

/** Gram distance of each result to its original. */
export const gramsOf = ({ results, originals }: Described): number[] =>
  results.map(({ layers }, i) => gramDistance(layers, originals[i]!.layers));

/** Cosine of each result's embedding with its content's. */
export const identitiesOf = ({ results, contents }: Described): number[] =>
  results.map(({ vector }, i) => cosine(vector, contents[i]!.vector));

function features(embeddings: readonly Embedding[]) {
  const width = embeddings[0]!.vector.length;
  const values = new Float32Array(embeddings.length * width);
  embeddings.forEach(({ vector }, i) => {
    values.set(vector, i * width);
  });
  return { count: embeddings.length, width, values };
}

/** A line of the table: means over a set of results. */
export interface SetFigures extends Omit<TripleFigures, "name"> {
  readonly set: string;
  readonly results: number;
  /** Share of results whose palette is nearer the original's than the content's. */
  readonly paletteKept: number;
}

export function summarise(set: string, rows: readonly TripleFigures[]): SetFigures {
  const over = (key: Exclude<keyof TripleFigures, "name">) => mean(rows.map((row) => row[key]));
  return {
    set,
    results: rows.length,
    psnr: over("psnr"),
    ssim: over("ssim"),
    paletteOriginal: over("paletteOriginal"),
    paletteContent: over("paletteContent"),
    edgesOriginal: over("edgesOriginal"),
    edgesContent: over("edgesContent"),
    towardContent: over("towardContent"),
    paletteKept: mean(rows.map((row) => Number(row.paletteOriginal < row.paletteContent))),
  };
}
