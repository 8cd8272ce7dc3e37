import type { Pixels } from "../../api";
import { addPngText } from "../../platform/png-text";
import { sharpLibrary } from "../../platform/sharp";
import { fitText, type TextStyle, textPath, textWidth } from "./lettering";

/** One picture of a sheet; without pixels: an empty place with its caption (a pair that failed). */
export interface Tile {
  readonly pixels?: Pixels | undefined;
  readonly caption?: string | undefined;
  /** Leave the empty place white: there is nothing to show, and nothing failed. */
  readonly blank?: boolean;
}

export interface Sheet {
  readonly rows: readonly (readonly Tile[])[];
  readonly columnLabels?: readonly string[];
  readonly rowLabels?: readonly string[];
  readonly title?: string;
  readonly footer?: string;
  /** Side of a picture on the sheet, pixels; default: a whole multiple of the picture's own, at least 256. */
  readonly side?: number;
}

/** Side at which a picture of this size is pleasant to look at: a whole multiple, at least `least` pixels. */
export const enlargedSide = (side: number, least = 256): number => side * Math.max(1, Math.ceil(least / side));

/** Draws pictures in rows, enlarged, with margins and captions. @returns a PNG file, with text metadata as given. */
export async function drawSheet(sheet: Sheet, text: Readonly<Record<string, string>> = {}): Promise<Uint8Array> {
  const place = layout(sheet);
  const tiles = sheet.rows.flatMap((row, r) =>
    row.flatMap(({ pixels }, c) => (pixels ? [{ pixels, left: place.x(c), top: place.y(r) }] : [])),
  );
  const pictures = await Promise.all(
    tiles.map(async ({ pixels, left, top }) => ({ input: await enlarge(pixels, place.side), left, top })),
  );
  const { width, height } = place;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${marks(sheet, place)}</svg>`;
  const sharp = await sharpLibrary();
  const png = await sharp({ create: { width, height, channels: 3, background: "#fff" } })
    .composite([...pictures, { input: Buffer.from(svg), left: 0, top: 0 }])
    .png()
    .toBuffer();
  return addPngText(png, text);
}

/** Where everything lies, in pixels. */
interface Layout {
  readonly side: number;
  readonly gap: number;
  /** Height of capitals. */
  readonly letter: number;
  readonly left: number;
  readonly top: number;
  /** Lower end of the last row. */
  readonly bottom: number;
  readonly width: number;
  readonly height: number;
  /** Left of a column, top of a row. */
  x(column: number): number;
  y(row: number): number;
}

function layout({ rows, columnLabels = [], rowLabels = [], title, footer, side: asked }: Sheet): Layout {
  const columns = Math.max(1, columnLabels.length, ...rows.map((row) => row.length));
  const sample = rows.flat().find((tile) => tile.pixels)?.pixels;
  const side = asked ?? enlargedSide(sample?.width ?? 64);
  const letter = Math.max(8, Math.min(14, Math.round(side / 18)));
  const gap = Math.max(8, Math.round(side / 20));
  const caption = rows.some((row) => row.some((tile) => tile.caption)) ? letter * 2.2 : 0;
  const widest = Math.max(0, ...rowLabels.map((label) => textWidth(label, letter)));
  const left = gap + (rowLabels.length ? Math.min(side * 1.5, widest) + gap : 0);
  const top = gap + (title ? letter * 2.8 : 0) + (columnLabels.length ? letter * 2.2 : 0);
  const bottom = top + rows.length * (side + caption + gap);
  const width = Math.round(left + columns * (side + gap));
  const height = Math.round(bottom + (footer ? letter * 2 : 0));
  const x = (column: number) => Math.round(left + column * (side + gap));
  const y = (row: number) => Math.round(top + row * (side + caption + gap));
  return { side, gap, letter, left, top, bottom, width, height, x, y };
}

/** All lettering, and the empty places, as SVG. */
function marks({ rows, columnLabels = [], rowLabels = [], title, footer }: Sheet, place: Layout): string {
  const { side, gap, letter, left, top, bottom, width, x, y } = place;
  const line = (s: string, at: number, baseline: number, room: number, style: Partial<TextStyle> = {}) => {
    const full = { height: letter, colour: "#222", ...style };
    return textPath(fitText(s, full.height, room), at, baseline, full);
  };
  const across = width - 2 * gap;
  const tile = ({ pixels, caption, blank: white }: Tile, r: number, c: number) => {
    const blank = `<rect x="${x(c)}" y="${y(r)}" width="${side}" height="${side}" fill="#eee"/>`;
    const style = { anchor: "middle", colour: pixels || white ? "#222" : "#b00" } as const;
    const words = caption && line(caption, x(c) + side / 2, y(r) + side + letter * 1.6, side + gap * 0.8, style);
    return (pixels || white ? "" : blank) + (words ?? "");
  };
  return [
    title ? line(title, gap, gap + letter * 1.4, across, { height: letter * 1.2 }) : "",
    ...columnLabels.map((s, c) => line(s, x(c) + side / 2, top - letter * 0.9, side, { anchor: "middle" })),
    ...rowLabels.map((s, r) => line(s, left - gap, y(r) + side / 2 + letter / 2, left - 2 * gap, { anchor: "end" })),
    ...rows.flatMap((row, r) => row.map((t, c) => tile(t, r, c))),
    footer ? line(footer, gap, bottom + letter * 0.9, across, { height: letter * 0.8, colour: "#666" }) : "",
  ].join("");
}

/** A picture at another size, smoothly; PNG bytes. */
async function enlarge({ data, width, height }: Pixels, side: number): Promise<Buffer> {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const sharp = await sharpLibrary();
  return sharp(bytes, { raw: { width, height, channels: 4 } })
    .removeAlpha()
    .resize(side, side, { kernel: "lanczos3", fit: "cover" })
    .png()
    .toBuffer();
}
