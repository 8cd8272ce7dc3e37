// npm run bench:against -- [FOLDER] [--apart] [--filter REGEXP] [--rounds N] [--f16] [--exact] [--whole] [--json]
// Another checkout's kernels and steps beside this one's, in one process and in turns: the time of this over that of the
// other, so below 1 is faster. FOLDER: for example `git worktree add ../before COMMIT`, with node_modules in it.
// A round opens a device for each side and compiles everything anew, since a few pipelines in a hundred are slow for as long
// as they live. --apart runs the other side without merged dispatches (src/kernels/conv/between.ts), by default that of this
// checkout, and whole steps only, for their nodes are others. A ratio is best against best over all rounds. On a software adapter time is the processor time of this
// process, which other processes disturb least. --whole leaves out the single nodes of steps.
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import type { Device } from "../src/gpu/device";
import { packageRoot } from "../src/platform/package-root";
import type * as networks from "./forwards/networks";
import type * as steps from "./forwards/steps";
import type * as cases from "./kernels/cases";
import type * as gpu from "./kernels/gpu";
import type { Replay } from "./kernels/gpu";

type Side = Pick<typeof cases, "kernelCases"> &
  Pick<typeof gpu, "prepare" | "Stopwatch"> &
  Pick<typeof steps, "stepGraphs" | "feed" | "replayOf" | "outputsOf" | "programNames"> &
  Pick<typeof networks, "benchNetworks"> &
  Pick<typeof import("../src/gpu/open-node"), "openDevice"> &
  Pick<typeof import("../src/model/network"), "Network" | "targetOf"> &
  Pick<typeof import("../src/graph/record"), "replay"> &
  Pick<typeof import("../src/inject/ops"), "stepOps">;

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    filter: { type: "string", default: "" },
    rounds: { type: "string", default: "3" },
    f16: { type: "boolean", default: false },
    exact: { type: "boolean", default: false },
    whole: { type: "boolean", default: false },
    apart: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const folder = positionals[0] ?? (flags.apart ? packageRoot() : undefined);
if (folder === undefined) throw new Error("expected the folder of another checkout, or --apart");
const filter = new RegExp(flags.filter);
const rounds = Number(flags.rounds);
const options = { precision: flags.exact ? "exact" : "fast", dtype: flags.f16 ? "f16" : "f32" } as const;

/** Passes of a round, and the least that one lasts. */
const PASSES = 5;
const PASS_SECONDS = 0.01;

const exported = (folder: string) => `
export { kernelCases } from "./bench/kernels/cases";
export { prepare, Stopwatch } from "./bench/kernels/gpu";
export { stepGraphs, feed, replayOf, outputsOf, programNames } from "./bench/forwards/steps";
export { benchNetworks } from "./bench/forwards/networks";
export { openDevice } from "./src/gpu/open-node";
export { Network, targetOf } from "./src/model/network";
export { replay } from "./src/graph/record";
${existsSync(join(folder, "src/inject/ops.ts")) ? 'export { stepOps } from "./src/inject/ops";' : "export const stepOps = undefined;"}`;

/** Bundles what is compared of a checkout, beside the modules that it needs. */
async function sideOf(folder: string, name: string): Promise<Side> {
  const outdir = join(packageRoot(), "node_modules", ".cache", "injectfusion");
  mkdirSync(outdir, { recursive: true });
  const outfile = join(outdir, `against-${name}.${process.pid}.mjs`);
  await build({
    absWorkingDir: folder,
    bundle: true,
    format: "esm",
    platform: "node",
    loader: { ".wgsl": "text" },
    packages: "external",
    stdin: { contents: exported(folder), resolveDir: folder, loader: "ts" },
    outfile,
  });
  process.on("exit", () => rmSync(outfile, { force: true }));
  return import(pathToFileURL(outfile).href);
}

/** Best seconds of this side and of the other, by what was timed. */
const best = new Map<string, [number, number]>();

function note(what: string, side: 0 | 1, seconds: number): void {
  const pair = best.get(what) ?? [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  pair[side] = Math.min(pair[side], seconds);
  best.set(what, pair);
}

const sides = [await sideOf(packageRoot(), "this"), await sideOf(resolve(folder), "other")] as const;
const both = [0, 1] as const;
/** Who goes first changes from pass to pass. */
const turns = (pass: number): readonly (0 | 1)[] => (pass % 2 === 0 ? [0, 1] : [1, 0]);

/** Frees a device, by the name that this has on either side. */
function free(device: { dispose(): void } | { destroy(): void }): void {
  if ("dispose" in device) device.dispose();
  else device.destroy();
}

/** Clock of one side: on a software adapter by processor time, else by the stopwatch. */
class Timer {
  readonly #watch: InstanceType<Side["Stopwatch"]>;

  constructor(
    readonly device: Device,
    { Stopwatch }: Side,
  ) {
    this.#watch = new Stopwatch(device);
  }

  /** Seconds of one pass of `times` replays. */
  async seconds(work: Replay, times: number): Promise<number> {
    if (this.device.adapterClass === "gpu") return this.#watch.seconds(work, times);
    const before = process.cpuUsage();
    await this.#watch.seconds(work, times);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  }
}

/** Times the same work of both sides in turns. */
async function compare(what: string, timers: readonly Timer[], works: readonly Replay[]): Promise<void> {
  const first = await timers[0]!.seconds(works[0]!, 1);
  const times = Math.max(1, Math.min(1000, Math.ceil(PASS_SECONDS / Math.max(first, 1e-5))));
  for (let pass = 0; pass < PASSES; pass++)
    for (const side of turns(pass)) note(what, side, (await timers[side]!.seconds(works[side]!, times)) / times);
}

/** Every dispatch of a kernel's case, one by one. */
async function compareKernel(name: string): Promise<void> {
  const opened = await Promise.all(
    sides.map(async (side) => {
      const device = await side.openDevice();
      const built = side.kernelCases.find((kernel) => kernel.name === name)!.build(side.targetOf(device, options));
      const works = [];
      for (const dispatch of built.dispatches) works.push(await side.prepare(device, [dispatch], built.inputs));
      return { timer: new Timer(device, side), works, shaders: built.dispatches.map(({ shader }) => shader) };
    }),
  );
  const [{ shaders }, other] = [opened[0]!, opened[1]!];
  const timers = opened.map(({ timer }) => timer);
  if (shaders.length !== other.shaders.length)
    console.log(`${name}: other dispatches, ${shaders} and ${other.shaders}`);
  else
    for (const [i, shader] of shaders.entries()) {
      const works = opened.map(({ works }) => works[i]!);
      await compare(`${name}, dispatch ${i}: ${shader}`, timers, works);
    }
  for (const { device } of timers) free(device);
}

/** The three step graphs of a network, and every node that was not in one before. */
async function compareSteps(name: string): Promise<void> {
  const opened = await Promise.all(
    sides.map(async (side, i) => {
      const device = await side.openDevice();
      const checkpoint = await side.benchNetworks.find((network) => network.name === name)!.open();
      const apart = i === 1 && flags.apart ? { ...side.targetOf(device, options), merges: false } : undefined;
      const network = await side.Network.load(checkpoint, device, options, apart);
      checkpoint.close();
      const programs = await network.compile(side.stepGraphs(network, 1), side.stepOps);
      side.feed(device, network, programs, 1);
      return { programs, timer: new Timer(device, side) };
    }),
  );
  const timers = opened.map(({ timer }) => timer);
  const seen = new Set<string>();
  for (const program of sides[0].programNames) {
    const outputs = await Promise.all(
      both.map((i) => sides[i].outputsOf(timers[i]!.device, opened[i]!.programs, program)),
    );
    const bits = outputs.map((tensors) => tensors.map(({ buffer }) => new Uint32Array(buffer)));
    const same = bits[0]!.every((tensor, k) => tensor.every((word, i) => word === bits[1]![k]![i]));
    console.log(`${name} ${program}: outputs ${same ? "equal to the bit" : "differ"}`);
    const works = both.map((i) => sides[i].replayOf(opened[i]!.programs, program));
    await compare(`${name} ${program}`, timers, works);
    if (flags.whole || flags.apart) continue;
    const nodes = opened.map(({ programs }) => programs.recordings[program]!.nodes);
    for (const node of nodes[0]!) {
      const other = nodes[1]!.find((one) => one.name === node.name);
      const shape = node.name.replace(/^calibrated\//, "");
      if (!other || seen.has(shape)) continue;
      seen.add(shape);
      const works = [node, other].map((one, i): Replay => ({ encode: (pass) => sides[i]!.replay(pass, [one], 0) }));
      await compare(`${name} ${program}: ${node.name}`, timers, works);
    }
  }
  for (const { device } of timers) free(device);
}

const kernels = flags.apart ? [] : sides[0].kernelCases.filter(({ name }) => filter.test(name));
const known = kernels.filter(({ name }) => sides[1].kernelCases.some((other) => other.name === name));
const forwards = sides[0].benchNetworks.filter(({ name, onGpu }) => filter.test(`forward ${name}`) && !onGpu);

/** Prints what was timed since the last call. */
function printAll(): void {
  for (const [what, [mine, other]] of best) {
    const [ratio, ms, otherMs] = [mine / other, mine * 1e3, other * 1e3];
    const times = [ms, otherMs].map((time) => time.toFixed(3).padStart(9)).join(" ");
    console.log(flags.json ? JSON.stringify({ what, ratio, ms, otherMs }) : `${ratio.toFixed(3)} ${times} ms  ${what}`);
  }
  best.clear();
}

for (const [compareOne, names] of [
  [compareKernel, known],
  [compareSteps, forwards],
] as const)
  for (const { name } of names) {
    for (let round = 0; round < rounds; round++) await compareOne(name);
    printAll();
  }
