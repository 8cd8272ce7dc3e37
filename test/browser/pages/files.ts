/** Stands in, inside a page, for what test bodies ask of `node:fs`, `node:path` and the library's own opener of files:
 *  a folder fetched whole before the tests begin. */
import { UserError } from "../../../src/errors";
import { chooseWeights } from "../../../src/model/checkpoint/choose";
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

/** Opens a file, or the weights of a folder; files beside it are its siblings. */
export async function openSource(path: string): Promise<ByteSource> {
  const inside = [...files.keys()].filter((file) => file.startsWith(`${path}/`));
  if (inside.length > 0) {
    const names = inside.map((file) => file.slice(path.length + 1));
    return openSource(`${path}/${chooseWeights(names, path)}`);
  }
  if (!files.has(path)) throw new UserError(`${path}: no such file`);
  return {
    ...memorySource(bytesOf(path), path),
    async sibling(relative) {
      const { pathname } = new URL(relative, new URL(path, "file:///"));
      return files.has(pathname) ? openSource(pathname) : undefined;
    },
  };
}
