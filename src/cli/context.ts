import type { Command } from "commander";
import type { StepEvent } from "../api";
import type { Device } from "../gpu/device";
import type { Model } from "../inject/model";
import { describeHalf } from "../model/checkpoint/f16";
import { expectModel } from "../platform/node";
import { type HintFlags, hintsOf, withHintFlags } from "./checkpoint-flags";
import type { Engine } from "./engine";
import { naming } from "./failure";
import { type Report, Reporter, type Terminal } from "./reporter";

/** Context that every command is given. */
export interface Context {
  engine(): Promise<Engine>;
  readonly terminal: Terminal;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

export interface CommonOptions extends HintFlags {
  readonly model?: string;
  readonly dtype?: "f32" | "f16";
  readonly activations?: "f32" | "f16";
  readonly precision?: "exact" | "fast";
  readonly tune?: "quick";
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Adds the options that every command with a model has. */
export function withCommonOptions(command: Command): Command {
  command
    .optionsGroup("Model:")
    .option(
      "--model <source>",
      "a shipped model, one of the paper's (info --models), a checkpoint file, a URL, or hf:owner/name (default: portraits64)",
    )
    .addOption(command.createOption("--dtype <type>", "storage of weights on the GPU").choices(["f32", "f16"]))
    .addOption(
      command
        .createOption(
          "--activations <type>",
          "storage of what layers exchange; f16 takes half the memory, on most GPUs",
        )
        .choices(["f32", "f16"]),
    )
    .addOption(command.createOption("--precision <mode>", "fast: Winograd convolutions too").choices(["exact", "fast"]))
    .addOption(
      command.createOption("--tune <mode>", "time kernel variants on this device first, once").choices(["quick"]),
    );
  return withTalkOptions(withHintFlags(command));
}

/** Adds the options for what a command prints. */
export const withTalkOptions = (command: Command): Command =>
  command
    .optionsGroup("Output:")
    .option("--json", "print the results as JSON")
    .option("--quiet", "print results and errors only")
    .helpOption("-h, --help", "show this help");

/** Adds examples below the help. */
export const withExamples = (command: Command, ...lines: readonly string[]): Command =>
  command.addHelpText("after", `\nExamples:\n${lines.map((line) => `  ${line}\n`).join("")}`);

/** An open device with a loaded model. */
export interface Session {
  readonly engine: Engine;
  readonly device: Device;
  readonly model: Model;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

/** Describes the adapter in one line, the first that every run writes. */
export function adapterLine(device: Device): string {
  const kind = device.adapterClass === "software" ? "software adapter, no GPU" : "GPU";
  return `adapter: ${device.description} (${kind})`;
}

/** Opens a device, names it, loads the model and runs `work`; closes both, whatever happens.
 *  @throws UserError before anything is opened when no model has the name in `--model` */
export async function withSession<T>(
  context: Context,
  options: CommonOptions,
  work: (session: Session) => Promise<T>,
  reporter = new Reporter(context.terminal, options.quiet),
): Promise<T> {
  const session = await openSession(context, options, reporter);
  try {
    return await work(session);
  } finally {
    session.close();
  }
}

/** A session that stays open until it is closed. */
export interface OpenSession extends Session {
  close(): void;
}

/** Opens a device, names it and loads the model.
 *  @throws UserError before anything is opened when no model has the name in `--model` */
export async function openSession(context: Context, options: CommonOptions, reporter: Reporter): Promise<OpenSession> {
  await naming("--model", async () => expectModel(options.model));
  const engine = await context.engine();
  const device = await reporter.phase("open device", () => engine.openDevice());
  let model: Model | undefined;
  const close = () => {
    model?.dispose();
    device.destroy();
  };
  try {
    reporter.say(adapterLine(device));
    const { signal } = context;
    const { dtype, activations, precision, tune } = options;
    const loaded = await reporter.phase(
      "load model",
      (report) =>
        engine.loadModel(options.model, {
          ...hintsOf(options),
          device,
          ...(dtype && { dtype }),
          ...(activations && { activations }),
          ...(precision && { precision }),
          ...(tune && { tune, onTuned: (done: number, all: number) => report(done, all, "tune kernels") }),
          signal,
          onProgress: ({ loaded, total }) => report(loaded, total),
        }),
      { unit: "MB" },
    );
    model = loaded;
    signal.throwIfAborted();
    for (const [name, half] of Object.entries(loaded.storage?.notes ?? {})) {
      const line = describeHalf(name, half);
      if (line) reporter.say(line);
    }
    return { engine, device, model: loaded, reporter, signal, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** The phase before the first step of a run: its `before`. */
export const COMPILING = { before: "compiling shaders" } as const;

/** Passes the steps of a run on to a progress bar, after `runs` of `all` runs. */
export const stepsTo =
  (report: Report, runs = 0, all = 1) =>
  ({ step, steps }: StepEvent): void =>
    report(runs * steps + step, all * steps);
