/** Stands in, inside a page, for what test bodies ask of `node:fs`, `node:path` and the library's own opener of files:
 *  a folder fetched whole before the tests begin. */
import { UserError } from "../../../src/errors";
import { type ByteSource, memorySource } from "../../../src/model/checkpoint/source";

const files = new Map<string, Uint8Array<ArrayBuffer>>();

/** Fetches files by their addresses on this page's server. */
export async function fetchFiles(paths: readonly string[]): Promise<void> {
  await Promise.all(
    paths.map(async (path) => files.set(path, new Uint8Array(await (await fetch(path)).arrayBuffer()))),
  );
}

function bytesOf(path: string): Uint8Array<ArrayBuffer> {
  const found = files.get(path);
  if (!found) throw new Error(`${path}: not fetched`);
  return found;
}

export const join = (...parts: readonly string[]): string => parts.join("/");

export const existsSync = (path: string): boolean => files.has(path);

export const readFileSync = (path: string, _encoding: "utf8"): string => new TextDecoder().decode(bytesOf(path));

export const readFile = async (path: string, encoding: "utf8"): Promise<string> => readFileSync(path, encoding);

export const readdirSync = (folder: string): string[] =>
  [...files.keys()]
    .filter((path) => path.startsWith(`${folder}/`) && !path.slice(folder.length + 1).includes("/"))
    .map((path) => path.slice(folder.length + 1));

export async function openSource(path: string): Promise<ByteSource> {
  if (!files.has(path)) throw new UserError(`${path}: no such file`);
  return memorySource(bytesOf(path), path);
}
