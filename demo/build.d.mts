import type { Metafile } from "esbuild";

/** Builds the static folder dist/demo. `model`: a file to serve where the shipped one is missing. @returns the folder */
export function buildDemo(options?: { model?: string | undefined }): Promise<string>;
/** Builds the library for browsers into a folder, as dist/browser.js is built. */
export function buildBrowser(folder: string): Promise<{ metafile: Metafile }>;
/** The shipped model, else `model`, else undefined. */
export function modelFile(model?: string): string | undefined;
