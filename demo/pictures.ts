import { decodeImage, type Pixels } from "../src/browser";
import { drawPortrait, sampleFactors } from "../weights/portraits/portrait";

/** A picture that can be content or original. */
export interface Picture {
  /** Unique in the page. Of pictures anybody can have again (examples, drawn ones) it stands in shared links. */
  readonly id: string;
  readonly name: string;
  readonly pixels: Pixels;
  readonly shareable: boolean;
}

const SIDE = 64;

/** Portraits drawn for the demo that the model never trained on start here. */
export const randomSeed = (): number => Math.floor(Math.random() * 2 ** 31);

/** The portrait of a seed, drawn in the page. */
export function drawnPicture(seed: number): Picture {
  const data = drawPortrait(sampleFactors(seed), SIDE);
  return {
    id: `drawn-${seed}`,
    name: `drawn portrait ${seed}`,
    pixels: { data, width: SIDE, height: SIDE },
    shareable: true,
  };
}

/** One of the portraits that come with the page. */
export async function examplePicture(file: string): Promise<Picture> {
  const response = await fetch(`./examples/${file}`);
  const id = file.replace(/\.\w+$/, "");
  return { id, name: id.replace("-", " "), pixels: await decodeImage(await response.blob(), file), shareable: true };
}

let opened = 0;

/** A file the user picked, dropped or pasted. @throws UserError for one that is no picture */
export async function filePicture(file: File): Promise<Picture> {
  const pixels = await decodeImage(file, file.name);
  return { id: `file-${++opened}`, name: file.name, pixels, shareable: false };
}

/** The picture of a shared link, when it is one that can be drawn again. */
export function sharedPicture(id: string): Picture | undefined {
  const [, seed] = /^drawn-(\d{1,10})$/.exec(id) ?? [];
  return seed === undefined ? undefined : drawnPicture(Number(seed));
}

/** The first picture among dropped or pasted files. */
export const pictureFile = (from: DataTransfer | null): File | undefined =>
  [...(from?.files ?? [])].find((file) => file.type.startsWith("image/"));
