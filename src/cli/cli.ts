import { Command } from "commander";
import { packageVersion } from "../platform/package-root";
import { compare } from "./compare";
import type { Context } from "./context";
import { convert } from "./convert";
import { correlate } from "./correlate";
import { evaluate } from "./evaluate";
import { failureOf } from "./failure";
import { grid } from "./grid";
import { info } from "./info";
import { inject } from "./inject";
import { inspect } from "./inspect";
import { reconstruct } from "./reconstruct";
import { sample } from "./sample";
import { start } from "./start";
import { sweep } from "./sweep";

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

function program(context: Context): Command {
  const commands = [inject, grid, sweep, compare, correlate, evaluate, reconstruct, sample, info, inspect, convert].map(
    (command) => command(context),
  );
  const all = new Command("injectfusion")
    .description("InjectFusion on WebGPU: the content of one picture, the colours and texture of another")
    .version(packageVersion());
  for (const command of commands) all.addCommand(command);
  all.addCommand(start(context), { hidden: true });
  for (const command of [all, ...all.commands])
    command.exitOverride().configureOutput({
      writeOut: (text) => context.terminal.stdout.write(text),
      writeErr: (text) => context.terminal.stderr.write(text),
    });
  return all;
}
