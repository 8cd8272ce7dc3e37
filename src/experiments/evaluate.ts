import type { Pixels } from "../api";
import { geometryDistance, towardContent } from "../metrics/edges";
import { paletteDistance } from "../metrics/palette";
import { psnr } from "../metrics/psnr";
import { ssim } from "../metrics/ssim";
import { mean } from "../metrics/statistics";

/** One result with the pictures it was made of, all of one size. */
export interface Triple {
  readonly name: string;
  readonly result: Pixels;
  readonly original: Pixels;
  readonly content: Pixels;
  /** Identity of originals, and contents: their files and size. */
  readonly keys: { readonly original: string; readonly content: string };
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

export function figuresOf({ name, result, original, content }: Omit<Triple, "keys">): TripleFigures {
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
