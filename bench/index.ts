// npm run bench -- [--json] [--filter REGEXP] [--runs N] [--exact] [--f16] [--no-subgroups] [--tune]
//                  [--variants]                        every variant that the tuner would try, one by one
// npm run bench -- --scaling [--json] [--plot FILE.svg] [--filter batch|resolution|steps]
// npm run bench -- --plot FILE.svg --from FILE.jsonl      what --scaling --json printed, drawn
// Roofs of this adapter, then every kernel at the shapes that real models run, as a share of the roof of the same run,
// then whole steps; or how cost grows. bench/README.md says how to read it.
import { parseArgs } from "node:util";
import { openDevice } from "../src/gpu/open-node";
import type { NetworkOptions } from "../src/model/network";
import { targetOf } from "../src/model/network";
import { fileStore } from "../src/platform/tune-store-node";
import { measureForwards } from "./forwards";
import { measureLoading } from "./forwards/loading";
import { benchNetworks } from "./forwards/networks";
import { kernelCases, measureKernel, measureRoof } from "./kernels";
import { Stopwatch } from "./kernels/gpu";
import { roofNames } from "./kernels/roof";
import { coldLines, forwardLines, kernelHeader, kernelLine, loadLines } from "./lines";
import { benchScaling, plotScaling } from "./scaling";

const { values: flags } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    filter: { type: "string", default: "" },
    runs: { type: "string", default: "15" },
    exact: { type: "boolean", default: false },
    f16: { type: "boolean", default: false },
    "no-subgroups": { type: "boolean", default: false },
    tune: { type: "boolean", default: false },
    variants: { type: "boolean", default: false },
    scaling: { type: "boolean", default: false },
    plot: { type: "string" },
    from: { type: "string" },
  },
});

const runs = Number(flags.runs);
const filter = new RegExp(flags.filter);
const options: NetworkOptions = {
  precision: flags.exact ? "exact" : "fast",
  dtype: flags.f16 ? "f16" : "f32",
  ...(flags.tune && { tune: "quick", tuneStore: fileStore() }),
};
const print = (row: object, ...lines: readonly string[]) => {
  for (const line of flags.json ? [JSON.stringify(row)] : lines) console.log(line);
};

async function kernels(): Promise<void> {
  using device = await openDevice();
  const target = targetOf(device, options);
  const own = { ...target, subgroups: target.subgroups && !flags["no-subgroups"] };
  const { clock } = new Stopwatch(device);
  print({ adapter: device.description, clock, target: own }, `${device.description}; ${clock}; best of ${runs} runs`);
  const named = kernelCases.filter(({ name }) => filter.test(name));
  const cases = flags.variants ? named.flatMap((kernel) => kernel.variants?.(own) ?? [kernel]) : named;
  if (cases.length === 0) return;
  for (const roof of roofNames) {
    const result = await measureRoof(device, roof, runs);
    const { best, median, unit } = result;
    print(result, `roof ${roof.padEnd(6)} ${best.toFixed(1)} ${unit} (median ${median.toFixed(1)})`);
  }
  if (!flags.json) console.log(`\n${kernelHeader}`);
  for (const kernel of cases) {
    try {
      const result = await measureKernel(device, own, kernel, runs);
      print(result, kernelLine(result));
    } catch (error) {
      device.check();
      const refused = (error as Error).message;
      print({ case: kernel.name, refused }, `${kernel.name.padEnd(31)} ${refused}`);
      process.exitCode = 1;
    }
  }
}

async function forwards(): Promise<void> {
  for (const { name, onGpu, open } of benchNetworks.filter(({ name }) => filter.test(`forward ${name}`))) {
    using device = await openDevice(); // a fresh one: compiling is measured too
    const checkpoint = await open();
    try {
      if (onGpu && device.adapterClass !== "gpu") {
        const { network, loading } = await measureLoading(device, name, checkpoint, options);
        network.destroy();
        print(loading, ...loadLines(loading));
        continue;
      }
      const { cold, forwards } = await measureForwards(device, name, checkpoint, { ...options, runs });
      print(cold, ...coldLines(cold));
      for (const result of forwards) print(result, ...forwardLines(result));
    } finally {
      checkpoint.close();
    }
  }
}

if (flags.from && flags.plot) plotScaling(flags.from, flags.plot);
else if (flags.scaling) await benchScaling({ print, filter, options, ...(flags.plot && { plot: flags.plot }) });
else {
  await kernels();
  await forwards();
}
