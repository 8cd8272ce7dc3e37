/** npm run evaluate:shipped [-- --pairs 64 --gammas 0.3,0.45,0.6 --inject-steps 25 --model portraits64
 *                              --sheet FILE.png]
 *
 *  Measures the shipped model on held-out portraits, through the engine: reconstruction (50 steps of inversion, 50 of
 *  generation), and for every pair whether the result, generated in `--inject-steps` steps from the same inversions, keeps
 *  the original's palette and moves to the content's geometry.
 *  Prints one JSON object; what is held to, and whether it holds, is in it. */
import { parseArgs } from "node:util";
import { loadModel, openDevice } from "../src/node";
import type { Pixels } from "./portraits/measures";
import { drawPortrait, sampleFactors } from "./portraits/portrait";
import { writeSheet } from "./portraits/sheet";
import { type Pair, summarise } from "./portraits/summary";

const { values } = parseArgs({
  options: {
    pairs: { type: "string", default: "64" },
    gammas: { type: "string", default: "0.3,0.45,0.6" },
    steps: { type: "string", default: "50" },
    "inject-steps": { type: "string", default: "25" },
    batch: { type: "string", default: "8" },
    model: { type: "string", default: "portraits64" },
    sheet: { type: "string" },
  },
});
const count = Number(values.pairs);
const gammas = values.gammas.split(",").map(Number);
const steps = Number(values.steps);
const injectSteps = Number(values["inject-steps"]);

const HELD_OUT_SEED = 900_000_000; // training draws 1,000,000 .. 1,039,999
const HOLD = { medianPsnr: 30, paletteKept: 0.9 };

const device = await openDevice();
const model = await loadModel(values.model, { device });
const side = model.resolution;
const portrait = (i: number): Pixels => ({
  width: side,
  height: side,
  data: drawPortrait(sampleFactors(HELD_OUT_SEED + i), side),
});

/** Originals first .. first + n - 1, each with the next portrait as its content. */
async function evaluatePairs(first: number, n: number): Promise<Pair[]> {
  const pictures = Array.from({ length: n + 1 }, (_, i) => portrait(first + i));
  const inversion = await model.invert(pictures, { steps });
  const range = Array.from({ length: n }, (_, i) => i);
  const original = inversion.select(...range);
  const content = inversion.select(...range.map((i) => i + 1));
  const plain = await model.inject({ content, original, steps, tBoost: 0, gamma: 0 });
  const variants = gammas.map((gamma) => ({ gamma }));
  const injected = await model.inject({ content, original, steps: injectSteps, tBoost: 0, variants });
  const [reconstructions, results] = [await plain.toPixels(), await injected.toPixels()];
  for (const owned of [plain, injected, original, content, inversion]) owned.dispose();
  return range.map((i) => ({
    content: pictures[i + 1]!,
    original: pictures[i]!,
    reconstruction: reconstructions[i]!,
    results: results.slice(i * variants.length, (i + 1) * variants.length),
  }));
}

const began = performance.now();
const pairs: Pair[] = [];
while (pairs.length < count) {
  pairs.push(...(await evaluatePairs(pairs.length, Math.min(Number(values.batch), count - pairs.length))));
  const minutes = (performance.now() - began) / 60_000;
  process.stderr.write(`${pairs.length} of ${count} pairs, ${minutes.toFixed(1)} minutes\n`);
}
const summary = summarise(gammas, pairs);
const holds =
  summary.psnr.median >= HOLD.medianPsnr && summary.paletteKept >= HOLD.paletteKept && summary.geometryMonotone;
console.log(
  JSON.stringify({ model: model.name, hash: model.hash, steps, injectSteps, ...summary, hold: HOLD, holds }, null, 2),
);
if (values.sheet) {
  const rows = pairs.slice(0, 8).map((p) => [p.original, p.content, p.reconstruction, ...p.results]);
  await writeSheet(values.sheet, rows.flat(), rows[0]!.length);
}
model.dispose();
device.destroy();
process.exitCode = holds ? 0 : 1;
