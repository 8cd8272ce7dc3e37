import { CommanderError } from "commander";
import { UserError } from "../errors";

export const EXIT = { ok: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** The command line itself is wrong: a flag is missing, or flags contradict each other. Exit status 2. */
export class UsageError extends UserError {
  override name = "UsageError";
}

/** Some of the work failed and was reported when it did; the rest was done. Exit status 1, without another message. */
export class PartialFailure extends Error {
  override name = "PartialFailure";
}

/** Turns what a command threw into an exit status and a message for stderr. A mistake that the user can mend is one line;
 *  anything else is a defect and keeps its stack. */
export function failureOf(error: unknown, signal: AbortSignal): { code: number; text: string } {
  if (error instanceof CommanderError) return { code: error.exitCode === 0 ? EXIT.ok : EXIT.usage, text: "" };
  if (signal.aborted) return { code: EXIT.interrupted, text: "interrupted: nothing was left half-written" };
  if (error instanceof PartialFailure) return { code: EXIT.failure, text: "" };
  if (error instanceof UsageError) return { code: EXIT.usage, text: `error: ${error.message}` };
  if (error instanceof UserError) return { code: EXIT.failure, text: `error: ${error.message}` };
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    code: EXIT.failure,
    text: `unexpected error, a defect of injectfusion (please report it, with the output of 'injectfusion info'):\n${stack}`,
  };
}

/** Runs `work`; a mistake that it finds is reported under the flag that was typed. */
export async function naming<T>(flag: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UserError) error.message = `${flag} ${error.message}`;
    throw error;
  }
}
