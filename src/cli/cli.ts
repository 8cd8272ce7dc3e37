import { Command } from "commander";
import { packageVersion } from "../platform/package-root";
import { compare } from "./compare";
import { type Context, withExamples } from "./context";
import { convert } from "./convert";
import { correlate } from "./correlate";
import { directions } from "./directions";
import { evaluate } from "./evaluate";
import { failureOf } from "./failure";
import { grid } from "./grid";
import { info } from "./info";
import { inject } from "./inject";
import { inspect } from "./inspect";
import { enqueue } from "./queue/enqueue";
import { work } from "./queue/work";
import { reconstruct } from "./reconstruct";
import { sample } from "./sample";
import { start } from "./start";
import { sweep } from "./sweep";
import { taps } from "./taps";

/** Runs the command line. @returns the exit status: 0 success, 1 failure, 2 usage, 130 interrupted. */
export async function runCli(args: readonly string[], context: Context): Promise<number> {
  try {
    await program(context).parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    const { code, text } = failureOf(error, context.signal);
    if (text) context.terminal.stderr.write(`${text}\n`);
    return code;
  }
}

/** The commands by what they are for, in the order of the help. */
const groups = {
  "Pictures:": [start, inject, sample, reconstruct],
  "Experiments (docs/experiments.md):": [grid, sweep, compare, taps, directions, correlate, evaluate],
  "On several machines (docs/scale):": [enqueue, work],
  "Models and devices:": [info, inspect, convert],
} as const;

function program(context: Context): Command {
  const all = new Command("injectfusion")
    .description("InjectFusion on WebGPU: the content of one picture with the colours and texture of another")
    .version(packageVersion(), "-V, --version", "show the version")
    .helpOption("-h, --help", "show this help")
    .helpCommand("help [command]", "show the help of a command");
  for (const [heading, commands] of Object.entries(groups))
    for (const command of commands) all.addCommand(command(context).helpGroup(heading));
  withExamples(
    all,
    "injectfusion start                                    # a first try, on pictures of the package",
    "injectfusion inject --content a.jpg --original b.png --out c.png",
    "injectfusion help inject",
  );
  for (const command of [all, ...all.commands.flatMap((own) => [own, ...own.commands])])
    command.exitOverride().configureOutput({
      writeOut: (text) => context.terminal.stdout.write(text),
      writeErr: (text) => context.terminal.stderr.write(text),
    });
  return all;
}
