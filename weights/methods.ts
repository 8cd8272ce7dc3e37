/** npm run evaluate:methods [-- --pairs 64 --gamma 0.3 --t-edit 400 --t-boost 0 --methods ddim:50,dpm++2m:20 --out FILE.jsonl]
 *
 *  Measures methods of inversion and generation on the shipped model, side by side on the same held-out portraits: how well
 *  a picture comes back, and whether an injection keeps the original's palette and moves to the content's geometry.
 *  A method is a solver, or an exact inversion (bdia:20, edit-friendly:20), and its number of steps, up and down.
 *  Writes a line for each pair and method as soon as it is there, goes on where such a file ends, and prints a table. */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { InversionMethod, Solver } from "../src/node";
import { loadModel, openDevice } from "../src/node";
import { heldOut } from "./portraits/held-out";
import { mean, median, type Pixels, paletteDistance, towardContent } from "./portraits/measures";

const { values } = parseArgs({
  options: {
    pairs: { type: "string", default: "64" },
    gamma: { type: "string", default: "0.3" },
    "t-edit": { type: "string", default: "400" },
    "t-boost": { type: "string", default: "0" },
    methods: { type: "string", default: "ddim:50,dpm++2m:20" },
    batch: { type: "string", default: "4" },
    model: { type: "string", default: "portraits64" },
    dtype: { type: "string", default: "f32" },
    out: { type: "string" },
  },
});
const count = Number(values.pairs);
const gamma = Number(values.gamma);
const tEdit = Number(values["t-edit"]);
const tBoost = Number(values["t-boost"]);

/** One pair by one method. */
interface Row {
  readonly method: string;
  readonly pair: number;
  /** of the reconstruction's values before they are rounded to bytes, in dB */
  readonly psnr: number;
  /** distance of the result's colours to the original's and to the content's */
  readonly paletteOriginal: number;
  readonly paletteContent: number;
  /** 0: the original's geometry, 1: the content's; of the result and of the reconstruction */
  readonly towardContent: number;
  readonly unmoved: number;
}

const device = await openDevice();
const model = await loadModel(values.model, { device, dtype: values.dtype as "f32" | "f16" });
const side = model.resolution;
const portrait = (i: number) => heldOut(i, side);

/** PSNR of [3, side, side] in [-1, 1] against a picture. */
function decibels(values: Float32Array, { data }: Pixels): number {
  const plane = values.length / 3;
  const off = values.map((v, i) => v - (data[4 * (i % plane) + Math.floor(i / plane)]! / 127.5 - 1));
  return 10 * Math.log10(4 / mean(Array.from(off, (v) => v * v)));
}

async function measure(method: string, first: number, n: number): Promise<Row[]> {
  const [name, count] = method.split(":") as [Solver | InversionMethod, string];
  const by = name === "bdia" || name === "edit-friendly" ? { method: name } : { solver: name };
  const steps = Number(count);
  const pictures = Array.from({ length: n + 1 }, (_, i) => portrait(first + i));
  using inversion = await model.invert(pictures, { steps, ...by });
  const range = Array.from({ length: n }, (_, i) => i);
  const original = inversion.select(...range);
  const content = inversion.select(...range.map((i) => i + 1));
  using plain = await model.reconstruct(original);
  using injected = await model.inject({ content, original, steps, ...by, gamma, tEdit, tBoost });
  const values = await plain.read();
  const each = values.length / n;
  const [reconstructions, results] = [await plain.toPixels(), await injected.toPixels()];
  return range.map((i) => {
    const [own, other, result] = [pictures[i]!, pictures[i + 1]!, results[i]!];
    return {
      method,
      pair: first + i,
      psnr: decibels(values.subarray(i * each, (i + 1) * each), own),
      paletteOriginal: paletteDistance(result, own),
      paletteContent: paletteDistance(result, other),
      towardContent: towardContent(result, other, own),
      unmoved: towardContent(reconstructions[i]!, other, own),
    };
  });
}

const rows: Row[] =
  values.out && existsSync(values.out)
    ? readFileSync(values.out, "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Row)
    : [];
const methods = values.methods.split(",");
for (let first = 0; first < count; first += Number(values.batch)) {
  const n = Math.min(Number(values.batch), count - first);
  for (const method of methods) {
    const done = rows.filter((row) => row.method === method && row.pair >= first && row.pair < first + n);
    if (done.length === n) continue;
    const made = await measure(method, first, n);
    rows.push(...made);
    if (values.out) appendFileSync(values.out, made.map((row) => `${JSON.stringify(row)}\n`).join(""));
  }
  process.stderr.write(`${first + n} of ${count} pairs\n`);
}
console.log("method         pairs  PSNR median  worst  palette kept  palette  moved, mean  median");
for (const method of methods) {
  const own = rows.filter((row) => row.method === method && row.pair < count);
  const of = (key: Exclude<keyof Row, "method">) => own.map((row) => row[key]);
  const kept = mean(own.map((row) => Number(row.paletteOriginal < row.paletteContent)));
  const moved = own.map((row) => row.towardContent - row.unmoved);
  console.log(
    [
      method.padEnd(14),
      String(own.length).padStart(5),
      median(of("psnr")).toFixed(2).padStart(12),
      Math.min(...of("psnr"))
        .toFixed(2)
        .padStart(6),
      `${(100 * kept).toFixed(1)} %`.padStart(13),
      mean(of("paletteOriginal")).toFixed(2).padStart(8),
      mean(moved).toFixed(3).padStart(12),
      median(moved).toFixed(3).padStart(7),
    ].join(" "),
  );
}
model.dispose();
device.destroy();
