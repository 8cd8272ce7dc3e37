import type { BuildOptions, Metafile } from "esbuild";

/** The folder of this repository. */
export const root: string;
/** Options of bundles for Node, with packages outside. */
export const forNode: BuildOptions;
/** What a page downloads to import one output: it and every part it imports outright, not those that load when needed. */
export function firstLoad(metafile: Metafile, output: string): string[];

/** Options of a bundle for browsers: one file for each entry, and parts that load when they are first needed. */
export const forBrowser: BuildOptions;
