import { join } from "node:path";
import type { Pixels } from "../api";
import type { Pair } from "../experiments/grid";
import { writeWhole } from "../platform/files-node";
import { decodeImage, resize } from "../platform/images-node";
import type { GridFiles } from "./grid-plan";
import type { GridRecord } from "./grid-record";
import { describe } from "./inject-parameters";
import { drawSheet, type Tile } from "./picture/sheet";
import { provenance } from "./provenance";

/** Pictures of a side that the sheet shows at most: a sheet of thousands could neither be drawn nor looked at. */
const MOST_SHOWN = 40;

/** Draws contents along the top, originals down the left, every result where they meet. Of a large grid, its first
 *  pictures. @returns the file, and how many pictures of each side it leaves out */
export async function writeSheet(files: GridFiles, record: GridRecord): Promise<{ sheet: string; left: number }> {
  const { plan, model, out } = files;
  const [contents, originals] = [plan.contents.pictures, plan.originals.pictures];
  const [columns, rows] = [contents.slice(0, MOST_SHOWN), originals.slice(0, MOST_SHOWN)];
  const side = Math.max(columns.length, rows.length) > 12 ? 64 : 128;
  const small = async (picture: Promise<Pixels>) => {
    const pixels = await picture.catch(() => undefined);
    return pixels && shrink(pixels, side);
  };
  const heads: Tile[] = [{ caption: "original \\ content", blank: true }];
  for (const [content, { name }] of columns.entries())
    heads.push({ pixels: await small(files.read("contents", content)), caption: name });
  const shown: Tile[][] = [heads];
  for (const [original, { name }] of rows.entries()) {
    const row: Tile[] = [{ pixels: await small(files.read("originals", original)), caption: name }];
    for (const content of columns.keys()) {
      const pixels = await small(resultOf(files, record, { content, original }));
      row.push({ pixels, caption: pixels ? "" : "failed" });
    }
    shown.push(row);
  }
  const names = { originals: rows.map(({ name }) => name), contents: columns.map(({ name }) => name) };
  const { recipe } = plan;
  const footer = `${model.name}  ${describe(recipe, recipe.stepsInversion)}`;
  const sheet = join(out, "sheet.png");
  await writeWhole(
    sheet,
    await drawSheet({ rows: shown, side, footer }, provenance(model, "grid sheet", { ...recipe, ...names })),
  );
  return { sheet, left: Math.max(contents.length, originals.length) - MOST_SHOWN };
}

async function resultOf(files: GridFiles, record: GridRecord, pair: Pair): Promise<Pixels> {
  const status = record.statusOf(pair);
  if (status !== "done" && status !== "kept") throw new Error("no result");
  return decodeImage(files.path(pair));
}

/** Reduces what is larger than its place, so that hundreds of pictures fit in memory. */
async function shrink(pixels: Pixels, side: number): Promise<Pixels> {
  const shortest = Math.min(pixels.width, pixels.height);
  return shortest > 2 * side ? resize(pixels, 2 * side, 2 * side) : pixels;
}
