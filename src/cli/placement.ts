import { type Command, InvalidArgumentError, Option } from "commander";
import type { Eyes, Pixels, PlacedImage, Placement, Square } from "../api";
import { squareOf } from "../inject/placement";
import { openFaceFinder } from "../platform/face-node";
import { naming, UsageError } from "./failure";
import type { Reporter } from "./reporter";

/** A placement as it was typed, and the picture it was typed after: "original", "content 1", ... */
interface Placed {
  readonly flag: "--place" | "--eyes";
  readonly of: string;
  readonly placement: Placement;
}

export interface PlacementOptions {
  readonly place?: readonly Placed[];
  readonly eyes?: readonly Placed[];
  readonly align?: "face";
}

const numbers = (text: string, form: string, counts: readonly number[]): number[] => {
  const parts = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (!counts.includes(parts.length) || !parts.every(Number.isFinite))
    throw new InvalidArgumentError(`It must look like "${form}", in pixels.`);
  return parts;
};

/** "x,y,size[,degrees]": a square by its centre. */
export function parseSquare(text: string): Square {
  const [x, y, size, degrees] = numbers(text, "310,220,180 or 310,220,180,-12", [3, 4]) as [
    number,
    number,
    number,
    number?,
  ];
  if (!(size > 0)) throw new InvalidArgumentError("Its size must be more than 0 pixels.");
  return { x, y, size, ...(degrees !== undefined && { degrees }) };
}

/** "x1,y1,x2,y2": the centres of both eyes. */
export function parseEyes(text: string): Eyes {
  const eyes = numbers(text, "280,200,350,205", [4]) as [number, number, number, number];
  if (eyes[0] === eyes[2] && eyes[1] === eyes[3]) throw new InvalidArgumentError("The eyes must be at two places.");
  return { eyes };
}

/** Adds the flags that place pictures. --place and --eyes belong to the picture named before them on the command line.
 *  @param flags the command's flags that name a picture, in commander's spelling ("original"); none where it is an argument */
export function withPlacementOptions(command: Command, flags: readonly string[]): Command {
  const seen = new Map<string, number>();
  let last: string | undefined;
  for (const flag of flags)
    command.on(`option:${flag}`, () => {
      seen.set(flag, (seen.get(flag) ?? 0) + 1);
      last = pictureKey(flag, seen.get(flag)!);
    });
  const after =
    (flag: Placed["flag"], parse: (text: string) => Placement) =>
    (text: string, all: Placed[] = []): Placed[] => {
      if (last === undefined && flags.length > 0)
        throw new InvalidArgumentError(`Name its picture first, as in --original photo.jpg ${flag} ...`);
      return [...all, { flag, of: last ?? ONLY, placement: parse(text) }];
    };
  const of = flags.length > 0 ? " of the picture named before it" : " of the picture";
  return command
    .optionsGroup("Placing (pixels of the upright picture):")
    .addOption(
      new Option("--place <x,y,size[,degrees]>", `square${of}, by its centre; turned clockwise`).argParser(
        after("--place", parseSquare),
      ),
    )
    .addOption(
      new Option("--eyes <x1,y1,x2,y2>", `both eyes${of}: the face is cut as FFHQ and CelebA-HQ cut it`).argParser(
        after("--eyes", parseEyes),
      ),
    )
    .addOption(
      new Option(
        "--align <what>",
        "find the largest face of every picture not placed yet (needs @vladmandic/face-api)",
      ).choices(["face"]),
    );
}

/** The picture of a command that takes one. */
export const ONLY = "picture";

/** The name of the n-th picture, from 1, given by a flag. */
export const pictureKey = (flag: string, n = 1): string => `${flag} ${n}`;

/** Whether the options choose a square for a picture. */
export const isPlaced = (key: string, { place = [], eyes = [], align }: PlacementOptions): boolean =>
  align !== undefined || [...place, ...eyes].some(({ of }) => of === key);

/** A picture to place. */
export interface ToPlace {
  /** as `pictureKey` gives it, or ONLY */
  readonly key: string;
  readonly name: string;
  readonly pixels: Pixels;
}

/** A picture and its square, as `Model.invert` takes it; the centred square where there is none. */
export interface Placing extends PlacedImage {
  readonly image: Pixels;
  readonly placement: Square | undefined;
}

/** Places pictures as the options say.
 *  @throws UsageError for a picture placed twice; UserError for a square outside its picture, or where no face is found */
export async function placeAll(
  pictures: readonly ToPlace[],
  options: PlacementOptions,
  reporter: Reporter,
): Promise<Placing[]> {
  const given = [...(options.place ?? []), ...(options.eyes ?? [])];
  const lost = given.find(({ of }) => !pictures.some(({ key }) => key === of));
  if (lost) throw new UsageError(`${lost.flag}: a saved inversion is placed already; give the picture itself`);
  const find = options.align && pictures.some(({ key }) => !given.some(({ of }) => of === key));
  const finder = find ? await reporter.phase("open face finder", () => openFaceFinder()) : undefined;
  const placed: Placing[] = [];
  for (const { key, name, pixels } of pictures) {
    const own = given.filter(({ of }) => of === key);
    if (own.length > 1) throw new UsageError(`${own[1]!.flag}: ${name} is placed twice; give --place or --eyes once`);
    const placement =
      own[0]?.placement ??
      (finder && (await reporter.phase("find face", () => naming("--align", () => finder(pixels, name)))));
    const { width, height } = pixels.full ?? pixels;
    const square = async () => placement && squareOf(placement, width, height);
    placed.push({ image: pixels, placement: await naming(own[0]?.flag ?? "--align", square) });
  }
  return placed;
}
