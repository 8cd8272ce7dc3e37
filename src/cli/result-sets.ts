import { basename, extname, join } from "node:path";
import type { Pixels } from "../api";
import { UserError } from "../errors";
import type { Triple } from "../experiments/evaluate";
import { readWhole } from "../platform/files-node";
import { decodeImage, resize } from "../platform/images-node";
import { PARAMETERS, readPngText } from "../platform/png-text";
import { pictureNames } from "./folders";

export type ReadPicture = (file: string, side: number) => Promise<Pixels>;

/** Bytes of decoded pictures that are kept. */
const MOST_KEPT = 2 ** 28;

/** Decodes files, and keeps those used last. */
export function pictureCache(): ReadPicture {
  const known = new Map<string, Pixels>();
  let bytes = 0;
  return async (file, side) => {
    const key = `${side} ${file}`;
    const found = known.get(key) ?? (await resize(await decodeImage(file), side, side));
    if (!known.delete(key)) bytes += found.data.length;
    known.set(key, found);
    for (const [oldest, { data }] of known) {
      if (bytes <= MOST_KEPT || oldest === key) break;
      known.delete(oldest);
      bytes -= data.length;
    }
    return found;
  };
}

/** The folders of a set, with the names of their pictures. */
export interface SetFolders {
  readonly originals: { readonly folder: string; readonly names: readonly string[] };
  readonly contents: { readonly folder: string; readonly names: readonly string[] };
}

export async function setFolders(options: { originals: string; contents: string }): Promise<SetFolders> {
  const of = async (folder: string) => ({ folder, names: await pictureNames(folder) });
  return { originals: await of(options.originals), contents: await of(options.contents) };
}

/** Results of a folder with what they were made of; what cannot be matched is noted in `failures`. */
export async function readTriples(
  folder: string,
  names: readonly string[],
  { originals, contents }: SetFolders,
  read: ReadPicture,
  failures: string[],
): Promise<Triple[]> {
  const triples: Triple[] = [];
  for (const name of names) {
    const file = join(folder, name);
    try {
      const bytes = await readWhole(file);
      const origin = originOf(bytes) ?? originByName(name, originals.names, contents.names);
      if (!origin) {
        if (name !== "sheet.png")
          failures.push(
            `${file}: does not say what it was made of; name it ORIGINAL--CONTENT.png, or take results of grid or inject`,
          );
        continue;
      }
      const result = await decodeImage(bytes, file);
      const side = result.width;
      if (side !== result.height)
        throw new UserError(`${file}: is ${side}x${result.height}; results are square, as the model sees them`);
      triples.push({
        name,
        result,
        original: await read(join(originals.folder, origin.original), side),
        content: await read(join(contents.folder, origin.content), side),
        keys: { original: `${side} ${origin.original}`, content: `${side} ${origin.content}` },
      });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      failures.push(error.message);
    }
  }
  return triples;
}

interface Origin {
  readonly original: string;
  readonly content: string;
}

/** Of a result made elsewhere: ORIGINAL--CONTENT.png, as grid names them, with or without their extensions. */
function originByName(name: string, originals: readonly string[], contents: readonly string[]): Origin | undefined {
  const parts = basename(name, extname(name)).split("--");
  const find = (names: readonly string[], text: string) =>
    names.find((file) => file === text) ?? names.find((file) => basename(file, extname(file)) === text);
  for (let k = 1; k < parts.length; k++) {
    const original = find(originals, parts.slice(0, k).join("--"));
    const content = find(contents, parts.slice(k).join("--"));
    if (original && content) return { original, content };
  }
  return undefined;
}

/** Original and (first) content of a result, from its PNG text. */
function originOf(bytes: Uint8Array): Origin | undefined {
  try {
    const made = JSON.parse(readPngText(bytes)[PARAMETERS] ?? "") as {
      original?: unknown;
      content?: unknown;
      contents?: unknown;
    };
    const content = Array.isArray(made.contents) ? made.contents[0] : made.content;
    if (typeof made.original !== "string" || typeof content !== "string") return undefined;
    return { original: made.original, content };
  } catch {
    return undefined;
  }
}
