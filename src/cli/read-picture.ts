import type { MaskOption, Pixels } from "../api";
import { UserError } from "../errors";
import { readWhole } from "../platform/files-node";
import { decodeImage, decodeMask, frameCount } from "../platform/images-node";
import { shortUrl } from "../urls";
import { naming } from "./failure";
import { checkMask } from "./masks";
import type { Reporter } from "./reporter";
import type { NamedFile } from "./targets";

/** Pictures smaller than this on a side say next to nothing. */
const TINY = 16;

/** Reads a picture from a file, `-` (stdin), or an address (http, https, data), and points out what may surprise: a
 *  crop to the centre square, a picture of a few pixels, all frames of an animation but the first.
 *  @param placed whether another square than the centred one is chosen
 *  @throws UserError naming the flag */
export async function readPicture({ flag, file }: NamedFile, reporter: Reporter, placed = false): Promise<Pixels> {
  const name = shown(file);
  return naming(flag, async () => {
    const source = await sourceOf(file, name);
    const pixels = await decodeImage(source, name);
    const { width, height } = pixels;
    const side = Math.min(width, height);
    const about = `${flag} ${name}`;
    if (side < TINY)
      reporter.note(`${about} is ${width}x${height}: its ${side}x${side} square is enlarged to the model's size`);
    else if (width !== height && !placed)
      reporter.note(
        `${about} is ${width}x${height}: the model sees its centre square of ${side}x${side} (--place, --eyes or --align choose another)`,
      );
    const frames = source instanceof Uint8Array ? await frameCount(source) : 1;
    if (frames > 1) reporter.note(`${about} has ${frames} frames: the first is used`);
    return pixels;
  });
}

/** Reads a mask, or takes the one that the official program has built in.
 *  @throws UserError naming the flag, and for a mask that does not fit the picture it lies on */
export async function readMask({ flag, file }: NamedFile, original: Pixels | undefined): Promise<MaskOption> {
  if (file === "official") return file;
  return naming(flag, async () => {
    const mask = await decodeMask(file);
    checkMask(mask, original, file);
    return mask;
  });
}

/** Files that a list of flags and values names; `-` and addresses are none. */
export const inputFiles = (
  ...given: readonly (readonly [flag: string, files: string | readonly string[] | undefined])[]
) =>
  given.flatMap(([flag, files = []]) =>
    [files]
      .flat()
      .filter((file) => file !== "-" && !isAddress(file))
      .map((file): NamedFile => ({ flag, file })),
  );

const isAddress = (file: string): boolean => /^(?:https?|data):/i.test(file);

/** A name for messages: without the content of a data URL, and without credentials and query. */
const shown = (file: string): string => (file === "-" ? "stdin" : isAddress(file) ? shortUrl(file) : file);

async function sourceOf(file: string, name: string): Promise<Uint8Array | URL> {
  if (file === "-") return readStdin();
  if (!isAddress(file)) return readWhole(file, "a picture");
  if (!URL.canParse(file)) throw new UserError(`${name}: is no address that can be read; check it`);
  return new URL(file);
}

let taken = false;

async function readStdin(): Promise<Uint8Array> {
  if (taken) throw new UserError("stdin: can be read once only; give a file for the other picture");
  taken = true;
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array);
  if (chunks.length === 0) throw new UserError("stdin: is empty, expected a picture");
  return Buffer.concat(chunks);
}
