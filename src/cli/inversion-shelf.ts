import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { InvertOptions } from "../api";
import type { Shelf } from "../experiments/keeper";
import { writeWhole } from "../platform/files-node";

/** Names an inversion by what decides its values: the picture, the weights and how they are computed with, the steps. */
export function keyOf(
  picture: string,
  model: string,
  {
    dtype,
    activations,
    precision,
  }: { readonly dtype?: string; readonly activations?: string; readonly precision?: string },
  invert: InvertOptions,
): string {
  const how = Object.entries(invert).sort(([a], [b]) => (a < b ? -1 : 1));
  const all = [picture, model, dtype ?? null, precision ?? null, how, ...(activations ? [activations] : [])];
  return createHash("sha256").update(JSON.stringify(all)).digest("hex").slice(0, 32);
}

/** Saved inversions in a folder, which several processes may share: files come whole. */
export function inversionShelf(folder: string): Shelf {
  const file = (key: string) => join(folder, `${key}.inv`);
  return {
    read: async (key) => {
      const bytes = await readFile(file(key)).catch(() => undefined);
      return bytes && new Uint8Array(bytes);
    },
    write: (key, inversion) => writeWhole(file(key), inversion),
  };
}
