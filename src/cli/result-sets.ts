import { basename, extname, join } from "node:path";
import type { Pixels } from "../api";
import { UserError } from "../errors";
import type { Triple } from "../experiments/evaluate";
import { readWhole } from "../platform/files-node";
import { decodeImage, resize } from "../platform/images-node";
import { PARAMETERS, readPngText } from "../platform/png-text";
import { pictureNames } from "./folders";

export type ReadPicture = (file: string, side: number) => Promise<Pixels>;

/** Decodes each file once per size, so that pictures can be told apart by identity. */
export function pictureCache(): ReadPicture {
  const known = new Map<string, Promise<Pixels>>();
  return (file, side) => {
    const key = `${side} ${file}`;
    const found = known.get(key) ?? decodeImage(file).then((picture) => resize(picture, side, side));
    known.set(key, found);
    return found;
  };
}

/** The results of a folder with what they were made of; what cannot be matched is noted in `failures`. */
export async function readSet(
  folder: string,
  options: { readonly originals: string; readonly contents: string },
  read: ReadPicture,
  failures: string[],
): Promise<Triple[]> {
  const triples: Triple[] = [];
  const [originals, contents] = [await pictureNames(options.originals), await pictureNames(options.contents)];
  for (const name of await pictureNames(folder)) {
    const file = join(folder, name);
    try {
      const bytes = await readWhole(file);
      const origin = originOf(bytes) ?? originByName(name, originals, contents);
      if (!origin) {
        if (name !== "sheet.png")
          failures.push(
            `${file}: does not say what it was made of; name it ORIGINAL--CONTENT.png, or take results of grid or inject`,
          );
        continue;
      }
      const result = await decodeImage(bytes, file);
      if (result.width !== result.height)
        throw new UserError(`${file}: is ${result.width}x${result.height}; results are square, as the model sees them`);
      const original = await read(join(options.originals, origin.original), result.width);
      const content = await read(join(options.contents, origin.content), result.width);
      triples.push({ name, result, original, content });
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
