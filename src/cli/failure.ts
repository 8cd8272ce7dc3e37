import { CommanderError } from "commander";
import { UserError } from "../errors";

export const EXIT = { ok: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** Some of the work failed and was reported as it did; the rest was done. Exit status 1, nothing more to say. */
export class PartialFailure extends Error {
  override name = "PartialFailure";
}

/** The exit status for what a command threw, and what to write to stderr about it. Mistakes a user can mend are one line;
 *  anything else is a defect and keeps its stack. */
export function failureOf(error: unknown, signal: AbortSignal): { code: number; text: string } {
  if (error instanceof CommanderError) return { code: error.exitCode === 0 ? EXIT.ok : EXIT.usage, text: "" };
  if (signal.aborted) return { code: EXIT.interrupted, text: "interrupted: nothing was left half-written" };
  if (error instanceof PartialFailure) return { code: EXIT.failure, text: "" };
  if (error instanceof UserError) return { code: EXIT.failure, text: `error: ${error.message}` };
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: EXIT.failure, text: `unexpected error, a defect of injectfusion:\n${stack}` };
}
