import { Command } from "commander";
import { adapterLine, type CommonOptions, type Context, withCommonOptions, withSession } from "./context";
import type { EngineDevice, EngineModel } from "./engine";

interface Options extends CommonOptions {
  readonly graph?: boolean;
}

/** `injectfusion info`: what there is to run on, and what would run. */
export function info(context: Context): Command {
  const command = new Command("info")
    .description("adapter, limits, features and model; with --graph the plan of a step")
    .option("--graph", "list nodes, buffer slots and bytes");
  return withCommonOptions(command).action((options: Options) => run(context, options));
}

async function run(context: Context, options: Options): Promise<void> {
  await withSession(context, { ...options, quiet: true }, async ({ device, model, talk }) => {
    const report = { device: aboutDevice(device), model: aboutModel(model) };
    if (options.json) talk.result(JSON.stringify(report));
    else {
      talk.result(adapterLine(device));
      for (const [title, facts] of Object.entries(report)) {
        talk.result(`${title}:`);
        for (const [name, value] of Object.entries(facts)) talk.result(`  ${name}: ${inWords(value)}`);
      }
    }
  });
}

function aboutDevice(device: EngineDevice) {
  const { vendor, architecture, device: name, description } = device.info;
  const { gpu } = device;
  const limits: Record<string, number> = {};
  if (gpu) for (const key in gpu.limits) limits[key] = gpu.limits[key as keyof GPUSupportedLimits] as number;
  const features = gpu ? [...gpu.features].sort() : [];
  return { adapter: { vendor, architecture, device: name, description }, class: device.adapterClass, features, limits };
}

const aboutModel = ({ name, hash, resolution }: EngineModel) => ({ name, hash, resolution });

const inWords = (value: unknown): string =>
  Array.isArray(value)
    ? value.join(", ")
    : typeof value === "object" && value
      ? Object.entries(value)
          .map(([key, v]) => `\n    ${key}: ${v}`)
          .join("")
      : String(value);
