import type { Metafile } from "esbuild";

/** The folder of this repository. */
export const root: string;
/** What a page downloads to import one output: it and every part it imports outright, not those that load when needed. */
export function firstLoad(metafile: Metafile, output: string): string[];
