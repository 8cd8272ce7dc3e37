/** npm run evaluate:shipped [-- --pairs 64 --gammas 0.3,0.45,0.6 --preset fast --model portraits64 --jobs 2
 *                              --steps N --tap TENSOR --sheet FILE.png]
 *
 *  Measures the shipped model on held-out portraits, through the engine and with a preset's solver and steps: how well a
 *  portrait comes back, and for every pair whether the result keeps the original's palette and moves to the content's
 *  geometry. `--preset quick` measures DDIM in 50 + 50 steps, for four times as long.
 *  A software adapter leaves a third of two cores idle, so the pairs are shared out among `--jobs` processes.
 *  Prints one JSON object; what is held to, and what of it is missed, is in it. */
import { fork } from "node:child_process";
import { parseArgs } from "node:util";
import { loadModel, openDevice, type PresetName, presets, resolveParameters } from "../src/node";
import { heldOut, skinOf } from "./portraits/held-out";
import { writeSheet } from "./portraits/sheet";
import { type Pair, type Summary, summarise } from "./portraits/summary";

const { values } = parseArgs({
  options: {
    pairs: { type: "string", default: "64" },
    gammas: { type: "string", default: "0.3,0.45,0.6" },
    preset: { type: "string", default: "fast" },
    steps: { type: "string" },
    tap: { type: "string" },
    jobs: { type: "string", default: "2" },
    batch: { type: "string", default: "8" },
    model: { type: "string", default: "portraits64" },
    sheet: { type: "string" },
    /** what a process of several measures, "first,count": given by the one that starts them */
    share: { type: "string" },
  },
});
const count = Number(values.pairs);
const gammas = values.gammas.split(",").map(Number);
const preset = values.preset as PresetName;
if (!Object.hasOwn(presets, preset))
  throw new Error(`--preset ${preset}: expected one of ${Object.keys(presets).join(", ")}`);
const few = values.steps ? { steps: Number(values.steps), stepsInversion: Number(values.steps) } : {};
const { solver, steps, stepsInversion, tEdit, tBoost } = resolveParameters(few, preset);

/** What the shipped model is held to: least, and for the skin most. */
const HOLD = {
  medianPsnr: preset === "fast" ? 33 : 36,
  paletteKept: 0.95,
  geometryRises: 0.95,
  /** in levels: half of what the skins of two portraits differ by */
  skin: 19,
  /** by gamma */
  geometry: { "0.3": 0.3, "0.45": 0.42, "0.6": 0.52 } as Readonly<Record<string, number>>,
};

/** What of it does not hold, in words. */
function missed({ psnr, gammas, geometryMonotone, geometryRises }: Summary): string[] {
  const least = (name: string, found: number, hold: number) =>
    found >= hold ? [] : [`${name} ${found.toFixed(3)}, expected at least ${hold}`];
  return [
    ...least("median PSNR", psnr.median, HOLD.medianPsnr),
    ...least("share of pairs whose geometry rises", geometryRises, HOLD.geometryRises),
    ...(geometryMonotone ? [] : ["geometry does not rise with gamma"]),
    ...gammas.flatMap(({ gamma, paletteKept, towardContent, skin }) => [
      ...least(`palette kept at gamma ${gamma}`, paletteKept, HOLD.paletteKept),
      ...least(`geometry at gamma ${gamma}`, towardContent.mean, HOLD.geometry[gamma] ?? 0),
      ...(skin <= HOLD.skin
        ? []
        : [`skin at gamma ${gamma} ${skin.toFixed(1)} levels off, expected at most ${HOLD.skin}`]),
    ]),
  ];
}

/** What a process reports: its model once, then its pairs as they are measured. */
interface Report {
  readonly model: { readonly name: string; readonly hash: string };
  readonly first: number;
  readonly pairs: readonly Pair[];
}

/** Measures pairs first .. first + count - 1: originals of these numbers, each with the next portrait as its content. */
async function measure(first: number, count: number, report: (made: Report) => void): Promise<void> {
  const device = await openDevice();
  const model = await loadModel(values.model, { device });
  const side = model.resolution;
  for (let done = 0; done < count; ) {
    const n = Math.min(Number(values.batch), count - done);
    const pictures = Array.from({ length: n + 1 }, (_, i) => heldOut(first + done + i, side));
    const skins = Array.from({ length: n + 1 }, (_, i) => skinOf(first + done + i, side));
    using inversion = await model.invert(pictures, { steps: stepsInversion, solver });
    const range = Array.from({ length: n }, (_, i) => i);
    const original = inversion.select(...range);
    const content = inversion.select(...range.map((i) => i + 1));
    using plain = await model.reconstruct(original);
    const variants = gammas.map((gamma) => ({ gamma }));
    const { tap } = values;
    using injected = await model.inject({ content, original, preset, steps, variants, ...(tap && { tap }) });
    const [reconstructions, results] = [await plain.toPixels(), await injected.toPixels()];
    const pairs = range.map((i) => ({
      content: pictures[i + 1]!,
      original: pictures[i]!,
      reconstruction: reconstructions[i]!,
      results: results.slice(i * variants.length, (i + 1) * variants.length),
      skin: skins[i]!.map((inside, p) => inside && skins[i + 1]![p]!),
    }));
    report({ model: { name: model.name, hash: model.hash }, first: first + done, pairs });
    done += n;
  }
  model.dispose();
  device.destroy();
}

/** Measures a share of the pairs in a process of its own. */
function measureApart(first: number, count: number, report: (made: Report) => void): Promise<void> {
  const child = fork(process.argv[1]!, [...process.argv.slice(2), "--share", `${first},${count}`], {
    serialization: "advanced",
  });
  return new Promise((resolve, reject) => {
    let received = 0;
    // The last message may arrive after the process has ended.
    child.on("message", (made) => {
      report(made as Report);
      received += (made as Report).pairs.length;
      if (received === count) resolve();
    });
    child.on("error", reject);
    child.on("disconnect", () =>
      reject(new Error(`a process of --jobs ended after ${received} of its ${count} pairs`)),
    );
  });
}

/** Measures all pairs, in several processes, and prints the summary. */
async function run(): Promise<void> {
  const began = performance.now();
  const minutes = () => Number(((performance.now() - began) / 60_000).toFixed(1));
  const found = new Map<number, Pair>();
  let model: Report["model"] | undefined;
  const collect = (made: Report) => {
    model = made.model;
    made.pairs.forEach((pair, i) => {
      found.set(made.first + i, pair);
    });
    process.stderr.write(`${found.size} of ${count} pairs, ${minutes()} minutes\n`);
  };
  const jobs = Math.max(1, Math.min(Number(values.jobs), count));
  const bounds = Array.from({ length: jobs + 1 }, (_, k) => Math.round((k * count) / jobs));
  const shares = bounds.slice(1).map((end, k) => [bounds[k]!, end - bounds[k]!] as const);
  await Promise.all(shares.map((share) => (jobs > 1 ? measureApart(...share, collect) : measure(...share, collect))));
  const pairs = Array.from({ length: count }, (_, i) => found.get(i)!);
  const summary = summarise(gammas, pairs);
  const short = missed(summary);
  const how = { preset, solver, steps, stepsInversion, tEdit, tBoost, tap: values.tap, minutes: minutes() };
  console.log(
    JSON.stringify({ model: model!.name, hash: model!.hash, ...how, ...summary, hold: HOLD, missed: short }, null, 2),
  );
  if (values.sheet) {
    const rows = pairs.slice(0, 8).map((p) => [p.original, p.content, p.reconstruction, ...p.results]);
    await writeSheet(values.sheet, rows.flat(), rows[0]!.length);
  }
  process.exitCode = short.length === 0 ? 0 : 1;
}

if (values.share) {
  const [first, own] = values.share.split(",").map(Number);
  const sent: Promise<unknown>[] = [];
  await measure(first!, own!, (made) => sent.push(new Promise((resolve) => process.send!(made, resolve))));
  await Promise.all(sent);
  process.disconnect();
} else await run();
