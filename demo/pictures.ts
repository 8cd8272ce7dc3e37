import { decodeImage, type ImageInput, type Pixels, type Square, UserError } from "../src/browser";
import { centreSquare } from "../src/inject/placement";
import { drawPortrait, sampleFactors } from "../weights/portraits/portrait";
import { canvasOf, drawSquare } from "./draw";

/** A picture that can be content or original. */
export interface Picture {
  /** unique in the page; shared links name examples and drawn portraits by it */
  readonly id: string;
  /** identity of what the model sees: the id and the placement */
  readonly key: string;
  readonly name: string;
  /** name of the file that results say they were made of */
  readonly file: string;
  readonly width: number;
  readonly height: number;
  /** the picture itself; of an opened file the file, which is decoded anew for each inversion */
  readonly source: Pixels | File;
  /** the picture at no more than VIEW pixels a side */
  readonly view: HTMLCanvasElement;
  /** the model's square, drawn once at THUMB pixels a side */
  readonly thumb: HTMLCanvasElement;
  /** the square that the model sees; the centred one unless it was placed */
  readonly square: Square | undefined;
  readonly shareable: boolean;
  /** can be taken off the page again */
  readonly removable: boolean;
}

const SIDE = 64;
/** Pixels of the longer side of the copy that the page works with; 12-megapixel originals would slow every redraw. */
const VIEW = 1200;
const THUMB = 96;

/** The square of a picture that the model sees, in pixels of the whole picture. */
export const squareOfPicture = ({ square, width, height }: Pick<Picture, "square" | "width" | "height">): Square =>
  square ?? centreSquare(width, height);

/** A picture as the library takes it. */
export const inputOf = ({ source, square }: Picture): ImageInput =>
  square ? { image: source, placement: square } : source;

/** The same picture with another square of it in the model's view. */
export function placed(picture: Picture, square: Square | undefined): Picture {
  return withThumb({ ...picture, square, key: square ? `${picture.id} ${JSON.stringify(square)}` : picture.id });
}

function withThumb(picture: Omit<Picture, "thumb">): Picture {
  const thumb = document.createElement("canvas");
  drawSquare(thumb, picture, squareOfPicture(picture), THUMB);
  return { ...picture, thumb };
}

/** A seed for a portrait that the model never trained on. */
export const randomSeed = (): number => Math.floor(Math.random() * 2 ** 31);

/** The portrait of a seed, drawn in the page. */
export function drawnPicture(seed: number): Picture {
  const pixels = { data: drawPortrait(sampleFactors(seed), SIDE), width: SIDE, height: SIDE };
  const id = `drawn-${seed}`;
  return small(id, `drawn portrait ${seed}`, `${id}.png`, pixels, true);
}

/** One of the portraits that come with the page. */
export async function examplePicture(file: string): Promise<Picture> {
  const response = await fetch(`./examples/${file}`);
  const id = file.replace(/\.\w+$/, "");
  return small(id, id.replace("-", " "), file, await decodeImage(await response.blob(), file), false);
}

const small = (id: string, name: string, file: string, pixels: Pixels, removable: boolean): Picture => {
  const { width, height } = pixels;
  const base = { id, key: id, name, file, width, height, source: pixels, view: canvasOf(pixels) };
  return withThumb({ ...base, square: undefined, shareable: true, removable });
};

let opened = 0;

/** A file that the user chose, dropped or pasted. Only a small copy of it is kept decoded.
 *  @throws UserError for one that is not a picture */
export async function filePicture(file: File): Promise<Picture> {
  if (file.size === 0) throw new UserError(`${file.name}: is empty (0 bytes); choose a picture`);
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => {
    throw new UserError(`${file.name}: is damaged or not a picture the browser can show; choose a JPEG, PNG or WebP`);
  });
  const { width, height } = bitmap;
  const scale = Math.min(1, VIEW / Math.max(width, height));
  const view = document.createElement("canvas");
  view.width = Math.max(1, Math.round(width * scale));
  view.height = Math.max(1, Math.round(height * scale));
  const context = view.getContext("2d")!;
  context.fillStyle = "white"; // under transparent pixels, as the library does it
  context.fillRect(0, 0, view.width, view.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, view.width, view.height);
  bitmap.close();
  const id = `file-${++opened}`;
  const base = { id, key: id, name: file.name, file: file.name, width, height, source: file, view };
  return withThumb({ ...base, square: undefined, shareable: false, removable: true });
}

/** The picture of a shared link, when it is one that can be drawn again. */
export function sharedPicture(id: string): Picture | undefined {
  const [, seed] = /^drawn-(\d{1,10})$/.exec(id) ?? [];
  return seed === undefined ? undefined : drawnPicture(Number(seed));
}

/** The first picture among dropped or pasted files, else the first file; whether it is one shows when it is decoded. */
export function pictureFile(from: DataTransfer | null): File | undefined {
  const files = [...(from?.files ?? [])];
  return files.find((file) => file.type.startsWith("image/")) ?? files[0];
}
