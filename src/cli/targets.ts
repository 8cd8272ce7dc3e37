import { stat } from "node:fs/promises";
import { extname, resolve } from "node:path";
import type { Command } from "commander";
import { UserError } from "../errors";
import { checkWritable } from "../platform/files-node";
import { naming, UsageError } from "./failure";

/** A file on the command line, with the flag (or argument) that names it. */
export interface NamedFile {
  readonly flag: string;
  readonly file: string;
}

/** Options of every command that writes files. */
export interface TargetOptions {
  readonly replace?: boolean;
}

export const withReplaceOption = (command: Command, words = "replace files that are there already"): Command =>
  command.option("--replace", words);

/** Checks every file that a command will write, before any work.
 *  @param inputs files that the command reads: none of them is ever overwritten
 *  @throws UserError when a target cannot be written, is an input, or exists and `replace` is not set
 *  @throws UsageError when two targets are one file */
export async function checkTargets(
  targets: readonly NamedFile[],
  inputs: readonly NamedFile[],
  { replace = false }: TargetOptions,
): Promise<void> {
  const read = new Map<string, NamedFile>();
  for (const input of inputs) read.set(await identity(input.file), input);
  const written = new Map<string, NamedFile>();
  for (const target of targets) {
    const { flag, file } = target;
    await naming(flag, () => checkWritable(file));
    const id = await identity(file);
    const input = read.get(id);
    if (input) throw new UserError(`${flag} ${file}: is the input ${input.flag} ${input.file}; give another name`);
    const other = written.get(id);
    if (other) throw new UsageError(`${flag} ${file}: is the same file as ${other.flag}; give another name`);
    written.set(id, target);
    if (!replace && id.startsWith("inode "))
      throw new UserError(`${flag} ${file}: exists already; give another name, or add --replace`);
  }
}

/** @throws UsageError unless the file is named as the PNG file that it will be */
export function checkPngName({ flag, file }: NamedFile): void {
  if (extname(file).toLowerCase() !== ".png")
    throw new UsageError(`${flag} ${file}: pictures are written as PNG; name the file *.png`);
}

/** Equal for two paths to one file, through links as well. */
async function identity(file: string): Promise<string> {
  const found = await stat(file, { bigint: true }).catch(() => undefined);
  return found ? `inode ${found.dev} ${found.ino}` : `path ${resolve(file)}`;
}
