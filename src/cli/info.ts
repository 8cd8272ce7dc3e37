import { Command, Option } from "commander";
import type { Device } from "../gpu/device";
import type { Model } from "../inject/model";
import { modelPresets } from "../model/presets";
import { packageVersion } from "../platform/package-root";
import { adapterLine, type CommonOptions, type Context, withCommonOptions, withExamples, withSession } from "./context";
import { type GraphReport, graphReport, STEP_NAMES, type StepName } from "./graph-report";
import { Reporter } from "./reporter";
import { aligned } from "./table";
import { integer } from "./values";

interface Options extends CommonOptions {
  readonly graph?: boolean;
  readonly models?: boolean;
  readonly limits?: boolean;
  readonly step: StepName;
  readonly batch: number;
}

/** `injectfusion info`: the version, the adapter, the model and, where asked for, its step graphs. */
export function info(context: Context): Command {
  const command = new Command("info")
    .description("version, adapter and model; with --graph the nodes, buffer slots and bytes of a step")
    .optionsGroup("Information:")
    .option("--models", "list the paper's models, and where to get each; opens no device")
    .option("--limits", "list the limits of the device too")
    .option("--graph", "list the nodes of a step graph and the slots they write to")
    .addOption(new Option("--step <name>", "which step graph").choices(STEP_NAMES).default("injected"))
    .addOption(new Option("--batch <n>", "pictures in a batch").argParser(integer(1, 256)).default(1));
  return withExamples(
    withCommonOptions(command),
    "injectfusion info",
    "injectfusion info --models",
    "injectfusion info --graph --step calibrated --batch 2",
  ).action((options: Options) => run(context, options));
}

async function run(context: Context, options: Options): Promise<void> {
  if (options.models) {
    listModels(new Reporter(context.terminal), options.json === true);
    return;
  }
  await withSession(context, { ...options, quiet: true }, async ({ device, model, reporter }) => {
    const graph = options.graph ? graphReport(model, options.step, options.batch) : undefined;
    const program = {
      injectfusion: packageVersion(),
      node: process.versions.node,
      platform: `${process.platform} ${process.arch}`,
    };
    const report = { program, device: aboutDevice(device), model: aboutModel(model), ...(graph && { graph }) };
    if (options.json) reporter.result(JSON.stringify(report));
    else {
      reporter.result(adapterLine(device));
      const { limits: _, ...about } = report.device;
      const facts = { program, model: report.model, device: options.limits ? report.device : about };
      for (const [title, given] of Object.entries(facts))
        for (const line of factLines(title, given)) reporter.result(line);
      if (graph) for (const line of graphLines(graph)) reporter.result(line);
    }
  });
}

function listModels(reporter: Reporter, json: boolean): void {
  const models = Object.entries(modelPresets);
  if (json) {
    reporter.result(JSON.stringify(Object.fromEntries(models)));
    return;
  }
  const columns = ["name", "model", "parameters", "preset", "from"];
  const rows = models.map(([name, { title, parameters, method, from }]) => [name, title, parameters, method, from]);
  for (const line of aligned(columns, rows)) reporter.result(line);
}

function aboutDevice(device: Device) {
  const { vendor, architecture, device: name, description } = device.info;
  const { limits: from, features } = device.gpu;
  const limits: Record<string, number> = {};
  for (const key in from) {
    const value: unknown = from[key as keyof GPUSupportedLimits];
    if (typeof value === "number") limits[key] = value;
  }
  const adapter = { vendor, architecture, device: name, description };
  return { adapter, class: device.adapterClass, features: [...features].sort(), limits };
}

function aboutModel(model: Model) {
  const { name, hash, resolution, config, parameterCount, storage } = model;
  const { dtype, bytes, notes } = storage;
  const keptF32 = Object.keys(notes).filter((weight) => !notes[weight]!.safe);
  const weights = { dtype, bytes, ...(dtype === "f16" && { keptF32 }) };
  return { name, hash, resolution, parameters: parameterCount, weights, config };
}

function factLines(title: string, facts: Readonly<Record<string, unknown>>): string[] {
  return [
    `${title}:`,
    ...Object.entries(facts).flatMap(([name, value]) =>
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? [`  ${name}:`, ...Object.entries(value).map(([key, v]) => `    ${key}: ${v}`)]
        : [`  ${name}: ${Array.isArray(value) ? value.join(", ") : value}`],
    ),
  ];
}

function graphLines({ step, batch, nodes, slots, totals }: GraphReport): string[] {
  const wide = Math.max(...nodes.map((node) => node.name.length));
  return [
    `graph: ${step} step, batch ${batch}`,
    ...nodes.map(
      ({ name, kind, shape, slot, offset, bytes, macs }) =>
        `  ${name.padEnd(wide)}  ${kind.padEnd(13)}  ${`[${shape}]`.padEnd(18)}  ${`${slot}+${offset}`.padStart(12)}  ${String(bytes).padStart(10)} B  ${(macs / 1e6).toFixed(1).padStart(8)} MMAC`,
    ),
    `slots: ${slots.map((bytes, i) => `${i}: ${bytes}`).join(", ")}`,
    `bytes in slots: ${totals.slotBytes} (least possible ${totals.lowerBound}); dispatches: ${totals.dispatches}; ${(totals.macs / 1e9).toFixed(3)} GMAC`,
  ];
}
