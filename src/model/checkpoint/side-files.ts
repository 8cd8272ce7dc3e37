import { UserError } from "../../errors";
import type { Json } from "./diffusers-config";
import { checkJson } from "./json-limits";
import { type ByteSource, message } from "./source";

/** A JSON object found beside the weights. */
export interface SideFile {
  readonly file: string;
  readonly json: Json;
}

/** Side files are small; a larger one is something else. */
const MOST_BYTES = 4 * 2 ** 20;

const LIMITS = { depth: 16, values: 100_000 };

/** A JSON file beside the weights, or undefined where there is none.
 *  @throws UserError when it is there but cannot be read as a JSON object. */
export async function sideFile(
  source: ByteSource,
  relative: string,
  signal?: AbortSignal,
): Promise<SideFile | undefined> {
  const side = await source.sibling?.(relative, signal);
  if (!side) return undefined;
  const file = relative.replace(/^\.\.\//, "");
  try {
    if (side.size > MOST_BYTES) throw new UserError(`${file}: ${side.size} bytes; expected a small JSON file`);
    return { file, json: parseObject(new TextDecoder().decode(await side.read(0, side.size, signal)), file) };
  } catch (error) {
    if (error instanceof UserError || signal?.aborted) throw error;
    throw new UserError(`${file}: cannot be read (${message(error)}); download it again, or remove it`);
  } finally {
    side.close?.();
  }
}

/** The first of several that is there. @throws UserError as `sideFile` */
export async function firstOf(
  source: ByteSource,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<SideFile | undefined> {
  for (const name of names) {
    const found = await sideFile(source, name, signal);
    if (found) return found;
  }
  return undefined;
}

/** @throws UserError unless the text is a JSON object. */
export function parseObject(text: string, file: string): Json {
  checkJson(new TextEncoder().encode(text), LIMITS, file);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UserError(`${file}: is not JSON; download it again, or remove it`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new UserError(`${file}: is no JSON object; download it again, or remove it`);
  return value as Json;
}
