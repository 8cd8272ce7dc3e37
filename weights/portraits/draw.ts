/** Draws portraits to files.
 *    node esbuild.mjs weights/portraits/draw.ts --count 30000 --seed 1 --out train.u8     raw bytes [count, 64, 64, 3]
 *    node esbuild.mjs weights/portraits/draw.ts --count 64 --seed 9 --sheet sheet.png     a sheet to look at
 *    node esbuild.mjs weights/portraits/draw.ts --seed 900 --pick 3,4,5,6,2,7,1,0 --examples weights/examples
 *  `--seconds N` in place of `--count` draws to `--out` for so long.
 *  `--seed S` draws the portraits S * 1,000,000 + 0 .. count - 1; `--first I` starts at portrait I, `--pick` names them.
 *  `--twins` gives every second portrait the content of the one before, painted in its own style. */
import { closeSync, openSync, writeSync } from "node:fs";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { drawPortrait, type Factors, mixFactors, sampleFactors } from "./portrait";
import { writeSheet } from "./sheet";

const size = 64;
const { values } = parseArgs({
  options: {
    count: { type: "string", default: "64" },
    seconds: { type: "string" },
    seed: { type: "string", default: "1" },
    first: { type: "string", default: "0" },
    pick: { type: "string" },
    out: { type: "string" },
    sheet: { type: "string" },
    examples: { type: "string" },
    twins: { type: "boolean", default: false },
  },
});
const picked = values.pick?.split(",").map(Number);
const count = picked?.length ?? Number(values.count);
const numbered = (i: number): number => Number(values.seed) * 1_000_000 + (picked?.[i] ?? Number(values.first) + i);
const factors = (i: number): Factors => {
  const own = sampleFactors(numbered(i));
  return values.twins && i % 2 === 1 ? mixFactors(sampleFactors(numbered(i - 1)), own) : own;
};
const portrait = (i: number): Uint8ClampedArray<ArrayBuffer> => drawPortrait(factors(i), size);

if (values.out) {
  const file = openSync(values.out, "w");
  const rgb = new Uint8Array(size * size * 3);
  const until = performance.now() + Number(values.seconds) * 1e3;
  const unpaired = (i: number) => values.twins && i % 2 === 1;
  const more = (i: number) => (values.seconds ? performance.now() < until : i < count) || unpaired(i);
  for (let i = 0; more(i); i++) {
    const rgba = portrait(i);
    for (let p = 0; p < size * size; p++) for (let c = 0; c < 3; c++) rgb[p * 3 + c] = rgba[p * 4 + c]!;
    writeSync(file, rgb);
  }
  closeSync(file);
}
if (values.sheet) {
  const pictures = Array.from({ length: count }, (_, i) => ({ width: size, height: size, data: portrait(i) }));
  await writeSheet(values.sheet, pictures, Math.ceil(Math.sqrt(count)));
}
if (values.examples) {
  for (let i = 0; i < count; i++) {
    const name = `portrait-${String(i + 1).padStart(2, "0")}.png`;
    await sharp(portrait(i), { raw: { width: size, height: size, channels: 4 } })
      .removeAlpha()
      .png()
      .toFile(`${values.examples}/${name}`);
  }
}
