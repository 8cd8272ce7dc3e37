import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { drawPlot } from "../src/cli/picture/plot";
import type { Device } from "../src/gpu/device";
import { openDevice } from "../src/gpu/open-node";
import { planOf } from "../src/graph/compiled";
import { Model } from "../src/inject/model";
import { stepOps } from "../src/inject/ops";
import { plainStep } from "../src/inject/step-graphs";
import type { UNetConfig } from "../src/model/config";
import { Network, type NetworkOptions } from "../src/model/network";
import { platform } from "../src/platform/node";
import { ddpm32 } from "./forwards/ddpm32";
import { feed, macsOf, replayOf } from "./forwards/steps";
import { Stopwatch } from "./kernels/gpu";
import { randomCheckpoint } from "./random-checkpoint";

/** One point of a series: `of` is what grows. */
export interface ScalingResult {
  readonly series: "batch" | "resolution" | "steps";
  readonly of: number;
  readonly ms: number;
  readonly gflop: number;
  readonly gflops: number;
  readonly plannedBytes: number;
  readonly lowerBound: number;
}

interface Options {
  readonly print: (row: object, ...lines: readonly string[]) => void;
  readonly filter: RegExp;
  readonly options: NetworkOptions;
  readonly plot?: string;
}

const sizes = { batch: [1, 2, 4, 8], resolution: [32, 64, 128, 256], steps: [10, 50, 1000] } as const;

/** How the cost of a plain step grows with the batch and with the side, and that of a whole run with its steps.
 *  The network is ddpm32; attention stays in the middle only where the side grows, and runs are of 16x16 pictures. */
export async function benchScaling({ print, filter, options, plot }: Options): Promise<void> {
  using device = await openDevice();
  const clock = new Stopwatch(device).clock;
  print(
    { adapter: device.description, clock },
    `${device.description}; ${clock}`,
    "series          of         ms    GFLOP  GFLOP/s  growth of time / work   planned  of the lower bound",
  );
  const results: ScalingResult[] = [];
  const add = (result: ScalingResult) => {
    const from = results.find(({ series }) => series === result.series) ?? result;
    results.push(result);
    const growth = result.ms / from.ms / (result.gflop / from.gflop);
    print(
      result,
      [
        result.series.padEnd(10),
        `${result.of}`.padStart(7),
        result.ms.toFixed(1).padStart(10),
        result.gflop.toFixed(2).padStart(8),
        result.gflops.toFixed(1).padStart(8),
        growth.toFixed(2).padStart(18),
        `${(result.plannedBytes / 2 ** 20).toFixed(1)} MiB`.padStart(12),
        (result.plannedBytes / result.lowerBound).toFixed(3).padStart(8),
      ].join(" "),
    );
  };
  const wanted = (series: string) => filter.test(series);
  if (wanted("batch"))
    for (const of of sizes.batch) add({ series: "batch", of, ...(await step(device, ddpm32, of, options)) });
  if (wanted("resolution"))
    for (const of of sizes.resolution) {
      const config = { ...ddpm32, height: of, width: of, attention: [], upAttention: [] };
      add({ series: "resolution", of, ...(await step(device, config, 1, options)) });
    }
  if (wanted("steps")) for (const row of await stepSeries(device, options)) add(row);
  if (!plot) return;
  writePlot(plot, results, device.description);
  print({ plot }, `plot: ${plot}`);
}

function writePlot(file: string, results: readonly ScalingResult[], adapter: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, drawScaling(results, adapter));
}

/** Draws what `--json` printed before, perhaps in several runs: a slow adapter takes long for all of it. */
export function plotScaling(from: string, plot: string): void {
  const lines = readFileSync(from, "utf8").split("\n").filter(Boolean);
  const rows = lines.map((line) => JSON.parse(line) as ScalingResult | { adapter: string });
  const adapters = new Set(rows.flatMap((row) => ("adapter" in row ? [row.adapter] : [])));
  if (adapters.size !== 1) throw new Error(`${from}: measured on ${adapters.size} adapters, needed one`);
  const results = rows.filter((row): row is ScalingResult => "series" in row);
  writePlot(plot, results, [...adapters][0]!);
}

/** Best of a few plain steps. */
async function step(device: Device, config: UNetConfig, batch: number, options: NetworkOptions) {
  const network = await Network.load(randomCheckpoint("ddpm", config), device, options);
  const graph = plainStep(network.unet(batch));
  const programs = await network.compile({ plain: graph }, stepOps);
  try {
    feed(device, network, programs, batch);
    const { bytes, lowerBound } = planOf(network.lower(graph, stepOps), device.gpu.limits.maxBufferSize);
    const watch = new Stopwatch(device);
    const work = replayOf(programs, "plain");
    const first = await watch.seconds(work, 1);
    const again = Math.max(2, Math.min(10, Math.round(3 / first)));
    const seconds: number[] = [];
    for (let i = 0; i < again; i++) seconds.push(await watch.seconds(work, 1));
    const best = Math.min(...seconds);
    const flop = 2 * macsOf(network, graph);
    return {
      ms: best * 1e3,
      gflop: flop / 1e9,
      gflops: flop / best / 1e9,
      plannedBytes: bytes,
      lowerBound,
    };
  } finally {
    programs.destroy();
    network.destroy();
  }
}

/** Whole sampling runs by the host's clock, everything compiled before. */
async function stepSeries(device: Device, options: NetworkOptions): Promise<ScalingResult[]> {
  const config = { ...ddpm32, height: 16, width: 16 };
  const network = await Network.load(randomCheckpoint("ddpm32", config), device, options);
  using model = new Model(network, platform, { name: "ddpm32" });
  const graph = plainStep(network.unet(1));
  const flop = 2 * macsOf(network, graph);
  const { bytes, lowerBound } = planOf(network.lower(graph, stepOps), device.gpu.limits.maxBufferSize);
  const sample = async (steps: number) => (await model.sample({ steps })).dispose();
  await sample(2);
  const rows: ScalingResult[] = [];
  for (const steps of sizes.steps) {
    const began = performance.now();
    await sample(steps);
    const ms = performance.now() - began;
    const gflop = (steps * flop) / 1e9;
    rows.push({
      series: "steps",
      of: steps,
      ms,
      gflop,
      gflops: gflop / (ms / 1e3),
      plannedBytes: bytes,
      lowerBound,
    });
  }
  return rows;
}

/** Growth of time over growth of arithmetic, both as powers of two from the smallest of the series. */
export function drawScaling(results: readonly ScalingResult[], adapter: string): string {
  const names = [...new Set(results.map(({ series }) => series))];
  const lines = names.map((name) => {
    const rows = results.filter(({ series }) => series === name);
    const [first] = rows as [ScalingResult];
    const points = rows.map((r) => [Math.log2(r.gflop / first.gflop), Math.log2(r.ms / first.ms)] as const);
    return { name: `${name} ${rows.map(({ of }) => of).join(", ")}`, points };
  });
  const most = Math.max(1, ...lines.flatMap(({ points }) => points.map(([x]) => x)));
  const even = {
    name: "in proportion",
    dashed: true,
    points: [
      [0, 0],
      [most, most],
    ] as const,
  };
  return drawPlot({
    title: `Growth of time, ${adapter.slice(0, 40)}`,
    x: "arithmetic, powers of two",
    y: "time, powers of two",
    series: [...lines, even],
  });
}
